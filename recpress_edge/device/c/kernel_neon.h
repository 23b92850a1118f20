/* The kernel for NEON: Armv7, Armv8 and, with __ARM_FEATURE_DOTPROD, Armv8.2's dot products.
 *
 * A vector holds four items of four dimensions, which SDOT multiplies and adds at once. Cores without it widen
 * products to 16 bits: two of 127 · 127 fit, so two quads are added before the pairs are. Where every score of
 * the model fits 16 bits (RP_FITS_16), all quads are: sums modulo 2^16 are exact then. */

#include <arm_neon.h>
#define HAS_KERNEL
#include "kernel_plain.h"

typedef struct {
    const row *r;
    int8x16_t quads[ROW_BYTES / 4u]; /* four values, four times; RP_DIMS: two, eight times each */
    int8x16_t pairs[2];              /* a tail of two dimensions */
} kernel_row;

INLINE void prepare(kernel_row *p, const row *r, shape s)
{
    const uint32_t even = (s.dim + 1u) & ~1u, quads = even / 4u;
    p->r = r;
    if (s.recipe == RP_FP32) return;
    if (s.layout == RP_DIMS) {
        for (uint32_t pair = 0; pair < even / 2u; pair++)
            p->quads[pair] = vcombine_s8(vdup_n_s8(r->q[2u * pair]), vdup_n_s8(r->q[2u * pair + 1u]));
        return;
    }
    for (uint32_t quad = 0; quad < quads; quad++)
        p->quads[quad] = vreinterpretq_s8_s32(vld1q_dup_s32((const int32_t *)(const void *)(r->q + 4u * quad)));
    if (even % 4u) {
        uint16_t pair;
        COPY(&pair, r->q + 4u * quads, 2);
#ifdef __ARM_FEATURE_DOTPROD /* a quad of one item's pair and another's: either, the other times zero */
        p->pairs[0] = vreinterpretq_s8_u32(vdupq_n_u32(pair));
        p->pairs[1] = vreinterpretq_s8_u32(vdupq_n_u32((uint32_t)pair << 16));
#else
        p->pairs[0] = vreinterpretq_s8_u16(vdupq_n_u16(pair));
        p->pairs[1] = p->pairs[0];
#endif
    }
}

/* ---- What Armv7 lacks. */

#ifdef __aarch64__
#define MULTIPLY_HIGH(a, b) vmull_high_s8(a, b)
#define ADD_PRODUCT_HIGH(sum, a, b) vmlal_high_s8(sum, a, b)
INLINE int32x4_t add_pairs(int32x4_t a, int32x4_t b) { return vpaddq_s32(a, b); }
INLINE int16x8_t add_pairs_16(int16x8_t a, int16x8_t b) { return vpaddq_s16(a, b); }
INLINE int32_t largest(int32x4_t v) { return vmaxvq_s32(v); }
INLINE int32_t largest_16(int16x8_t v) { return vmaxvq_s16(v); }
INLINE uint32_t total(uint32x4_t v) { return vaddvq_u32(v); }
#else
#define MULTIPLY_HIGH(a, b) vmull_s8(vget_high_s8(a), vget_high_s8(b))
#define ADD_PRODUCT_HIGH(sum, a, b) vmlal_s8(sum, vget_high_s8(a), vget_high_s8(b))
INLINE int32x4_t add_pairs(int32x4_t a, int32x4_t b)
{
    return vcombine_s32(vpadd_s32(vget_low_s32(a), vget_high_s32(a)), vpadd_s32(vget_low_s32(b), vget_high_s32(b)));
}
INLINE int16x8_t add_pairs_16(int16x8_t a, int16x8_t b)
{
    return vcombine_s16(vpadd_s16(vget_low_s16(a), vget_high_s16(a)), vpadd_s16(vget_low_s16(b), vget_high_s16(b)));
}
INLINE int32_t largest(int32x4_t v)
{
    const int32x2_t two = vpmax_s32(vget_low_s32(v), vget_high_s32(v));
    return vget_lane_s32(vpmax_s32(two, two), 0);
}
INLINE int32_t largest_16(int16x8_t v)
{
    int16x4_t four = vmax_s16(vget_low_s16(v), vget_high_s16(v));
    four = vpmax_s16(four, four);
    return vget_lane_s16(vpmax_s16(four, four), 0);
}
INLINE uint32_t total(uint32x4_t v)
{
    const uint32x2_t two = vadd_u32(vget_low_u32(v), vget_high_u32(v));
    return vget_lane_u32(vpadd_u32(two, two), 0);
}
#endif
#define MULTIPLY_LOW(a, b) vmull_s8(vget_low_s8(a), vget_low_s8(b))
#define ADD_PRODUCT_LOW(sum, a, b) vmlal_s8(sum, vget_low_s8(a), vget_low_s8(b))

