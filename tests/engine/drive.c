/* Answers of many models, and that nothing but the answer is written.
 *
 * Cases on stdin, answers on stdout; all numbers are uint32, little-endian. stdin: the number of cases; of each
 * the bytes of its file, the file, the number of questions; of each question user, k, n_seen, seen. stdout: of
 * each question the result, and where it is positive so many items and scores. Exit code 4: the engine broke a
 * promise of recpress.h. All memory ends where a sanitizer, or a page that must not be touched, begins. */
#define _DEFAULT_SOURCE
#include "fenced.h"
#include "recpress.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static uint32_t word(void)
{
    uint32_t x;
    if (fread(&x, 4, 1, stdin) != 1) exit(2);
    return x;
}

static void *words(size_t n, uint32_t filled_with)
{
    uint32_t *p = fenced(4 * n);
    for (size_t i = 0; i < n; i++) p[i] = filled_with;
    return p;
}

static void promised(int kept, const char *what)
{
    if (kept) return;
    fprintf(stderr, "broken promise: %s\n", what);
    exit(4);
}

/* The same answer whatever the scratch holds, without scores, at another place; errors as documented. */
static void check_promises(const rp_model *model, const rp_query *query, const uint32_t *items, int32_t found)
{
    const uint32_t n_items = model->header->n_items;
    const size_t size = rp_scratch_bytes(model, query->k);
    uint8_t *scratch = fenced(size + 16);
    uint32_t *again = words(query->k, 0x5a5a5a5a), outside = n_items;
    rp_query wrong = *query;
    memset(scratch, 0xff, size + 16);
    promised(rp_recommend(model, query, again, NULL, scratch + 16, size) == found, "the same count again");
    promised(found < 0 || !memcmp(items, again, 4 * (size_t)found), "the same items again");
    promised(rp_recommend(model, query, again, NULL, scratch, size - 1) == RP_SCRATCH_TOO_SMALL, "little scratch");
    promised(rp_recommend(model, query, again, NULL, scratch + 8, size) == RP_UNALIGNED, "unaligned scratch");
    wrong.k = n_items + 1;
    promised(rp_recommend(model, &wrong, again, NULL, scratch, size) == RP_BAD_K, "k above n_items");
    wrong.k = 0;
    promised(rp_recommend(model, &wrong, again, NULL, scratch, size) == RP_BAD_K, "k of 0");
    wrong = *query;
    wrong.user = model->header->n_users > 1 ? model->header->n_users : 1;
    promised(rp_recommend(model, &wrong, again, NULL, scratch, size) == RP_BAD_USER, "no such user");
    wrong = *query;
    wrong.seen = &outside;
    wrong.n_seen = 1;
    promised(rp_recommend(model, &wrong, again, NULL, scratch, size) == RP_BAD_ITEM, "no such item");
    unfenced(scratch, size + 16);
    unfenced(again, 4 * (size_t)query->k);
}

static void answer(const rp_model *model, int32_t opened, int checked)
{
    rp_query query = {0};
    query.user = word();
    query.k = word();
    query.n_seen = word();
    uint32_t *seen = words(query.n_seen, 0), *items = words(query.k, 0x5a5a5a5a);
    float *scores = words(query.k, 0x5a5a5a5a);
    int32_t found = opened;
    if (query.n_seen && fread(seen, 4, query.n_seen, stdin) != query.n_seen) exit(2);
    query.seen = query.n_seen ? seen : NULL;
    if (!opened) {
        const size_t size = rp_scratch_bytes(model, query.k);
        void *scratch = fenced(size);
        memset(scratch, 0xa5, size);
        found = rp_recommend(model, &query, items, scores, scratch, size);
        unfenced(scratch, size);
        if (checked) check_promises(model, &query, items, found);
    }
    fwrite(&found, 4, 1, stdout);
    if (found > 0) {
        fwrite(items, 4, (size_t)found, stdout);
        fwrite(scores, 4, (size_t)found, stdout);
    }
    unfenced(seen, 4 * (size_t)query.n_seen);
    unfenced(items, 4 * (size_t)query.k);
    unfenced(scores, 4 * (size_t)query.k);
}

int main(void)
{
    for (uint32_t cases = word(); cases; cases--) {
        const uint32_t bytes = word();
        uint8_t *file = fenced(bytes);
        rp_model model;
        if (bytes && fread(file, 1, bytes, stdin) != bytes) return 2;
        const int32_t opened = rp_open(&model, file, bytes);
#ifdef RP_AUDIT
        promised(opened || rp_audit(&model) == RP_OK, "a right file's numbers");
#endif
        for (uint32_t questions = word(), i = 0; i < questions; i++) answer(&model, opened, !i);
        unfenced(file, bytes);
    }
    return 0;
}
