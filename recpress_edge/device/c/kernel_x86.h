/* The kernel for x86 with AVX2, and with VNNI's dot products where the compiler may use them.
 *
 * A vector holds eight items. VNNI multiplies unsigned bytes with signed ones, so items are shifted by 128 and
 * 128 times the row's sum is taken off. Without it products are widened to 16 bits and added in pairs. */

#include <immintrin.h>
#define HAS_KERNEL
#include "kernel_plain.h"

#if defined(__AVX512VNNI__) && defined(__AVX512VL__)
#define HAS_VNNI
#define ADD_DOT(sum, unsigned_bytes, signed_bytes) _mm256_dpbusd_epi32(sum, unsigned_bytes, signed_bytes)
#elif defined(__AVXVNNI__)
#define HAS_VNNI
#define ADD_DOT(sum, unsigned_bytes, signed_bytes) _mm256_dpbusd_avx_epi32(sum, unsigned_bytes, signed_bytes)
#else /* exact where products of two neighbours fit 16 bits: items of four bits */
#define ADD_DOT(sum, unsigned_bytes, signed_bytes) \
    _mm256_add_epi32(sum, _mm256_madd_epi16(_mm256_maddubs_epi16(unsigned_bytes, signed_bytes), _mm256_set1_epi16(1)))
#endif

typedef struct {
    const row *r;
    int32_t shifted; /* -128 times the row's sum */
} kernel_row;

INLINE void prepare(kernel_row *p, const row *r, shape s)
{
    int32_t sum = 0;
    p->r = r;
    if (s.recipe != RP_FP32)
        for (uint32_t d = 0; d < s.dim; d++) sum += r->q[d];
    p->shifted = -128 * sum;
}

INLINE __m256i load(const void *from) { return _mm256_loadu_si256((const __m256i *)from); }

INLINE __m128i load_16(const void *from) { return _mm_loadu_si128((const __m128i *)from); }

/* Four of the row's values, eight times. */
INLINE __m256i quad_of(const kernel_row *p, uint32_t quad)
{
    int32_t four;
    COPY(&four, p->r->q + 4u * quad, 4);
    return _mm256_set1_epi32(four);
}

/* A tail of two values: for items 0 to 3 of eight in the low half of each quad, for 4 to 7 in the high one. */
INLINE __m256i pair_of(const kernel_row *p, uint32_t even)
{
    uint16_t pair;
    COPY(&pair, p->r->q + (even & ~3u), 2);
    return _mm256_set_m128i(_mm_set1_epi32((int32_t)((uint32_t)pair << 16)), _mm_set1_epi32(pair));
}

/* ---- int8 quads: sums of n vectors of eight items, from vector `first` of a block. */

#ifdef HAS_VNNI
INLINE void sum_quads(__m256i *sums, const uint8_t *block, const kernel_row *p, uint32_t even, int first, int n)
{
    const uint32_t quads = even / 4u;
    const __m256i shift = _mm256_set1_epi8((char)0x80);
    for (int j = 0; j < n; j++) sums[j] = _mm256_set1_epi32(p->shifted);
    for (uint32_t quad = 0; quad < quads; quad++) {
        const __m256i u = quad_of(p, quad);
        for (int j = 0; j < n; j++)
            sums[j] = ADD_DOT(sums[j], _mm256_xor_si256(load(block + 128u * quad + 32 * (first + j)), shift), u);
    }
    if (even % 4u) {
        const __m256i u = pair_of(p, even);
        for (int j = 0; j < n; j++) {
            const __m256i v = _mm256_broadcastsi128_si256(load_16(block + 128u * quads + 16 * (first + j)));
            sums[j] = ADD_DOT(sums[j], _mm256_xor_si256(v, shift), u);
        }
    }
}
#else
INLINE void sum_quads(__m256i *sums, const uint8_t *block, const kernel_row *p, uint32_t even, int first, int n)
{
    const uint32_t quads = even / 4u;
    __m256i low[4], high[4]; /* of items 0 to 3 and 4 to 7, two sums each */
    for (int j = 0; j < n; j++) low[j] = high[j] = _mm256_setzero_si256();
    for (uint32_t quad = 0; quad < quads; quad++) {
        const __m256i u = _mm256_cvtepi8_epi16(_mm256_castsi256_si128(quad_of(p, quad)));
        for (int j = 0; j < n; j++) {
            const uint8_t *items = block + 128u * quad + 32 * (first + j);
            low[j] = _mm256_add_epi32(low[j], _mm256_madd_epi16(_mm256_cvtepi8_epi16(load_16(items)), u));
            high[j] = _mm256_add_epi32(high[j], _mm256_madd_epi16(_mm256_cvtepi8_epi16(load_16(items + 16)), u));
        }
    }
    for (int j = 0; j < n; j++) sums[j] = _mm256_permute4x64_epi64(_mm256_hadd_epi32(low[j], high[j]), 0xd8);
    if (even % 4u) {
        int16_t pair;
        COPY(&pair, p->r->q + 4u * quads, 2);
        const __m256i u = _mm256_cvtepi8_epi16(_mm_set1_epi16(pair));
        const __m256i in_order = _mm256_setr_epi32(0, 2, 4, 6, 1, 3, 5, 7); /* of 0 4 1 5 2 6 3 7 */
        for (int j = 0; j < n; j++) {
            const __m128i items = load_16(block + 128u * quads + 16 * (first + j));
            const __m256i products = _mm256_madd_epi16(_mm256_cvtepi8_epi16(items), u);
            sums[j] = _mm256_add_epi32(sums[j], _mm256_permutevar8x32_epi32(products, in_order));
        }
    }
}
#endif