/* ---- int8 quads: 32 sums as eight vectors. */

#ifdef __ARM_FEATURE_DOTPROD

/* Four vectors: by one instruction, where the compiler does not then copy them about. */
#ifdef __clang__
#define LOAD_4(v, from)                                                      \
    do {                                                                     \
        for (int j = 0; j < 4; j++) (v)[j] = vld1q_s8((from) + 16 * j);      \
    } while (0)
#else
#define LOAD_4(v, from)                             \
    do {                                            \
        const int8x16x4_t four = vld1q_s8_x4(from); \
        (v)[0] = four.val[0];                       \
        (v)[1] = four.val[1];                       \
        (v)[2] = four.val[2];                       \
        (v)[3] = four.val[3];                       \
    } while (0)
#endif

/* One quad of 32 items; `lane`: which of the sixteen values' four quads. */
#define ADD_QUAD(lane)                                                                       \
    do {                                                                                     \
        LOAD_4(v, items);                                                                    \
        LOAD_4(v + 4, items + 64);                                                           \
        items += 128;                                                                        \
        for (int j = 0; j < 8; j++) sums[j] = vdotq_laneq_s32(sums[j], v[j], sixteen, lane); \
    } while (0)

INLINE void sum_block(int32x4_t *sums, const int8_t *items, const kernel_row *p, uint32_t even)
{
    const uint32_t quads = even / 4u;
    int8x16_t v[8];
    for (int j = 0; j < 8; j++) sums[j] = vdupq_n_s32(0);
    STRAIGHT
    for (uint32_t quad = 0; quad + 4u <= quads; quad += 4u) {
        const int8x16_t sixteen = vld1q_s8(p->r->q + 4u * quad);
        ADD_QUAD(0);
        ADD_QUAD(1);
        ADD_QUAD(2);
        ADD_QUAD(3);
    }
    if (quads % 4u) {
        const int8x16_t sixteen = vld1q_s8(p->r->q + (quads & ~3u) * 4u);
        ADD_QUAD(0);
        if (quads % 4u > 1u) ADD_QUAD(1);
        if (quads % 4u > 2u) ADD_QUAD(2);
    }
    if (even % 4u) {
        LOAD_4(v, items);
        for (int j = 0; j < 4; j++) {
            sums[2 * j] = vdotq_s32(sums[2 * j], v[j], p->pairs[0]);
            sums[2 * j + 1] = vdotq_s32(sums[2 * j + 1], v[j], p->pairs[1]);
        }
    }
}

/* Half of it: 16 sums as four vectors. */
INLINE void sum_half(int32x4_t *sums, const int8_t *block, const kernel_row *p, uint32_t even, uint32_t half)
{
    const uint32_t quads = even / 4u;
    for (int j = 0; j < 4; j++) sums[j] = vdupq_n_s32(0);
    for (uint32_t quad = 0; quad < quads; quad++)
        for (int j = 0; j < 4; j++)
            sums[j] = vdotq_s32(sums[j], vld1q_s8(block + 128u * quad + 64u * half + 16 * j), p->quads[quad]);
    if (even % 4u)
        for (int j = 0; j < 2; j++) {
            const int8x16_t v = vld1q_s8(block + 128u * quads + 32u * half + 16 * j);
            sums[2 * j] = vdotq_s32(sums[2 * j], v, p->pairs[0]);
            sums[2 * j + 1] = vdotq_s32(sums[2 * j + 1], v, p->pairs[1]);
        }
}

