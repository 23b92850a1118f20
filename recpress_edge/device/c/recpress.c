/* RecPress Edge: the engine behind recpress.h.
 *
 * Items lie in blocks of 32, so that a kernel scores a block in registers and nothing but the largest score of
 * each block is stored:
 *
 *   1. one pass over all blocks keeps the largest score of each (again without the items that are excluded);
 *   2. a threshold is chosen that at least k of these reach: each such block holds an item that reaches it, so
 *      no item below it can be among the k best;
 *   3. the few blocks that reach the threshold are scored again, and their items above it are sorted.
 *
 * Scores are int32 or, where floats rank, the bits of a float32 made to sort like int32. A key is a score
 * above an inverted item number, so that keys never tie and the higher key is the better one: equal scores,
 * lower item first.
 *
 * -DRP_DIM=10 -DRP_RECIPE=1 -DRP_PROFILE=0 -DRP_ORDER=0 -DRP_LAYOUT=0 -DRP_FLAGS=0 fix what the header says:
 * smaller and faster code for one kind of model, and RP_OTHER_MODEL for the others. Compile without
 * -ffast-math, and with -ffp-contract=off where item scales or float32 rank.
 */
#include "recpress.h"

#ifdef __clang__
#pragma STDC FP_CONTRACT OFF
#endif

#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "model.bin is little-endian and read in place: this engine needs a little-endian core"
#endif

#if defined(__GNUC__)
#define INLINE static inline __attribute__((always_inline))
#define APART static __attribute__((noinline)) /* rare: what happens often keeps its registers */
#define ALIGNED_16 __attribute__((aligned(16)))
#define UNLIKELY(x) __builtin_expect(!!(x), 0)
#define COPY(to, from, n) __builtin_memcpy(to, from, n) /* of a constant few bytes: a load, a store */
#define LOWEST_BIT(x) ((uint32_t)__builtin_ctz(x))
#define HIGHEST_BIT(x) (31u - (uint32_t)__builtin_clz(x))
#else
#include <string.h>
#define INLINE static inline
#define APART static
#define ALIGNED_16
#define UNLIKELY(x) (x)
#define COPY(to, from, n) memcpy(to, from, n)
static uint32_t LOWEST_BIT(uint32_t x)
{
    uint32_t n = 0;
    for (; !(x & 1u); x >>= 1) n++;
    return n;
}
static uint32_t HIGHEST_BIT(uint32_t x)
{
    uint32_t n = 0;
    for (; x >>= 1;) n++;
    return n;
}
#endif

#ifdef RP_DIM
#define DIM(model) ((uint32_t)RP_DIM)
#define ROW_BYTES ((2u * RP_DIM + 31u) / 16u * 16u) /* of a box: twice the dimensions */
#else
#define DIM(model) ((model)->header->dim)
#define ROW_BYTES (2u * RP_MAX_DIM + 16u)
#endif
#ifdef RP_RECIPE
#define RECIPE(model) ((uint32_t)RP_RECIPE)
#else
#define RECIPE(model) ((model)->header->recipe)
#endif
#ifdef RP_PROFILE
#define PROFILE(model) ((uint32_t)RP_PROFILE)
#else
#define PROFILE(model) ((model)->header->profile)
#endif
#ifdef RP_ORDER
#define ORDER(model) ((uint32_t)RP_ORDER)
#else
#define ORDER(model) ((model)->header->order)
#endif
#ifdef RP_LAYOUT
#define LAYOUT(model) ((uint32_t)RP_LAYOUT)
#else
#define LAYOUT(model) ((model)->header->layout)
#endif
#ifdef RP_FLAGS
#define FLAGS(model) ((uint32_t)RP_FLAGS)
#else
#define FLAGS(model) ((model)->header->flags)
#endif

/* Where the engine is compiled for one kind of model: the loop over all blocks a few times in a row, and loops
 * over dimensions as straight code, while that is short. */
#if defined(__clang__) && defined(RP_DIM) && RP_DIM <= 12 && !defined(RP_SMALL)
#define UNROLLED _Pragma("clang loop unroll_count(4)")
#elif defined(__GNUC__) && defined(RP_DIM) && RP_DIM <= 12 && !defined(RP_SMALL)
#define UNROLLED _Pragma("GCC unroll 4")
#else
#define UNROLLED
#endif
#if defined(__clang__) && defined(RP_DIM) && RP_DIM <= 64 && !defined(RP_SMALL)
#define STRAIGHT _Pragma("clang loop unroll(full)")
#elif defined(__GNUC__) && !defined(__clang__) && defined(RP_DIM) && RP_DIM <= 64 && !defined(RP_SMALL)
#define STRAIGHT _Pragma("GCC unroll 64")
#else
#define STRAIGHT
#endif

#define LOWEST (-2147483647 - 1) /* below every score */
#define HALF (RP_BLOCK / 2u)

/* What a kernel must know of a model; constants wherever the engine is compiled for one. */
typedef struct {
    uint32_t dim, recipe, layout, fits16;
} shape;

/* The row that asks. */
typedef struct {
    const float *f;                                  /* fp32: [dim] */
    int32_t bias;                                    /* int4: -8 times the sum, since items hold level + 8 */
    float scale;                                     /* what the returned scores are multiplied with */
    ALIGNED_16 int8_t q[ROW_BYTES];                  /* integers: [dim], then zeros to a multiple of 16 */
} row;

/* A float32 as an int32 of the same order. +0 and -0 are one number, so they become one here. */
INLINE int32_t ordered(float f)
{
    int32_t i;
    f += 0.0f;
    COPY(&i, &f, 4);
    return i ^ (int32_t)((uint32_t)(i >> 31) >> 1);
}

INLINE float unordered(int32_t i)
{
    float f;
    i ^= (int32_t)((uint32_t)(i >> 31) >> 1);
    COPY(&f, &i, 4);
    return f;
}

/* Bytes of a block, its item scales included. */
INLINE uint32_t block_bytes(uint32_t dim, uint32_t recipe)
{
    const uint32_t even = (dim + 1u) & ~1u;
    if (recipe == RP_FP32) return 4u * RP_BLOCK * dim;
    if (recipe == RP_INT8_DIM) return RP_BLOCK * even;
    if (recipe == RP_INT8_ITEM) return RP_BLOCK * even + 2u * RP_BLOCK;
    return RP_BLOCK / 2u * even + 2u * RP_BLOCK;
}

INLINE int32_t largest_of(const int32_t *v, uint32_t n)
{
    int32_t best = v[0];
    for (uint32_t i = 1; i < n; i++) best = v[i] > best ? v[i] : best;
    return best;
}

/* Each kernel defines: kernel_row; prepare; block_max, the largest of a block's 32 scores; block_maxima, of each
 * eight; block_scores, all and the largest; half_max, 16 scores of int8 quads and their largest; count_reaching; mask8; mask32. */
