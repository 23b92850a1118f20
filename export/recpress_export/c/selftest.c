/* The self-test of a bundle: asks every question of selftest.h and compares items and scores, bit by bit.
 *
 *     ./selftest [model.bin]
 *
 * says "64 queries, 0 differ". Exit code 1: an answer differs; 2: there is no model to ask.
 * Of a model of float32 tables, scores may differ by SELFTEST_TOLERANCE, and items where scores tie within it. */
#include "recpress.h"
#include "selftest.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ALIGNMENT 64u

static void *memory(size_t size) /* aligned, and never given back */
{
    char *p = malloc(size + ALIGNMENT);
    return p ? p + (ALIGNMENT - (uintptr_t)p % ALIGNMENT) : NULL;
}

static void *read_file(const char *path, size_t *size)
{
    FILE *file = fopen(path, "rb");
    if (!file || fseek(file, 0, SEEK_END)) return NULL;
    const long length = ftell(file);
    rewind(file);
    if (length < 0) return NULL;
    *size = (size_t)length;
    void *data = memory(*size);
    const int whole = data && fread(data, 1, *size, file) == *size;
    fclose(file);
    return whole ? data : NULL;
}

static float score_of(uint32_t bits)
{
    float score;
    memcpy(&score, &bits, sizeof score);
    return score;
}

static int near(float left, float right, float allowed)
{
    return left - right <= allowed && right - left <= allowed; /* not so for NaN */
}

/* Whether an answer is the one wanted. `want`: n items, then the bits of their scores. */
static int is_right(const uint32_t *items, const float *scores, const uint32_t *want, uint32_t n)
{
    const float allowed = SELFTEST_TOLERANCE;
    for (uint32_t i = 0; i < n; i++) {
        const float score = score_of(want[n + i]);
        float own = score_of(want[n + n - 1]); /* an item that is not in the list ties with its last */
        if (allowed == 0) {
            if (items[i] != want[i] || memcmp(&scores[i], &want[n + i], sizeof(float))) return 0;
            continue;
        }
        for (uint32_t j = 0; j < n; j++) {
            if (want[j] == items[i]) own = score_of(want[n + j]);
            if (j != i && items[j] == items[i]) return 0;
        }
        if (!near(scores[i], score, allowed)) return 0;
        if (items[i] != want[i] && !near(own, score, 2 * allowed)) return 0;
    }
    return 1;
}

int main(int argc, char **argv)
{
    static uint32_t items[SELFTEST_K];
    static float scores[SELFTEST_K];
    const char *path = argc > 1 ? argv[1] : "model.bin";
    size_t size = 0;
    void *data = read_file(path, &size);
    rp_model model;
    const int32_t opened = data ? rp_open(&model, data, size) : RP_NOT_A_MODEL;
    if (opened != RP_OK) {
        printf("%s: no model that this program reads (%d)\n", path, (int)opened);
        return 2;
    }
    const size_t scratch_bytes = rp_scratch_bytes(&model, SELFTEST_K);
    void *scratch = memory(scratch_bytes);
    if (!scratch) return 2;
    const uint32_t *next = selftest;
    int wrong = 0;
    for (int i = 0; i < SELFTEST_QUERIES; i++) {
        rp_query query = {next[0], next + 3, next[1], SELFTEST_K};
        const uint32_t n = next[2], *want = next + 3 + query.n_seen;
        const int32_t found = rp_recommend(&model, &query, items, scores, scratch, scratch_bytes);
        wrong += found != (int32_t)n || !is_right(items, scores, want, n);
        next = want + 2 * n;
    }
    printf("%d queries, %d differ\n", SELFTEST_QUERIES, wrong);
    return wrong != 0;
}