#else

/* Sums of four vectors of items, two quads at a time. */
INLINE void sum_half(int32x4_t *sums, const int8_t *block, const kernel_row *p, uint32_t even, uint32_t half)
{
    const uint32_t quads = even / 4u;
    const int8_t *items = block + 64u * half;
    int32x4_t low[4], high[4];
    uint32_t quad = 0;
    for (int j = 0; j < 4; j++) low[j] = high[j] = vdupq_n_s32(0);
    STRAIGHT
    for (; quad + 2u <= quads; quad += 2u) {
        const int8x16_t first = p->quads[quad], second = p->quads[quad + 1u];
        for (int j = 0; j < 4; j++) {
            const int8x16_t v = vld1q_s8(items + 128u * quad + 16 * j);
            const int8x16_t w = vld1q_s8(items + 128u * quad + 128 + 16 * j);
            const int16x8_t l = ADD_PRODUCT_LOW(MULTIPLY_LOW(v, first), w, second);
            const int16x8_t h = ADD_PRODUCT_HIGH(MULTIPLY_HIGH(v, first), w, second);
            low[j] = quad ? vpadalq_s16(low[j], l) : vpaddlq_s16(l);
            high[j] = quad ? vpadalq_s16(high[j], h) : vpaddlq_s16(h);
        }
    }
    if (quad < quads) {
        for (int j = 0; j < 4; j++) {
            const int8x16_t v = vld1q_s8(items + 128u * quad + 16 * j);
            const int16x8_t l = MULTIPLY_LOW(v, p->quads[quad]), h = MULTIPLY_HIGH(v, p->quads[quad]);
            low[j] = quad ? vpadalq_s16(low[j], l) : vpaddlq_s16(l);
            high[j] = quad ? vpadalq_s16(high[j], h) : vpaddlq_s16(h);
        }
    }
    for (int j = 0; j < 4; j++) sums[j] = add_pairs(low[j], high[j]);
    if (even % 4u)
        for (int j = 0; j < 4; j += 2) {
            const int8x16_t v = vld1q_s8(block + 128u * quads + 32u * half + 8 * j);
            const int32x4x2_t items_of = vuzpq_s32(vpaddlq_s16(MULTIPLY_LOW(v, p->pairs[0])),
                                                   vpaddlq_s16(MULTIPLY_HIGH(v, p->pairs[0])));
            sums[j] = vaddq_s32(sums[j], items_of.val[0]);
            sums[j + 1] = vaddq_s32(sums[j + 1], items_of.val[1]);
        }
}

INLINE void sum_block(int32x4_t *sums, const int8_t *items, const kernel_row *p, uint32_t even)
{
    sum_half(sums, items, p, even, 0);
    sum_half(sums + 4, items, p, even, 1);
}
#endif

/* ---- Sums of 16 bits: four vectors of eight items. */