/* ---- Items of four bits. */

INLINE __m256i low_halves(__m256i v) { return _mm256_and_si256(v, _mm256_set1_epi8(15)); }

/* Eight items: four in the low halves of 16 bytes, four in the high ones. */
INLINE __m256i eight_items(__m128i v) { return low_halves(_mm256_set_m128i(_mm_srli_epi16(v, 4), v)); }

INLINE void sum_int4_block(__m256i *sums, const uint8_t *block, const kernel_row *p, uint32_t even)
{
    const uint32_t quads = even / 4u;
    for (int j = 0; j < 4; j++) sums[j] = _mm256_set1_epi32(p->r->bias);
    for (uint32_t quad = 0; quad < quads; quad++) {
        const __m256i u = quad_of(p, quad);
        for (int j = 0; j < 4; j++) sums[j] = ADD_DOT(sums[j], eight_items(load_16(block + 64u * quad + 16 * j)), u);
    }
    if (even % 4u) {
        const __m256i u = pair_of(p, even);
        for (int j = 0; j < 4; j += 2) { /* pairs of eight items in the low halves, of the next eight in the high ones */
            const __m256i v = _mm256_broadcastsi128_si256(load_16(block + 64u * quads + 8 * j));
            sums[j] = ADD_DOT(sums[j], low_halves(v), u);
            sums[j + 1] = ADD_DOT(sums[j + 1], low_halves(_mm256_srli_epi16(v, 4)), u);
        }
    }
}

/* ---- Two dimensions of eight items after the other: 16 bits hold every score. */

INLINE void sum_dims_16(__m128i *sums, const uint8_t *block, const kernel_row *p, uint32_t even)
{
    __m256i wide_sums[4]; /* of the even dimensions in the low half, of the odd ones in the high half */
    for (int j = 0; j < 4; j++) wide_sums[j] = _mm256_setzero_si256();
    for (uint32_t d = 0; d < even; d += 2u) {
        const __m256i u = _mm256_set_m128i(_mm_set1_epi16(p->r->q[d + 1u]), _mm_set1_epi16(p->r->q[d]));
        for (int j = 0; j < 4; j++) {
            const __m256i v = _mm256_cvtepi8_epi16(load_16(block + RP_BLOCK * d + 16 * j));
            wide_sums[j] = _mm256_add_epi16(wide_sums[j], _mm256_mullo_epi16(v, u));
        }
    }
    for (int j = 0; j < 4; j++)
        sums[j] = _mm_add_epi16(_mm256_castsi256_si128(wide_sums[j]), _mm256_extracti128_si256(wide_sums[j], 1));
}

/* ---- Floats. */

INLINE __m256i ordered_8(__m256 f)
{
    const __m256i i = _mm256_castps_si256(_mm256_add_ps(f, _mm256_setzero_ps()));
    return _mm256_xor_si256(i, _mm256_srli_epi32(_mm256_srai_epi32(i, 31), 1));
}

INLINE __m256 eight_scales(const uint8_t *halves)
{
#ifdef __F16C__
    return _mm256_cvtph_ps(load_16(halves));
#else
    float eight[8];
    for (int i = 0; i < 8; i++) eight[i] = wide(halves + 2 * i);
    return _mm256_loadu_ps(eight);
#endif
}

INLINE void sum_floats(__m256 *sums, const float *items, const float *q, uint32_t dim)
{
    for (int j = 0; j < 4; j++) sums[j] = _mm256_setzero_ps();
    for (uint32_t d = 0; d < dim; d++) {
        const __m256 u = _mm256_set1_ps(q[d]);
        for (int j = 0; j < 4; j++) {
            const __m256 v = _mm256_loadu_ps(items + RP_BLOCK * d + 8 * j);
#ifdef __FMA__
            sums[j] = _mm256_fmadd_ps(v, u, sums[j]);
#else
            sums[j] = _mm256_add_ps(sums[j], _mm256_mul_ps(v, u));
#endif
        }
    }
}

