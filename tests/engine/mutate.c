/* Damaged files: what rp_open makes of them, and rp_recommend of those that it opens.
 *
 *     mutate SEED COUNT < MODELS
 *
 * MODELS: uint32 their number; of each uint32 its bytes, and the file. Each of COUNT turns takes a model, makes one
 * to four accidents in it, most of them in its header, opens it and asks it. Memory has the exact size, so that a
 * sanitizer reports what goes beyond. stdout: how often each function returned each code; positive ones count as 1.
 * Exit code 4: the engine returned what recpress.h does not allow. */
#define _DEFAULT_SOURCE
#include "fenced.h"
#include "recpress.h"
#include <stdio.h>
#include <string.h>

#define WORDS (RP_HEADER_BYTES / 4u)
#define MOST_MODELS 256u
#define LOWEST_CODE 9

static uint64_t state;

/* xorshift64*: the same numbers on every machine. */
static uint32_t below(uint32_t n)
{
    state ^= state >> 12;
    state ^= state << 25;
    state ^= state >> 27;
    return (uint32_t)(((state * 0x2545F4914F6CDD1Dull) >> 32) * n >> 32);
}

static uint32_t word_at(const uint8_t *file, uint32_t at)
{
    uint32_t x;
    memcpy(&x, file + at, 4);
    return x;
}

static void set_word(uint8_t *file, uint32_t at, uint32_t x) { memcpy(file + at, &x, 4); }

/* A number at which something may go wrong. */
static uint32_t edge(const uint8_t *file, uint32_t bytes)
{
    const uint32_t edges[] = {0, 1, 2, 3, 4, 16, 31, 32, 33, 64, 128, 192, 256, 1023, 1024, 1025, 0xffff, 0x10000,
                              0xffffff, 0x1000000, 0x7fffffff, 0x80000000, 0xffffffc0, 0xffffffff, 0x7f800000,
                              0x7fc00000, 0xff7fffff, bytes};
    const uint32_t n = sizeof edges / sizeof *edges, which = below(n + 4u);
    if (which < n) return edges[which];
    if (which == n) return bytes - 64u + below(129u);
    if (which == n + 1u) return bytes / 64u * 64u - 64u * below(4u);
    return word_at(file, 4u * below(WORDS)) + below(3u) - 1u;
}

static void damage(uint8_t *file, uint32_t bytes)
{
    const uint32_t at = 8u + 4u * below(WORDS - 2u), other = 8u + 4u * below(WORDS - 2u), old = word_at(file, at);
    switch (below(12)) {
    case 0: file[below(RP_HEADER_BYTES)] ^= (uint8_t)(1u << below(8)); return;
    case 1: set_word(file, at, old ^ 1u << below(32)); return;
    case 2:
    case 3: set_word(file, at, edge(file, bytes)); return;
    case 4: set_word(file, at, old + below(5u) - 2u); return;
    case 5: set_word(file, at, old + 64u * below(5u) - 128u); return;
    case 6:
        set_word(file, at, word_at(file, other));
        set_word(file, other, old);
        return;
    case 7: set_word(file, at, word_at(file, other)); return;
    case 8: set_word(file, at, below(64)); return;
    case 9: set_word(file, 16u + 4u * below(9u), below(4)); return; /* codes and counts */
    case 10:
        if (bytes > RP_HEADER_BYTES) file[RP_HEADER_BYTES + below(bytes - RP_HEADER_BYTES)] ^= (uint8_t)(1u << below(8));
        return;
    default:
        if (bytes >= RP_HEADER_BYTES + 4u)
            set_word(file, RP_HEADER_BYTES + below((bytes - RP_HEADER_BYTES) / 4u) * 4u, edge(file, bytes));
    }
}

static uint64_t opened[LOWEST_CODE + 2], answered[LOWEST_CODE + 2]; /* by code, negated; the last: more than 0 */