/* Quads: of eight items with a tail of two dimensions, the order is 0 4 1 5 2 6 3 7. */
INLINE void sum_quads_16(int16x8_t *sums, const int8_t *items, const kernel_row *p, uint32_t even)
{
    const uint32_t quads = even / 4u;
    for (int g = 0; g < 4; g++) {
        int16x8_t halves[2];
        for (int j = 0; j < 2; j++) {
            const int8_t *from = items + 32 * g + 16 * j;
            int16x8_t low = vdupq_n_s16(0), high = vdupq_n_s16(0);
            STRAIGHT
            for (uint32_t quad = 0; quad < quads; quad++) {
                const int8x16_t v = vld1q_s8(from + 128u * quad), u = p->quads[quad];
                low = quad ? ADD_PRODUCT_LOW(low, v, u) : MULTIPLY_LOW(v, u);
                high = quad ? ADD_PRODUCT_HIGH(high, v, u) : MULTIPLY_HIGH(v, u);
            }
            halves[j] = add_pairs_16(low, high);
        }
        if (even % 4u) { /* pairs lie as item 0, item 4, item 1, ... */
            const int32x4x2_t mixed = vzipq_s32(vreinterpretq_s32_s16(halves[0]), vreinterpretq_s32_s16(halves[1]));
            const int8x16_t v = vld1q_s8(items + 128u * quads + 16 * g);
            halves[0] = ADD_PRODUCT_LOW(vreinterpretq_s16_s32(mixed.val[0]), v, p->pairs[0]);
            halves[1] = ADD_PRODUCT_HIGH(vreinterpretq_s16_s32(mixed.val[1]), v, p->pairs[0]);
        }
        sums[g] = add_pairs_16(halves[0], halves[1]);
    }
}

/* Of each two dimensions, eight items' values of the first in the low half, of the second in the high one. */
INLINE void sum_dims_16(int16x8_t *sums, const int8_t *items, const kernel_row *p, uint32_t even)
{
    for (int g = 0; g < 4; g++) sums[g] = vdupq_n_s16(0);
    STRAIGHT
    for (uint32_t pair = 0; pair < even / 2u; pair++)
        for (int g = 0; g < 4; g++) {
            const int8x16_t v = vld1q_s8(items + 64u * pair + 16 * g), u = p->quads[pair];
            sums[g] = pair ? ADD_PRODUCT_LOW(sums[g], v, u) : MULTIPLY_LOW(v, u);
            sums[g] = ADD_PRODUCT_HIGH(sums[g], v, u);
        }
}

INLINE int sums_in_16(shape s)
{
#ifdef __ARM_FEATURE_DOTPROD
    return s.recipe == RP_INT8_DIM && s.layout == RP_DIMS;
#else
    return s.recipe == RP_INT8_DIM && s.fits16;
#endif
}

INLINE void sum_16(int16x8_t *sums, const uint8_t *block, const kernel_row *p, shape s)
{
    const uint32_t even = (s.dim + 1u) & ~1u;
    if (s.layout == RP_DIMS) sum_dims_16(sums, (const int8_t *)block, p, even);
    else sum_quads_16(sums, (const int8_t *)block, p, even);
}

/* ---- Items of four bits: of two vectors of quads, the first is in the low halves of the bytes. */

#define LOW_HALVES(v) vreinterpretq_s8_u8(vandq_u8(v, vdupq_n_u8(15)))
#define HIGH_HALVES(v) vreinterpretq_s8_u8(vshrq_n_u8(v, 4))

#ifdef __ARM_FEATURE_DOTPROD
INLINE void sum_int4_block(int32x4_t *sums, const uint8_t *block, const kernel_row *p, uint32_t even)
{
    const uint32_t quads = even / 4u;
    for (int j = 0; j < 8; j++) sums[j] = vdupq_n_s32(p->r->bias);
    for (uint32_t quad = 0; quad < quads; quad++)
        for (int j = 0; j < 8; j += 2) {
            const uint8x16_t v = vld1q_u8(block + 64u * quad + 8 * j);
            sums[j] = vdotq_s32(sums[j], LOW_HALVES(v), p->quads[quad]);
            sums[j + 1] = vdotq_s32(sums[j + 1], HIGH_HALVES(v), p->quads[quad]);
        }
    if (even % 4u)
        for (int j = 0; j < 8; j += 4) {
            const uint8x16_t v = vld1q_u8(block + 64u * quads + 4 * j);
            sums[j] = vdotq_s32(sums[j], LOW_HALVES(v), p->pairs[0]);
            sums[j + 1] = vdotq_s32(sums[j + 1], LOW_HALVES(v), p->pairs[1]);
            sums[j + 2] = vdotq_s32(sums[j + 2], HIGH_HALVES(v), p->pairs[0]);
            sums[j + 3] = vdotq_s32(sums[j + 3], HIGH_HALVES(v), p->pairs[1]);
        }
}
#else
#define INT4_RUN 16u /* quads whose products of 15 · 127 are added in 16 bits */