#if defined(__ARM_NEON) && !defined(RP_PLAIN)
#include "kernel_neon.h"
#elif defined(__AVX2__) && !defined(RP_PLAIN)
#include "kernel_x86.h"
#elif defined(__wasm_simd128__) && !defined(RP_PLAIN)
#include "kernel_wasm.h"
#else
#include "kernel_plain.h"
#endif

#ifndef LONG_SHARE
#define LONG_SHARE 8u /* lists longer than this share of the blocks keep the maxima of eights */
#endif

INLINE shape shape_of(const rp_model *model)
{
    shape s = {DIM(model), RECIPE(model), LAYOUT(model), FLAGS(model) & RP_FITS_16};
    (void)model; /* where all four are constants */
    return s;
}

/* ---- Opening. */

/* Whether a section of so many bytes lies inside the file; one that the file does not need must be absent. */
static int in_file(const rp_header *h, uint32_t at, uint64_t bytes)
{
    if (!bytes) return at == 0;
    return at % 64u == 0 && at >= RP_HEADER_BYTES && bytes <= h->file_bytes && at <= h->file_bytes - bytes;
}

static int codes_fit(const rp_header *h)
{
    const int plain_integers = h->recipe == RP_INT8_DIM, fits16 = h->flags & RP_FITS_16;
    for (uint32_t i = 0; i < 8; i++)
        if (h->reserved[i]) return 0;
    if (h->recipe > RP_INT4_ITEM || h->profile > RP_HISTORY || h->order > RP_NEIGHBOURS) return 0;
    if (h->layout > RP_DIMS || h->flags > (RP_FITS_16 | RP_ORDER_ONLY)) return 0;
    if ((fits16 || h->order != RP_CATALOGUE) && !plain_integers) return 0;
    if (h->history_length > (h->profile == RP_HISTORY ? RP_MAX_HISTORY : 0u)) return 0;
    if (h->flags & RP_ORDER_ONLY && (h->recipe == RP_FP32 || h->profile != RP_ALL_USERS)) return 0;
    if (fits16 && h->profile == RP_HISTORY) return 0; /* nobody knows the rows before they are made */
    if (h->layout == RP_DIMS && !(fits16 && h->order == RP_CATALOGUE)) return 0;
    if (h->profile == RP_HISTORY ? h->n_users != 0 : h->n_users == 0) return 0;
    if (h->profile == RP_SINGLE_USER && h->n_users != 1) return 0;
    return h->n_items && h->n_items <= RP_MAX_ITEMS && h->dim && h->dim <= RP_MAX_DIM &&
           h->n_retired < h->n_items;
}

static int sections_fit(const rp_header *h)
{
    const uint64_t blocks = (h->n_items + RP_BLOCK - 1u) / RP_BLOCK, boxes = (2 * blocks + RP_BLOCK - 1u) / RP_BLOCK;
    const uint64_t width = h->recipe == RP_FP32 ? 4 : 1, history = h->profile == RP_HISTORY;
    const uint64_t scaled = h->recipe == RP_FP32 || h->flags & RP_ORDER_ONLY ? 0 : h->n_users;
    const uint64_t bounds = h->order == RP_LENGTH       ? 2 * blocks
                            : h->order == RP_NEIGHBOURS ? boxes * block_bytes(2u * h->dim, RP_INT8_DIM)
                                                        : 0;
    return in_file(h, h->user_at, h->n_users * width * h->dim) &&
           in_file(h, h->user_scale_at, 4 * scaled) &&
           in_file(h, h->items_at, blocks * block_bytes(h->dim, h->recipe)) &&
           in_file(h, h->bounds_at, bounds) &&
           in_file(h, h->item_of_at, h->order == RP_CATALOGUE ? 0 : 4 * (uint64_t)h->n_items) &&
           in_file(h, h->retired_at, 4 * (uint64_t)h->n_retired) &&
           in_file(h, h->history_at, history * width * h->dim * h->n_items) &&
           in_file(h, h->prior_at, history * width * h->dim) &&
           in_file(h, h->ages_at, width * h->dim * h->history_length);
}

int32_t rp_open(rp_model *model, const void *data, size_t size)
{
    const uint8_t *bytes = data;
    const rp_header *h = data;
    if ((uintptr_t)data % 16u) return RP_UNALIGNED;
    if (size < RP_HEADER_BYTES) return RP_NOT_A_MODEL;
    for (uint32_t i = 0; i < 8; i++)
        if (bytes[i] != (uint8_t)RP_MAGIC[i]) return RP_NOT_A_MODEL;
    if (h->version != RP_VERSION) return RP_OTHER_VERSION;
    if (h->file_bytes > size || !codes_fit(h) || !sections_fit(h)) return RP_DAMAGED;
    model->header = h;
    if (DIM(model) != h->dim || RECIPE(model) != h->recipe || PROFILE(model) != h->profile ||
        ORDER(model) != h->order || LAYOUT(model) != h->layout || FLAGS(model) != h->flags)
        return RP_OTHER_MODEL;
    model->users = bytes + h->user_at;
    model->user_scale = (const float *)(const void *)(bytes + h->user_scale_at);
    model->items = bytes + h->items_at;
    model->bounds = bytes + h->bounds_at;
    model->item_of = (const uint32_t *)(const void *)(bytes + h->item_of_at);
    model->retired = (const uint32_t *)(const void *)(bytes + h->retired_at);
    model->history = bytes + h->history_at;
    model->prior = bytes + h->prior_at;
    model->ages = bytes + h->ages_at;
    model->n_blocks = (h->n_items + RP_BLOCK - 1u) / RP_BLOCK;
    return RP_OK;
}

/* ---- Memory. */

#define BOX_SEEDS 96u /* half blocks that are scored first where boxes bound the rest */
#define SPARE_KEYS 72u

INLINE uint32_t up_to(uint32_t n, uint32_t multiple) { return (n + multiple - 1u) / multiple * multiple; }

/* Scratch, cut up. */
typedef struct {
    uint32_t *excluded; /* a bit for each item */
    int32_t *maxima;
    uint64_t *keys, *other; /* [capacity] each */
    void *sums;             /* [dim] of a history */
} workspace;

/* Long lists need a finer look than one maximum of 32 items; with more items than blocks no order saves any. */
INLINE int is_long(const rp_model *model, uint32_t k)
{
    return k > model->n_blocks / (ORDER(model) == RP_CATALOGUE ? LONG_SHARE : 1u);
}