/* Scores of floats, before they are made integers of the same order. */
INLINE void float_scores(__m256 *scores, const uint8_t *block, const kernel_row *p, shape s)
{
    const uint32_t even = (s.dim + 1u) & ~1u;
    __m256i sums[4];
    if (s.recipe == RP_FP32) {
        sum_floats(scores, (const float *)(const void *)block, p->r->f, s.dim);
        return;
    }
    if (s.recipe == RP_INT4_ITEM) sum_int4_block(sums, block, p, even);
    else sum_quads(sums, block, p, even, 0, 4);
    const uint8_t *scales = block + (s.recipe == RP_INT4_ITEM ? RP_BLOCK / 2u : RP_BLOCK) * even;
    for (int j = 0; j < 4; j++) scores[j] = _mm256_mul_ps(_mm256_cvtepi32_ps(sums[j]), eight_scales(scales + 16 * j));
}

/* ---- The kernel. */

INLINE int32_t largest(__m256i v)
{
    __m128i four = _mm_max_epi32(_mm256_castsi256_si128(v), _mm256_extracti128_si256(v, 1));
    four = _mm_max_epi32(four, _mm_shuffle_epi32(four, 0x4e));
    return _mm_cvtsi128_si32(_mm_max_epi32(four, _mm_shuffle_epi32(four, 0xb1)));
}

INLINE void all_scores(__m256i *scores, const uint8_t *block, const kernel_row *p, shape s)
{
    const uint32_t even = (s.dim + 1u) & ~1u;
    if (s.recipe == RP_INT8_DIM && s.layout == RP_DIMS) {
        __m128i sums[4];
        sum_dims_16(sums, block, p, even);
        for (int j = 0; j < 4; j++) scores[j] = _mm256_cvtepi16_epi32(sums[j]);
        return;
    }
    if (s.recipe == RP_INT8_DIM) {
        sum_quads(scores, block, p, even, 0, 4);
        return;
    }
    __m256 f[4];
    float_scores(f, block, p, s);
    for (int j = 0; j < 4; j++) scores[j] = ordered_8(f[j]);
}

INLINE int32_t block_max(const uint8_t *block, const kernel_row *p, shape s)
{
    if (s.recipe == RP_INT8_DIM) {
        __m256i v[4];
        all_scores(v, block, p, s);
        return largest(_mm256_max_epi32(_mm256_max_epi32(v[0], v[1]), _mm256_max_epi32(v[2], v[3])));
    }
    __m256 f[4];
    float_scores(f, block, p, s);
    return largest(ordered_8(_mm256_max_ps(_mm256_max_ps(f[0], f[1]), _mm256_max_ps(f[2], f[3]))));
}

INLINE void block_maxima(const uint8_t *block, const kernel_row *p, shape s, int32_t *maxima)
{
    __m256i v[4];
    all_scores(v, block, p, s);
    for (int g = 0; g < 4; g++) maxima[g] = largest(v[g]);
}

INLINE int32_t block_scores(const uint8_t *block, const kernel_row *p, shape s, int32_t *scores)
{
    __m256i v[4];
    all_scores(v, block, p, s);
    for (int j = 0; j < 4; j++) _mm256_storeu_si256((__m256i *)(void *)(scores + 8 * j), v[j]);
    return largest(_mm256_max_epi32(_mm256_max_epi32(v[0], v[1]), _mm256_max_epi32(v[2], v[3])));
}

INLINE int32_t half_max(const uint8_t *block, const kernel_row *p, uint32_t dim, uint32_t half, int32_t *scores)
{
    __m256i v[2];
    sum_quads(v, block, p, (dim + 1u) & ~1u, 2 * (int)half, 2);
    for (int j = 0; j < 2; j++) _mm256_storeu_si256((__m256i *)(void *)(scores + 8 * j), v[j]);
    return largest(_mm256_max_epi32(v[0], v[1]));
}

/* A bit for each of eight that are below. */
INLINE uint32_t below_8(const int32_t *v, __m256i threshold)
{
    return (uint32_t)_mm256_movemask_ps(_mm256_castsi256_ps(_mm256_cmpgt_epi32(threshold, load(v))));
}

INLINE uint32_t count_reaching(const int32_t *v, uint32_t n, int32_t threshold)
{
    const __m256i t = _mm256_set1_epi32(threshold);
    __m256i below = _mm256_setzero_si256(); /* a comparison gives -1 */
    int32_t eight[8], sum = 0;
    for (uint32_t i = 0; i < n; i += 8u) below = _mm256_add_epi32(below, _mm256_cmpgt_epi32(t, load(v + i)));
    _mm256_storeu_si256((__m256i *)(void *)eight, below);
    for (int i = 0; i < 8; i++) sum += eight[i];
    return n + (uint32_t)sum;
}

INLINE uint32_t mask8(const int32_t *v, int32_t threshold)
{
    return ~below_8(v, _mm256_set1_epi32(threshold)) & 0xffu;
}

INLINE uint32_t mask32(const int32_t *v, int32_t threshold)
{
    const __m256i t = _mm256_set1_epi32(threshold);
    return ~(below_8(v, t) | below_8(v + 8, t) << 8 | below_8(v + 16, t) << 16 | below_8(v + 24, t) << 24);
}