INLINE void sum_int4_tail(int32x4_t *sums, int8x16_t v, const kernel_row *p)
{
    const int32x4x2_t items = vuzpq_s32(vpaddlq_s16(MULTIPLY_LOW(v, p->pairs[0])), vpaddlq_s16(MULTIPLY_HIGH(v, p->pairs[0])));
    sums[0] = vaddq_s32(sums[0], items.val[0]);
    sums[1] = vaddq_s32(sums[1], items.val[1]);
}

INLINE void sum_int4_block(int32x4_t *sums, const uint8_t *block, const kernel_row *p, uint32_t even)
{
    const uint32_t quads = even / 4u;
    for (int j = 0; j < 8; j += 2) {
        int32x4_t wide_sums[4];
        for (int i = 0; i < 4; i++) wide_sums[i] = vdupq_n_s32(0);
        for (uint32_t from = 0; from < quads; from += INT4_RUN) {
            const uint32_t to = from + INT4_RUN < quads ? from + INT4_RUN : quads;
            int16x8_t run[4];
            for (int i = 0; i < 4; i++) run[i] = vdupq_n_s16(0);
            for (uint32_t quad = from; quad < to; quad++) {
                const uint8x16_t v = vld1q_u8(block + 64u * quad + 8 * j);
                const int8x16_t low = LOW_HALVES(v), high = HIGH_HALVES(v), u = p->quads[quad];
                run[0] = ADD_PRODUCT_LOW(run[0], low, u);
                run[1] = ADD_PRODUCT_HIGH(run[1], low, u);
                run[2] = ADD_PRODUCT_LOW(run[2], high, u);
                run[3] = ADD_PRODUCT_HIGH(run[3], high, u);
            }
            for (int i = 0; i < 4; i++) wide_sums[i] = vpadalq_s16(wide_sums[i], run[i]);
        }
        sums[j] = vaddq_s32(add_pairs(wide_sums[0], wide_sums[1]), vdupq_n_s32(p->r->bias));
        sums[j + 1] = vaddq_s32(add_pairs(wide_sums[2], wide_sums[3]), vdupq_n_s32(p->r->bias));
    }
    if (even % 4u)
        for (int j = 0; j < 8; j += 4) {
            const uint8x16_t v = vld1q_u8(block + 64u * quads + 4 * j);
            sum_int4_tail(sums + j, LOW_HALVES(v), p);
            sum_int4_tail(sums + j + 2, HIGH_HALVES(v), p);
        }
}
#endif

/* ---- Floats. */

INLINE int32x4_t ordered_4(float32x4_t f)
{
    const int32x4_t i = vreinterpretq_s32_f32(vaddq_f32(f, vdupq_n_f32(0.0f)));
    return veorq_s32(i, vreinterpretq_s32_u32(vshrq_n_u32(vreinterpretq_u32_s32(vshrq_n_s32(i, 31)), 1)));
}

INLINE float32x4_t four_scales(const uint8_t *halves)
{
#ifdef __aarch64__
    return vcvt_f32_f16(vreinterpret_f16_u16(vld1_u16((const uint16_t *)(const void *)halves)));
#else /* Armv7's vectors would make zero of what is small; its scalars do not */
    const float four[4] = {wide(halves), wide(halves + 2), wide(halves + 4), wide(halves + 6)};
    return vld1q_f32(four);
#endif
}

#ifdef __aarch64__
/* One dimension of 32 items; `lane`: which of four values. */
#define ADD_DIM(lane)                                                              \
    do {                                                                           \
        const float32x4x4_t v = vld1q_f32_x4(items), w = vld1q_f32_x4(items + 16); \
        items += RP_BLOCK;                                                         \
        for (int j = 0; j < 4; j++) {                                              \
            sums[j] = vfmaq_laneq_f32(sums[j], v.val[j], four, lane);              \
            sums[4 + j] = vfmaq_laneq_f32(sums[4 + j], w.val[j], four, lane);      \
        }                                                                          \
    } while (0)