static uint32_t n_maxima(const rp_model *model, uint32_t k)
{
    const uint32_t boxes = up_to(2u * model->n_blocks, RP_BLOCK);
    const uint32_t of_boxes = boxes + up_to(boxes / RP_BLOCK, 8u) + BOX_SEEDS * HALF;
    const uint32_t of_blocks = up_to(is_long(model, k) ? 4u * model->n_blocks : model->n_blocks, 8u);
    return ORDER(model) == RP_NEIGHBOURS && of_boxes > of_blocks ? of_boxes : of_blocks; /* of longer lists no less */
}

INLINE uint32_t capacity_for(uint32_t k) { return 2u * k + SPARE_KEYS; }

static size_t lay_out(const rp_model *model, uint32_t k, uint8_t *scratch, workspace *w)
{
    const size_t excluded = 4u * (size_t)up_to(model->n_blocks, 8u), maxima = 4u * (size_t)n_maxima(model, k);
    const size_t keys = 8u * (size_t)up_to(capacity_for(k), 2u), history = PROFILE(model) == RP_HISTORY;
    if (w) {
        w->excluded = (uint32_t *)(void *)scratch;
        w->maxima = (int32_t *)(void *)(scratch + excluded);
        w->keys = (uint64_t *)(void *)(scratch + excluded + maxima);
        w->other = (uint64_t *)(void *)(scratch + excluded + maxima + keys);
        w->sums = scratch + excluded + maxima + 2u * keys;
    }
    return excluded + maxima + 2u * keys + history * up_to(4u * DIM(model), 16u);
}

size_t rp_scratch_bytes(const rp_model *model, uint32_t k)
{
    return lay_out(model, k < model->header->n_items ? k : model->header->n_items, 0, 0);
}

/* ---- Choosing. */

INLINE uint64_t key_of(int32_t score, uint32_t item)
{
    return (uint64_t)((uint32_t)score ^ 0x80000000u) << 32 | (uint32_t)~item;
}

INLINE int32_t score_of(uint64_t key) { return (int32_t)((uint32_t)(key >> 32) ^ 0x80000000u); }

static void insertion_sort(uint64_t *v, uint32_t n)
{
    for (uint32_t i = 1; i < n; i++) {
        const uint64_t x = v[i];
        uint32_t at = i;
        for (; at && v[at - 1] < x; at--) v[at] = v[at - 1];
        v[at] = x;
    }
}

static void merge_sort(uint64_t *v, uint64_t *other, uint32_t n)
{
    for (uint32_t width = 1; width < n; width *= 2) {
        for (uint32_t from = 0; from < n; from += 2 * width) {
            const uint32_t middle = n - from < width ? n : from + width;
            const uint32_t end = n - middle < width ? n : middle + width;
            uint32_t left = from, right = middle;
            for (uint32_t at = from; at < end; at++)
                other[at] = right == end || (left < middle && v[left] > v[right]) ? v[left++] : v[right++];
        }
        for (uint32_t i = 0; i < n; i++) v[i] = other[i];
    }
}

#define RANGES 64u
#define FULL 64u /* more keys than that are merged, fewer inserted */

/* Keys by 64 ranges of scores, the best range first, as far as k of them reach. */
typedef struct {
    uint32_t end[RANGES + 1u]; /* of each range, among the keys */
    uint32_t n, ranges, fullest;
    uint32_t lowest; /* score that no key is below, as keys hold it */
} spread;

/* `other` holds n keys too; `s` holds zeros. At least k are kept where there are k. */
static void spread_keys(spread *s, uint64_t *v, uint64_t *other, uint32_t n, uint32_t k)
{
    uint32_t *start = s->end, low = ~0u, high = 0, shift = 0, last = 0, fullest = 0;
    for (uint32_t i = 0; i < n; i++) {
        const uint32_t score = (uint32_t)(v[i] >> 32);
        low = score < low ? score : low;
        high = score > high ? score : high;
    }
    if (n && (high - low) >> 6) shift = HIGHEST_BIT(high - low) - 5u;
    for (uint32_t i = 0; i < n; i++) start[RANGES - (((uint32_t)(v[i] >> 32) - low) >> shift)]++;
    for (; last < RANGES && start[last] < k; last++) { /* start[last]: how many lie before range `last` */
        fullest = start[last + 1u] > fullest ? start[last + 1u] : fullest;
        start[last + 1u] += start[last];
    }
    const uint32_t kept = start[last], least = RANGES - last;
    for (uint32_t i = 0; i < n; i++) {
        const uint32_t range = ((uint32_t)(v[i] >> 32) - low) >> shift;
        if (range >= least) other[start[RANGES - 1u - range]++] = v[i];
    }
    for (uint32_t i = 0; i < kept; i++) v[i] = other[i];
    s->n = kept;
    s->ranges = last;
    s->fullest = fullest;
    s->lowest = low + (least << shift);
}

/* The best k, best first, and how many those are. */
static uint32_t sort_keys(uint64_t *v, uint64_t *other, uint32_t n, uint32_t k)
{
    spread s = {{0}, 0, 0, 0, 0};
    spread_keys(&s, v, other, n, k);
    for (uint32_t range = 0, from = 0; s.fullest > FULL && range < s.ranges; from = s.end[range++])
        if (s.end[range] - from > FULL) merge_sort(v + from, other, s.end[range] - from);
    insertion_sort(v, s.n); /* the ranges follow each other, so nothing moves far */
    return s.n < k ? s.n : k;
}

/* The keys that may be among the k best. */
typedef struct {
    uint64_t *keys, *other;
    uint32_t n, k;
    int32_t threshold; /* nothing below it can be */
} shortlist;

/* Drop what cannot be among the k best: all ranges below theirs, or everything else where that is too little. */
static void shorten(shortlist *list)
{
    spread s = {{0}, 0, 0, 0, 0};
    spread_keys(&s, list->keys, list->other, list->n, list->k);
    list->n = s.n;
    list->threshold = score_of((uint64_t)s.lowest << 32);
    if (s.n <= list->k + list->k / 2u) return;
    list->n = sort_keys(list->keys, list->other, s.n, list->k);
    list->threshold = score_of(list->keys[list->k - 1]);
}

/* Make room for another block. */
INLINE void keep_room(shortlist *list)
{
    if (UNLIKELY(list->n > capacity_for(list->k) - RP_BLOCK)) shorten(list);
}

/* The square root, rounded up. */
static uint32_t root_up(uint32_t x)
{
    uint32_t root = 0;
    for (uint32_t bit = 1u << 15; bit; bit >>= 1)
        if ((root + bit) * (root + bit) <= x) root += bit;
    return root * root < x ? root + 1u : root;
}

/* 256 times the binary logarithm of x, 1 at least, straight between powers of two. */
static uint32_t log_256(uint32_t x)
{
    const uint32_t power = HIGHEST_BIT(x);
    return power << 8 | ((x << (31u - power)) >> 23 & 255u);
}