static void count(uint64_t *counts, int32_t code, int32_t most)
{
    if (code < -LOWEST_CODE || code > most) {
        fprintf(stderr, "returned %d, at most %d\n", code, most);
        exit(4);
    }
    counts[code > 0 ? LOWEST_CODE + 1 : -code]++;
}

static void ask(const rp_model *model)
{
    const uint32_t n_items = model->header->n_items, n_users = model->header->n_users, n_seen = below(6u);
    const uint32_t ks[] = {1, 2, n_items, 1 + below(n_items), 10, n_items / 2u}, k = ks[below(6)];
    const size_t size = rp_scratch_bytes(model, k), room = k <= n_items ? k : n_items;
    uint32_t *items = fenced(4 * room), *seen = fenced(4 * (size_t)n_seen);
    float *scores = fenced(4 * room);
    void *scratch = fenced(size);
    memset(scratch, (int)below(256), size);
    for (uint32_t i = 0; i < n_seen; i++) seen[i] = below(n_items + (below(8) == 0));
    const rp_query query = {n_users ? below(n_users + (below(8) == 0)) : 0, seen, n_seen, k};
    const int32_t found = rp_recommend(model, &query, items, below(4) ? scores : NULL, scratch, size);
    count(answered, found, (int32_t)room);
    for (int32_t i = 0; i < found; i++)
        if (items[i] >= n_items) {
            fprintf(stderr, "recommended %u of %u items\n", (unsigned)items[i], (unsigned)n_items);
            exit(4);
        }
    unfenced(items, 4 * room);
    unfenced(seen, 4 * (size_t)n_seen);
    unfenced(scores, 4 * room);
    unfenced(scratch, size);
}

static void one_turn(const uint8_t *whole, uint32_t bytes)
{
    rp_model model;
    const uint32_t shift = below(64) ? 0 : 4u * (1u + below(3));
    const uint32_t size = below(8) ? bytes : below(4) ? bytes - below(bytes < 130u ? bytes : 130u) : below(bytes + 1u);
    uint8_t *memory = fenced((size_t)size + shift), *file = memory + shift;
    memcpy(file, whole, size);
    if (size >= RP_HEADER_BYTES) {
        for (uint32_t accidents = 1u + below(4); accidents; accidents--) damage(file, size);
        if (size != bytes && below(2)) set_word(file, 12, size);
    }
    const int32_t code = rp_open(&model, file, size);
    count(opened, code, 0);
#ifdef RP_AUDIT
    const int32_t audited = code ? RP_OK : rp_audit(&model);
    if (audited != RP_OK && audited != RP_OVERFLOWS && audited != RP_UNBOUNDED) exit(4);
#endif
    if (!code)
        for (int i = 0; i < 2; i++) ask(&model);
    unfenced(memory, (size_t)size + shift);
}

int main(int argc, char **argv)
{
    static uint8_t *models[MOST_MODELS];
    static uint32_t bytes[MOST_MODELS], n;
    if (argc != 3 || fread(&n, 4, 1, stdin) != 1 || !n || n > MOST_MODELS) return 2;
    for (uint32_t i = 0; i < n; i++) {
        if (fread(&bytes[i], 4, 1, stdin) != 1) return 2;
        models[i] = malloc(bytes[i]);
        if (!models[i] || fread(models[i], 1, bytes[i], stdin) != bytes[i]) return 2;
    }
    state = 0x9E3779B97F4A7C15ull * (strtoull(argv[1], NULL, 10) + 1u);
    for (unsigned long long turns = strtoull(argv[2], NULL, 10); turns; turns--) {
        const uint32_t which = below(n);
        one_turn(models[which], bytes[which]);
    }
    for (int i = 0; i <= LOWEST_CODE + 1; i++)
        printf("%d %llu %llu\n", i > LOWEST_CODE ? 1 : -i, (unsigned long long)opened[i],
               (unsigned long long)answered[i]);
    for (uint32_t i = 0; i < n; i++) free(models[i]);
    return 0;
}