INLINE void sum_floats(float32x4_t *sums, const float *items, const float *q, uint32_t dim)
{
    for (int j = 0; j < 8; j++) sums[j] = vdupq_n_f32(0.0f);
    for (; dim >= 4u; dim -= 4u, q += 4) {
        const float32x4_t four = vld1q_f32(q);
        ADD_DIM(0);
        ADD_DIM(1);
        ADD_DIM(2);
        ADD_DIM(3);
    }
    for (; dim; dim--, q++) {
        const float32x4_t four = vld1q_dup_f32(q);
        ADD_DIM(0);
    }
}
#else
INLINE void sum_floats(float32x4_t *sums, const float *items, const float *q, uint32_t dim)
{
    for (int j = 0; j < 8; j++) sums[j] = vdupq_n_f32(0.0f);
    for (uint32_t d = 0; d < dim; d++)
        for (int j = 0; j < 8; j++) sums[j] = vmlaq_n_f32(sums[j], vld1q_f32(items + RP_BLOCK * d + 4 * j), q[d]);
}
#endif

/* Scores of floats, before they are made integers of the same order. */
INLINE void float_scores(float32x4_t *scores, const uint8_t *block, const kernel_row *p, shape s)
{
    const uint32_t even = (s.dim + 1u) & ~1u;
    int32x4_t sums[8];
    if (s.recipe == RP_FP32) {
        sum_floats(scores, (const float *)(const void *)block, p->r->f, s.dim);
        return;
    }
    if (s.recipe == RP_INT4_ITEM) sum_int4_block(sums, block, p, even);
    else sum_block(sums, (const int8_t *)block, p, even);
    const uint8_t *scales = block + (s.recipe == RP_INT4_ITEM ? RP_BLOCK / 2u : RP_BLOCK) * even;
    for (int j = 0; j < 8; j++) scores[j] = vmulq_f32(vcvtq_f32_s32(sums[j]), four_scales(scales + 8 * j));
}

/* ---- The kernel. */

INLINE void all_scores(int32x4_t *scores, const uint8_t *block, const kernel_row *p, shape s)
{
    if (s.recipe == RP_INT8_DIM) {
        sum_block(scores, (const int8_t *)block, p, (s.dim + 1u) & ~1u);
        return;
    }
    float32x4_t f[8];
    float_scores(f, block, p, s);
    for (int j = 0; j < 8; j++) scores[j] = ordered_4(f[j]);
}

INLINE int32_t block_max(const uint8_t *block, const kernel_row *p, shape s)
{
    if (sums_in_16(s)) {
        int16x8_t v[4];
        sum_16(v, block, p, s);
        return largest_16(vmaxq_s16(vmaxq_s16(v[0], v[1]), vmaxq_s16(v[2], v[3])));
    }
    if (s.recipe == RP_INT8_DIM) {
        int32x4_t v[8];
        sum_block(v, (const int8_t *)block, p, (s.dim + 1u) & ~1u);
        for (int j = 1; j < 8; j++) v[0] = vmaxq_s32(v[0], v[j]);
        return largest(v[0]);
    }
    float32x4_t f[8];
    float_scores(f, block, p, s);
    for (int j = 1; j < 8; j++) f[0] = vmaxq_f32(f[0], f[j]);
    return largest(ordered_4(f[0]));
}

INLINE void block_maxima(const uint8_t *block, const kernel_row *p, shape s, int32_t *maxima)
{
    if (sums_in_16(s)) {
        int16x8_t v[4];
        sum_16(v, block, p, s);
        for (int g = 0; g < 4; g++) maxima[g] = largest_16(v[g]);
        return;
    }
    int32x4_t v[8];
    all_scores(v, block, p, s);
    for (int g = 0; g < 4; g++) maxima[g] = largest(vmaxq_s32(v[2 * g], v[2 * g + 1]));
}