/* Where between two counts k lies, 0 to 256: logarithms fall about straight as scores rise. */
static uint32_t share_of(uint32_t below, uint32_t k, uint32_t above)
{
    const uint32_t all = log_256(below) - log_256(above ? above : 1u), part = log_256(below) - log_256(k);
    return all ? 256u * part / all : 0;
}

/* A value that at least k of v reach, and not many more; LOWEST where fewer than k are above that.
 * n is a multiple of 8; what fills up is LOWEST. */
static int32_t reached_by(const int32_t *v, uint32_t n, uint32_t k)
{
    const uint32_t wanted = k + k / 16u + 1u, enough = k + k / 8u + 2u;
    int32_t high = LOWEST, low = n ? v[0] : LOWEST;
    uint32_t above = 0, below;
    for (uint32_t i = 0; i < n; i++) high = v[i] > high ? v[i] : high;
    for (uint32_t i = 0; i < 8u * (n / 8u); i += n / 8u) low = v[i] < low ? v[i] : low; /* mostly low enough */
    below = low == LOWEST ? 0 : count_reaching(v, n, low);
    if (below < k) {
        low = LOWEST + 1;
        below = high == LOWEST ? 0 : count_reaching(v, n, low);
        if (below < k) return LOWEST;
    }
    for (uint32_t step = 0; low < high && below > enough; step++) { /* `below` reach low, `above` reach high + 1 */
        const uint32_t span = (uint32_t)high - (uint32_t)low;
        uint32_t share = step % 4u == 3u ? 128u : share_of(below, wanted < below ? wanted : below, above);
        if (!step) share = root_up(share << 8); /* over a whole catalogue they fall faster and faster */
        uint32_t up = span < 1u << 24 ? span * share >> 8 : (span >> 8) * share;
        up = up < 1u ? 1u : up > span ? span : up;
        const int32_t middle = (int32_t)((uint32_t)low + up);
        const uint32_t count = count_reaching(v, n, middle);
        if (count < k) {
            high = middle - 1;
            above = count;
        } else {
            low = middle;
            below = count;
        }
    }
    return low;
}

/* ---- What may not be recommended. */

INLINE int has(const uint32_t *bits, uint32_t i) { return (int)(bits[i / 32u] >> (i % 32u) & 1u); }

INLINE void put(uint32_t *bits, uint32_t i) { bits[i / 32u] |= 1u << (i % 32u); }

/* Mark the items that are seen or retired. */
static int32_t mark_excluded(const rp_model *model, const rp_query *query, uint32_t *excluded)
{
    const uint32_t n_items = model->header->n_items, words = up_to(model->n_blocks, 8u);
    for (uint32_t i = 0; i < words; i++) excluded[i] = 0;
    for (uint32_t i = 0; i < query->n_seen; i++) {
        if (query->seen[i] >= n_items) return RP_BAD_ITEM;
        put(excluded, query->seen[i]);
    }
    for (uint32_t i = 0; i < model->header->n_retired; i++) {
        if (model->retired[i] >= n_items) return RP_DAMAGED;
        put(excluded, model->retired[i]);
    }
    return RP_OK;
}

/* ---- The row that asks. */

static void set_integers(row *r, const int8_t *values, uint32_t dim)
{
    int32_t sum = 0;
    for (uint32_t d = 0; d < dim; d++) {
        r->q[d] = values[d];
        sum += values[d];
    }
    for (uint32_t d = dim; d < up_to(dim + 1u, 16u); d++) r->q[d] = 0;
    r->bias = -8 * sum;
}

/* Add a row of the history, or a row times the numbers of its age. */
INLINE void add_row(const rp_model *model, void *sums, uint32_t item)
{
    const uint32_t dim = DIM(model);
    if (RECIPE(model) == RP_FP32) {
        const float *added = (const float *)model->history + (size_t)item * dim;
        for (uint32_t d = 0; d < dim; d++) ((float *)sums)[d] += added[d];
    } else {
        const int8_t *added = (const int8_t *)model->history + (size_t)item * dim;
        for (uint32_t d = 0; d < dim; d++) ((int32_t *)sums)[d] += added[d];
    }
}

INLINE void add_aged(const rp_model *model, void *sums, uint32_t item, uint32_t age)
{
    const uint32_t dim = DIM(model);
    if (RECIPE(model) == RP_FP32) {
        const float *added = (const float *)model->history + (size_t)item * dim;
        const float *by = (const float *)model->ages + (size_t)age * dim;
        for (uint32_t d = 0; d < dim; d++) ((float *)sums)[d] += by[d] * added[d];
    } else {
        const int8_t *added = (const int8_t *)model->history + (size_t)item * dim;
        const int8_t *by = (const int8_t *)model->ages + (size_t)age * dim;
        for (uint32_t d = 0; d < dim; d++) ((int32_t *)sums)[d] += by[d] * added[d];
    }
}

/* The prior and the seen items' rows added up: each item once, or the last ones by their age, of which 127 is
 * the unit in integers. `excluded` holds all of them afterwards. */
static int32_t add_history(const rp_model *model, const rp_query *query, workspace *w)
{
    const uint32_t dim = DIM(model), n_items = model->header->n_items, words = up_to(model->n_blocks, 8u);
    const uint32_t length = model->header->history_length, n = query->n_seen;
    for (uint32_t i = 0; i < words; i++) w->excluded[i] = 0;
    for (uint32_t d = 0; d < dim; d++) {
        if (RECIPE(model) == RP_FP32) ((float *)w->sums)[d] = ((const float *)model->prior)[d];
        else ((int32_t *)w->sums)[d] = ((const int8_t *)model->prior)[d] * (length ? 127 : 1);
    }
    for (uint32_t i = 0; i < n; i++) {
        const uint32_t item = query->seen[i];
        if (item >= n_items) return RP_BAD_ITEM;
        if (!length && !has(w->excluded, item)) add_row(model, w->sums, item);
        put(w->excluded, item);
    }
    for (uint32_t age = 0; age < length && age < n; age++) add_aged(model, w->sums, query->seen[n - 1u - age], age);
    return RP_OK;
}

/* An int8 row from the sums: the largest becomes 127, halves go away from zero. */
static void round_history(const rp_model *model, const int32_t *sums, row *r)
{
    const uint32_t dim = DIM(model);
    uint32_t peak = 1;
    int8_t *levels = (int8_t *)r->q;
    for (uint32_t d = 0; d < dim; d++) {
        const uint32_t size = (uint32_t)(sums[d] < 0 ? -sums[d] : sums[d]);
        peak = size > peak ? size : peak;
    }
    for (uint32_t d = 0; d < dim; d++) {
        const uint32_t size = (uint32_t)(sums[d] < 0 ? -sums[d] : sums[d]);
        const int32_t level = (int32_t)((254u * (uint64_t)size + peak) / (2u * (uint64_t)peak));
        levels[d] = (int8_t)(sums[d] < 0 ? -level : level);
    }
    set_integers(r, levels, dim);
    r->scale = (float)peak * model->header->step;
}