INLINE int32_t block_scores(const uint8_t *block, const kernel_row *p, shape s, int32_t *scores)
{
    if (sums_in_16(s)) {
        int16x8_t v[4];
        sum_16(v, block, p, s);
        const int16x8_t best = vmaxq_s16(vmaxq_s16(v[0], v[1]), vmaxq_s16(v[2], v[3]));
        for (int g = 0; g < 4; g++) {
            if (s.layout == RP_QUADS && (s.dim + 1u) / 2u % 2u) { /* from 0 4 1 5 2 6 3 7 */
                const int16x8x2_t two = vuzpq_s16(v[g], v[g]);
                v[g] = vcombine_s16(vget_low_s16(two.val[0]), vget_low_s16(two.val[1]));
            }
            vst1q_s32(scores + 8 * g, vmovl_s16(vget_low_s16(v[g])));
            vst1q_s32(scores + 8 * g + 4, vmovl_s16(vget_high_s16(v[g])));
        }
        return largest_16(best);
    }
    int32x4_t v[8];
    all_scores(v, block, p, s);
    for (int j = 0; j < 8; j++) vst1q_s32(scores + 4 * j, v[j]);
    for (int j = 1; j < 8; j++) v[0] = vmaxq_s32(v[0], v[j]);
    return largest(v[0]);
}

INLINE int32_t half_max(const uint8_t *block, const kernel_row *p, uint32_t dim, uint32_t half, int32_t *scores)
{
    int32x4_t v[4];
    sum_half(v, (const int8_t *)block, p, (dim + 1u) & ~1u, half);
    for (int j = 0; j < 4; j++) vst1q_s32(scores + 4 * j, v[j]);
    return largest(vmaxq_s32(vmaxq_s32(v[0], v[1]), vmaxq_s32(v[2], v[3])));
}

INLINE uint32_t count_reaching(const int32_t *v, uint32_t n, int32_t threshold)
{
    const int32x4_t t = vdupq_n_s32(threshold);
    uint32x4_t even = vdupq_n_u32(0), odd = even; /* a comparison gives -1 */
    const int32_t *end = v + (n & ~15u);
    for (; v < end; v += 16) {
        even = vsubq_u32(even, vcgeq_s32(vld1q_s32(v), t));
        odd = vsubq_u32(odd, vcgeq_s32(vld1q_s32(v + 4), t));
        even = vsubq_u32(even, vcgeq_s32(vld1q_s32(v + 8), t));
        odd = vsubq_u32(odd, vcgeq_s32(vld1q_s32(v + 12), t));
    }
    if (n % 16u) {
        even = vsubq_u32(even, vcgeq_s32(vld1q_s32(v), t));
        odd = vsubq_u32(odd, vcgeq_s32(vld1q_s32(v + 4), t));
    }
    return total(vaddq_u32(even, odd));
}

static const uint32_t four_bits[4] = {1, 2, 4, 8};

INLINE uint32_t mask8(const int32_t *v, int32_t threshold)
{
    const int32x4_t low = vld1q_s32(v), high = vld1q_s32(v + 4), t = vdupq_n_s32(threshold);
    if (!UNLIKELY(largest(vmaxq_s32(low, high)) >= threshold)) return 0;
    const uint32x4_t bits = vld1q_u32(four_bits);
    return total(vsliq_n_u32(vandq_u32(vcgeq_s32(low, t), bits), vandq_u32(vcgeq_s32(high, t), bits), 4));
}

INLINE uint32_t mask32(const int32_t *v, int32_t threshold)
{
    const uint32x4_t bits = vld1q_u32(four_bits);
    const int32x4_t t = vdupq_n_s32(threshold);
    uint32x4_t mask = vdupq_n_u32(0);
    for (int j = 8; j-- > 0;) mask = vsliq_n_u32(vandq_u32(vcgeq_s32(vld1q_s32(v + 4 * j), t), bits), mask, 4);
    return total(mask);
}