static int32_t find_row(const rp_model *model, const rp_query *query, workspace *w, row *r)
{
    const uint32_t dim = DIM(model), user = query->user;
    r->scale = 1.0f;
    if (PROFILE(model) == RP_HISTORY) {
        const int32_t wrong = user ? RP_BAD_USER : add_history(model, query, w);
        if (wrong) return wrong;
        if (RECIPE(model) == RP_FP32) r->f = w->sums;
        else round_history(model, w->sums, r);
        return RP_OK;
    }
    if (user >= model->header->n_users) return RP_BAD_USER;
    if (RECIPE(model) == RP_FP32) {
        r->f = (const float *)model->users + (size_t)user * dim;
        return RP_OK;
    }
    set_integers(r, (const int8_t *)model->users + (size_t)user * dim, dim);
    if (!(FLAGS(model) & RP_ORDER_ONLY)) r->scale = model->user_scale[user];
    return RP_OK;
}

/* ---- Items in the order of the catalogue: every block is scored. */

/* The maximum of a block, or those of its eights, without the excluded items. */
INLINE void look_again(const rp_model *model, const kernel_row *r, workspace *w, uint32_t block, int eights)
{
    const shape s = shape_of(model);
    int32_t scores[RP_BLOCK];
    block_scores(model->items + (size_t)block * block_bytes(s.dim, s.recipe), r, s, scores);
    for (uint32_t bits = w->excluded[block]; bits; bits &= bits - 1u) scores[LOWEST_BIT(bits)] = LOWEST;
    if (!eights) w->maxima[block] = largest_of(scores, RP_BLOCK);
    for (uint32_t eight = 0; eights && eight < 4u; eight++)
        w->maxima[4u * block + eight] = largest_of(scores + 8u * eight, 8u);
}

/* Blocks that hold an excluded item, and the last one, which may be filled up. */
INLINE void look_again_without(const rp_model *model, const rp_query *query, const kernel_row *r, workspace *w,
                               int eights)
{
    const uint32_t n_items = model->header->n_items, n_retired = model->header->n_retired;
    if (n_items % RP_BLOCK) {
        w->excluded[model->n_blocks - 1] |= ~0u << n_items % RP_BLOCK;
        look_again(model, r, w, model->n_blocks - 1, eights);
    }
    for (uint32_t i = 0; i < query->n_seen + n_retired; i++) {
        const uint32_t item = i < query->n_seen ? query->seen[i] : model->retired[i - query->n_seen];
        const uint32_t bits = w->excluded[item / RP_BLOCK];
        if ((bits & (0u - bits)) == 1u << item % RP_BLOCK) /* once a block: at its first */
            look_again(model, r, w, item / RP_BLOCK, eights);
    }
}

INLINE void collect(const rp_model *model, const kernel_row *r, const workspace *w, shortlist *list,
                    uint32_t block)
{
    const shape s = shape_of(model);
    int32_t scores[RP_BLOCK];
    block_scores(model->items + (size_t)block * block_bytes(s.dim, s.recipe), r, s, scores);
    for (uint32_t hit = mask32(scores, list->threshold) & ~w->excluded[block]; hit; hit &= hit - 1u) {
        const uint32_t i = LOWEST_BIT(hit);
        list->keys[list->n++] = key_of(scores[i], block * RP_BLOCK + i);
    }
    keep_room(list);
}

INLINE void scan(const rp_model *model, const rp_query *query, const kernel_row *r, workspace *w,
                 shortlist *list, int eights)
{
    const shape s = shape_of(model);
    const uint32_t n_blocks = model->n_blocks, size = block_bytes(s.dim, s.recipe);
    const uint32_t per_block = eights ? 4u : 1u, n = per_block * n_blocks;
    const uint8_t *block = model->items, *const end = block + (size_t)n_blocks * size;
    int32_t *next_maximum = w->maxima;
    UNROLLED
    for (; block < end; block += size, next_maximum += per_block) {
        if (eights) block_maxima(block, r, s, next_maximum);
        else *next_maximum = block_max(block, r, s);
    }
    for (uint32_t i = n; i < up_to(n, 8u); i++) w->maxima[i] = LOWEST;
    look_again_without(model, query, r, w, eights);
    list->threshold = reached_by(w->maxima, up_to(n, 8u), list->k);
    for (uint32_t at = 0, next = 0; at < n; at += 8u) {
        for (uint32_t hit = mask8(w->maxima + at, list->threshold); UNLIKELY(hit); hit &= hit - 1u) {
            const uint32_t i = at + LOWEST_BIT(hit), b = i / per_block;
            if (b < next || w->maxima[i] == LOWEST) continue;
            collect(model, r, w, list, b);
            next = b + 1u;
        }
    }
}

static void scan_catalogue(const rp_model *model, const rp_query *query, const kernel_row *r, workspace *w,
                           shortlist *list)
{
    if (is_long(model, list->k)) scan(model, query, r, w, list, 1);
    else scan(model, query, r, w, list, 0);
}

/* ---- Items by length, the longest first: |row| times a block's length bounds all that follows. */

/* Add a block's candidates; places beyond the catalogue fill up the last block. */
INLINE int32_t collect_places(const rp_model *model, const workspace *w, shortlist *list, uint32_t place,
                              const int32_t *scores, uint32_t hit)
{
    for (; hit; hit &= hit - 1u) {
        const uint32_t i = LOWEST_BIT(hit);
        if (place + i >= model->header->n_items) break;
        const uint32_t item = model->item_of[place + i];
        if (item >= model->header->n_items) return RP_DAMAGED;
        if (!has(w->excluded, item)) list->keys[list->n++] = key_of(scores[i], item);
    }
    keep_room(list);
    return RP_OK;
}

/* The maxima of the last block, or of its eights, without what fills it up. */
static void look_at_last(const rp_model *model, const kernel_row *r, workspace *w, int eights)
{
    const shape s = shape_of(model);
    const uint32_t filled = model->header->n_items % RP_BLOCK, last = model->n_blocks - 1u;
    int32_t scores[RP_BLOCK];
    if (!filled) return;
    block_scores(model->items + (size_t)last * block_bytes(s.dim, s.recipe), r, s, scores);
    for (uint32_t i = filled; i < RP_BLOCK; i++) scores[i] = LOWEST;
    if (!eights) w->maxima[last] = largest_of(scores, RP_BLOCK);
    for (uint32_t eight = 0; eights && eight < 4u; eight++)
        w->maxima[4u * last + eight] = largest_of(scores + 8u * eight, 8u);
}

/* Long lists: every block. So many more are asked for as may turn out to be excluded. */
APART int32_t scan_places(const rp_model *model, const rp_query *query, const kernel_row *r, workspace *w,
                           shortlist *list)
{
    const shape s = shape_of(model);
    const uint32_t size = block_bytes(s.dim, s.recipe), n = 4u * model->n_blocks;
    const uint32_t out = query->n_seen < n ? query->n_seen + model->header->n_retired : n;
    int32_t scores[RP_BLOCK], wrong = RP_OK;
    for (uint32_t b = 0; b < model->n_blocks; b++) block_maxima(model->items + (size_t)b * size, r, s, w->maxima + 4u * b);
    look_at_last(model, r, w, 1);
    for (uint32_t i = n; i < up_to(n, 8u); i++) w->maxima[i] = LOWEST;
    list->threshold = reached_by(w->maxima, up_to(n, 8u), list->k + out);
    for (uint32_t b = 0; b < model->n_blocks && !wrong; b++) {
        if (largest_of(w->maxima + 4u * b, 4u) < list->threshold) continue;
        block_scores(model->items + (size_t)b * size, r, s, scores);
        wrong = collect_places(model, w, list, b * RP_BLOCK, scores, mask32(scores, list->threshold));
    }
    return wrong;
}

/* The row's length, rounded up. */
static int32_t length_of(const row *r, uint32_t dim)
{
    uint32_t square = 0;
    for (uint32_t d = 0; d < dim; d++) square += (uint32_t)(r->q[d] * r->q[d]);
    return (int32_t)root_up(square);
}

/* Score blocks from `done` on, until no item of the next can reach what `wanted` blocks reach. How many are done. */
static uint32_t score_longest(const rp_model *model, const kernel_row *kr, workspace *w, int32_t own, uint32_t wanted,
                              uint32_t done)
{
    const shape s = shape_of(model);
    const uint32_t n = model->n_blocks, size = block_bytes(s.dim, s.recipe);
    const uint16_t *length = model->bounds;
    for (uint32_t next = up_to(wanted, 8u); done < n; next = up_to(done + 8u + done / 16u, 8u)) {
        for (next = next < n ? next : n; done < next; done++)
            w->maxima[done] = block_max(model->items + (size_t)done * size, kr, s);
        if (done < n && count_reaching(w->maxima, done, own * (int32_t)length[done] + 1) >= wanted) return done;
    }
    look_at_last(model, kr, w, 0);
    return n;
}

/* The items of the first `done` blocks that reach the list's threshold. */
static int32_t collect_longest(const rp_model *model, const kernel_row *kr, workspace *w, shortlist *list, uint32_t done)
{
    const shape s = shape_of(model);
    int32_t scores[RP_BLOCK], wrong = RP_OK;
    list->n = 0;
    for (uint32_t at = 0; at < done; at += 8u) {
        for (uint32_t hit = mask8(w->maxima + at, list->threshold); hit && !wrong; hit &= hit - 1u) {
            const uint32_t b = at + LOWEST_BIT(hit);
            if (b >= done) break;
            block_scores(model->items + (size_t)b * block_bytes(s.dim, s.recipe), kr, s, scores);
            wrong = collect_places(model, w, list, b * RP_BLOCK, scores, mask32(scores, list->threshold));
        }
    }
    return wrong;
}

/* Which items are excluded is looked up at the end, so that k blocks may hold fewer than k items that count. Then
 * as many more are asked for as can be excluded. */
static int32_t scan_by_length(const rp_model *model, const rp_query *query, const row *r, const kernel_row *kr,
                              workspace *w, shortlist *list)
{
    const uint32_t n = model->n_blocks, out = query->n_seen < n ? query->n_seen + model->header->n_retired : n;
    const int32_t own = length_of(r, DIM(model));
    uint32_t wanted = list->k, done = 0;
    for (;;) {
        done = score_longest(model, kr, w, own, wanted < n ? wanted : n, done);
        for (uint32_t i = done; i < up_to(done, 8u); i++) w->maxima[i] = LOWEST;
        list->threshold = wanted <= done ? reached_by(w->maxima, up_to(done, 8u), wanted) : LOWEST;
        if (done < n) { /* as many reach more than the rest can, so nothing of the rest may be missed */
            const int32_t above_rest = own * (int32_t)((const uint16_t *)model->bounds)[done] + 1;
            if (list->threshold < above_rest) list->threshold = above_rest;
        }
        const int32_t wrong = collect_longest(model, kr, w, list, done);
        if (wrong || list->n >= list->k || list->threshold == LOWEST || wanted > list->k || !out) return wrong;
        wanted += out;
    }
}

/* ---- Near items together: a box around each half block bounds its scores.
 *
 * A bound is itself a product: the row's positive values with a box's largest, its negative ones with the
 * smallest. Boxes are stored like items of twice the dimensions, so the kernel of items computes them. */

static void set_box_row(row *box, const row *r, uint32_t dim)
{
    for (uint32_t d = 0; d < dim; d++) {
        box->q[d] = r->q[d] > 0 ? r->q[d] : 0;
        box->q[dim + d] = r->q[d] < 0 ? r->q[d] : 0;
    }
    for (uint32_t d = 2u * dim; d < up_to(2u * dim + 1u, 16u); d++) box->q[d] = 0;
    box->bias = 0;
}

INLINE int32_t half_of(const rp_model *model, const kernel_row *kr, shape s, uint32_t half, int32_t *scores)
{
    const uint8_t *block = model->items + (size_t)(half / 2u) * block_bytes(s.dim, s.recipe);
    return half_max(block, kr, s.dim, half % 2u, scores);
}

/* Half blocks that are scored first: 16 scores of each. */
typedef struct {
    int32_t *scores;
    uint32_t halves[BOX_SEEDS], n;
} seeds;

/* Score the most promising half blocks. Of few halves the bounds are ranked, of many the largest bounds of
 * groups: about half as many groups hold the halves that are above all others. A list is not longer than there
 * are blocks, so enough halves are there. */
static void score_seeds(const rp_model *model, const kernel_row *kr, const workspace *w, uint32_t k,
                        seeds *first)
{
    const shape s = shape_of(model);
    const uint32_t groups = up_to(2u * model->n_blocks, RP_BLOCK) / RP_BLOCK;
    const uint32_t wanted = k < BOX_SEEDS / 2u ? k : BOX_SEEDS / 2u;
    const int32_t *bounds = w->maxima, *best = bounds + groups * RP_BLOCK;
    const int few = groups <= BOX_SEEDS;
    const int32_t promising = reached_by(few ? bounds : best, few ? groups * RP_BLOCK : up_to(groups, 8u),
                                         few ? 2u * wanted : wanted);
    first->scores = w->maxima + groups * RP_BLOCK + up_to(groups, 8u);
    first->n = 0;
    for (uint32_t at = 0; at < groups; at += 8u)
        for (uint32_t left = mask8(best + at, promising); left; left &= left - 1u) {
            const uint32_t from = (at + LOWEST_BIT(left)) * RP_BLOCK;
            uint32_t hit = mask32(bounds + from, promising);
            for (; hit && first->n < BOX_SEEDS; hit &= hit - 1u) {
                first->halves[first->n] = from + LOWEST_BIT(hit);
                half_of(model, kr, s, first->halves[first->n], first->scores + HALF * first->n);
                first->n++;
            }
        }
}

/* Leave out the excluded among the scores that reach the threshold, and count the others. */
static int32_t leave_out(const rp_model *model, const workspace *w, seeds *first, int32_t threshold,
                         uint32_t *left)
{
    const uint32_t n_items = model->header->n_items;
    *left = 0;
    for (uint32_t at = 0; at < first->n * HALF; at += 8u)
        for (uint32_t hit = mask8(first->scores + at, threshold); hit; hit &= hit - 1u) {
            const uint32_t i = at + LOWEST_BIT(hit), place = first->halves[i / HALF] * HALF + i % HALF;
            if (place < n_items && model->item_of[place] >= n_items) return RP_DAMAGED;
            if (place >= n_items || has(w->excluded, model->item_of[place])) first->scores[i] = LOWEST;
            else (*left)++;
        }
    return RP_OK;
}

/* A score that k of the most promising half blocks' items reach. */
static int32_t seed_threshold(const rp_model *model, const kernel_row *kr, const workspace *w, uint32_t k,
                              int32_t *threshold)
{
    seeds first;
    uint32_t left = 0;
    score_seeds(model, kr, w, k, &first);
    do {
        *threshold = reached_by(first.scores, first.n * HALF, k);
        if (*threshold == LOWEST) return RP_OK;
        if (leave_out(model, w, &first, *threshold, &left)) return RP_DAMAGED;
    } while (left < k);
    return RP_OK;
}

/* Bounds of every half block, and the largest of each group of 32. */
static void bound_halves(const rp_model *model, const row *r, int32_t *bounds, int32_t *best)
{
    const uint32_t dim = shape_of(model).dim, halves = 2u * model->n_blocks;
    const uint32_t groups = up_to(halves, RP_BLOCK) / RP_BLOCK;
    const shape boxes = {2u * dim, RP_INT8_DIM, RP_QUADS, 0};
    const uint32_t size = block_bytes(boxes.dim, boxes.recipe);
    row box;
    kernel_row kr;
    set_box_row(&box, r, dim);
    prepare(&kr, &box, boxes);
    for (uint32_t g = 0; g < groups; g++) {
        int32_t *of_group = bounds + g * RP_BLOCK;
        best[g] = block_scores((const uint8_t *)model->bounds + (size_t)g * size, &kr, boxes, of_group);
        if (halves - g * RP_BLOCK < RP_BLOCK) { /* the last group, without what fills it up */
            for (uint32_t h = halves - g * RP_BLOCK; h < RP_BLOCK; h++) of_group[h] = LOWEST;
            best[g] = largest_of(of_group, RP_BLOCK);
        }
    }
    for (uint32_t g = groups; g < up_to(groups, 8u); g++) best[g] = LOWEST;
}

/* Collect from a group's half blocks that may hold an item above the threshold. */
static int32_t scan_group(const rp_model *model, const kernel_row *kr, workspace *w, shortlist *list,
                          uint32_t group)
{
    const shape s = shape_of(model);
    const int32_t *bounds = w->maxima + group * RP_BLOCK;
    int32_t scores[RP_BLOCK], wrong = RP_OK;
    for (uint32_t hit = mask32(bounds, list->threshold); hit && !wrong; hit &= hit - 1u) {
        const uint32_t half = group * RP_BLOCK + LOWEST_BIT(hit);
        if (half >= 2u * model->n_blocks || bounds[LOWEST_BIT(hit)] < list->threshold) continue;
        if (half_of(model, kr, s, half, scores) < list->threshold) continue;
        for (uint32_t i = HALF; i < RP_BLOCK; i++) scores[i] = LOWEST;
        const uint32_t good = mask32(scores, list->threshold) & 0xffffu;
        wrong = collect_places(model, w, list, half * HALF, scores, good);
    }
    return wrong;
}

static int32_t scan_neighbours(const rp_model *model, const row *r, const kernel_row *kr, workspace *w,
                               shortlist *list)
{
    const uint32_t groups = up_to(2u * model->n_blocks, RP_BLOCK) / RP_BLOCK;
    int32_t *best = w->maxima + groups * RP_BLOCK;
    bound_halves(model, r, w->maxima, best);
    int32_t wrong = seed_threshold(model, kr, w, list->k, &list->threshold);
    for (uint32_t at = 0; at < groups; at += 8u)
        for (uint32_t hit = mask8(best + at, list->threshold); hit && !wrong; hit &= hit - 1u) {
            const uint32_t group = at + LOWEST_BIT(hit);
            if (group < groups && best[group] >= list->threshold) wrong = scan_group(model, kr, w, list, group);
        }
    return wrong;
}

/* ---- A query. */

static int32_t find_best(const rp_model *model, const rp_query *query, const row *r, workspace *w,
                         shortlist *list)
{
    kernel_row kr;
    prepare(&kr, r, shape_of(model));
    if (ORDER(model) != RP_CATALOGUE && is_long(model, list->k)) return scan_places(model, query, &kr, w, list);
    if (ORDER(model) == RP_LENGTH) return scan_by_length(model, query, r, &kr, w, list);
    if (ORDER(model) == RP_NEIGHBOURS) return scan_neighbours(model, r, &kr, w, list);
    scan_catalogue(model, query, &kr, w, list);
    return RP_OK;
}

int32_t rp_recommend(const rp_model *model, const rp_query *query, uint32_t *items, float *scores,
                     void *scratch, size_t size)
{
    workspace w;
    row r;
    if ((uintptr_t)scratch % 16u) return RP_UNALIGNED;
    if (!query->k || query->k > model->header->n_items) return RP_BAD_K;
    if (size < lay_out(model, query->k, scratch, &w)) return RP_SCRATCH_TOO_SMALL;
    int32_t wrong = find_row(model, query, &w, &r);
    if (!wrong) wrong = mark_excluded(model, query, w.excluded);
    if (wrong) return wrong;
    shortlist list = {w.keys, w.other, 0, query->k, LOWEST};
    wrong = find_best(model, query, &r, &w, &list);
    if (wrong) return wrong;
    const uint32_t n = sort_keys(list.keys, list.other, list.n, list.k);
    const int integers = RECIPE(model) == RP_INT8_DIM;
    for (uint32_t i = 0; i < n; i++) {
        const int32_t score = score_of(list.keys[i]);
        items[i] = ~(uint32_t)list.keys[i];
        if (scores) scores[i] = (integers ? (float)score : unordered(score)) * r.scale;
    }
    return (int32_t)n;
}

/* ---- Whether a file keeps what its header promises: rp_recommend believes it. */

#ifdef RP_AUDIT
#ifndef MOST_PRODUCTS
#define MOST_PRODUCTS ((uint64_t)1 << 28) /* of larger models some users are looked at, spread over all */
#endif
#define MOST_SCORE 32767

/* Dimension d of item i of a block of int8. */
static int32_t value_at(const int8_t *block, uint32_t i, uint32_t d, uint32_t dim, uint32_t layout)
{
    const uint32_t whole = (dim + 1u) / 2u * 2u / 4u * 4u;
    if (layout == RP_DIMS) return block[64u * (d / 2u) + 16u * (i / 8u) + 8u * (d % 2u) + i % 8u];
    if (d < whole) return block[4u * RP_BLOCK * (d / 4u) + 4u * i + d % 4u];
    return block[RP_BLOCK * whole + 16u * (i / 8u) + 4u * (i % 4u) + 2u * (i / 4u % 2u) + d % 2u];
}

static const int8_t *block_at(const rp_model *model, uint32_t block)
{
    return (const int8_t *)model->items + (size_t)block * block_bytes(DIM(model), RP_INT8_DIM);
}

/* The largest square of an item's length in a block. */
static uint32_t longest_square(const rp_model *model, uint32_t block)
{
    uint32_t longest = 0;
    for (uint32_t i = 0; i < RP_BLOCK; i++) {
        uint32_t square = 0;
        for (uint32_t d = 0; d < DIM(model); d++) {
            const int32_t v = value_at(block_at(model, block), i, d, DIM(model), LAYOUT(model));
            square += (uint32_t)(v * v);
        }
        longest = square > longest ? square : longest;
    }
    return longest;
}

/* All 32 sums of a block, however large they are. */
static void wide_scores(const rp_model *model, uint32_t block, const row *r, const kernel_row *kr, int32_t *scores)
{
    const shape wide = {DIM(model), RP_INT8_DIM, RP_QUADS, 0};
    if (LAYOUT(model) == RP_QUADS) {
        block_scores((const uint8_t *)block_at(model, block), kr, wide, scores);
        return;
    }
    for (uint32_t i = 0; i < RP_BLOCK; i++) scores[i] = 0;
    for (uint32_t d = 0; d < DIM(model); d++)
        for (uint32_t i = 0; i < RP_BLOCK; i++)
            scores[i] += r->q[d] * value_at(block_at(model, block), i, d, DIM(model), RP_DIMS);
}

static int32_t audit_scores(const rp_model *model)
{
    const rp_header *h = model->header;
    const shape wide = {DIM(model), RP_INT8_DIM, RP_QUADS, 0};
    const uint64_t most = MOST_PRODUCTS / ((uint64_t)h->n_items * DIM(model)) + 1u;
    const uint32_t asked = h->n_users < most ? h->n_users : (uint32_t)most;
    uint32_t longest = 0;
    for (uint32_t b = 0; b < model->n_blocks; b++) {
        const uint32_t square = longest_square(model, b);
        longest = square > longest ? square : longest;
    }
    for (uint32_t i = 0; i < asked; i++) {
        const size_t user = (size_t)((uint64_t)i * h->n_users / asked);
        int32_t scores[RP_BLOCK];
        uint64_t square = 0;
        row r;
        kernel_row kr;
        set_integers(&r, (const int8_t *)model->users + user * DIM(model), DIM(model));
        for (uint32_t d = 0; d < DIM(model); d++) square += (uint64_t)(r.q[d] * r.q[d]);
        if (square * longest <= (uint64_t)MOST_SCORE * MOST_SCORE) continue; /* Cauchy and Schwarz */
        prepare(&kr, &r, wide);
        for (uint32_t b = 0; b < model->n_blocks; b++) {
            wide_scores(model, b, &r, &kr, scores);
            for (uint32_t at = 0; at < RP_BLOCK; at++)
                if (scores[at] > MOST_SCORE || scores[at] < -MOST_SCORE) return RP_OVERFLOWS;
        }
    }
    return RP_OK;
}

/* Each length bounds its own block and all that follow. */
static int32_t audit_lengths(const rp_model *model)
{
    const uint16_t *length = model->bounds;
    uint32_t longest = 0;
    for (uint32_t b = model->n_blocks; b--;) {
        const uint32_t square = longest_square(model, b);
        longest = square > longest ? square : longest;
        if ((uint32_t)length[b] * length[b] < longest) return RP_UNBOUNDED;
    }
    return RP_OK;
}

/* Each item lies in the box of its half block. */
static int32_t audit_boxes(const rp_model *model)
{
    const uint32_t dim = DIM(model), size = block_bytes(2u * dim, RP_INT8_DIM);
    for (uint32_t place = 0; place < model->header->n_items; place++) {
        const uint32_t half = place / HALF;
        const int8_t *boxes = (const int8_t *)model->bounds + (size_t)(half / RP_BLOCK) * size;
        const int8_t *block = block_at(model, place / RP_BLOCK);
        for (uint32_t d = 0; d < dim; d++) {
            const int32_t v = value_at(block, place % RP_BLOCK, d, dim, RP_QUADS);
            if (v > value_at(boxes, half % RP_BLOCK, d, 2u * dim, RP_QUADS)) return RP_UNBOUNDED;
            if (v < value_at(boxes, half % RP_BLOCK, dim + d, 2u * dim, RP_QUADS)) return RP_UNBOUNDED;
        }
    }
    return RP_OK;
}

int32_t rp_audit(const rp_model *model)
{
    int32_t wrong = FLAGS(model) & RP_FITS_16 ? audit_scores(model) : RP_OK;
    if (!wrong && ORDER(model) == RP_LENGTH) wrong = audit_lengths(model);
    if (!wrong && ORDER(model) == RP_NEIGHBOURS) wrong = audit_boxes(model);
    return wrong;
}
#endif

/* ---- Without a library: what compilers call though nobody wrote it. */

#ifdef RP_FREESTANDING
void *memset(void *to, int value, size_t n)
{
    volatile uint8_t *p = to; /* volatile: or this loop would become a call of itself */
    while (n--) *p++ = (uint8_t)value;
    return to;
}

void *memcpy(void *to, const void *from, size_t n)
{
    volatile uint8_t *p = to;
    const uint8_t *q = from;
    while (n--) *p++ = *q++;
    return to;
}
#endif
