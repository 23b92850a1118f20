/* The kernel in plain C: item after item. Other kernels fall back on its functions, named plain_*. */

typedef struct {
    const row *r;
#if defined(__ARM_FEATURE_SIMD32)
    uint32_t even[ROW_BYTES / 4u], odd[ROW_BYTES / 4u]; /* dimensions 0 and 2, 1 and 3 of each four, in 16 bits */
#endif
} plain_row;

#if defined(__ARM_FEATURE_SIMD32)
#include <arm_acle.h>

/* Armv6 and Cortex-M4: two products of 16 bits and two sums at once. */
INLINE int32_t add_quad(const int8_t *item, const plain_row *r, uint32_t quad, int32_t sum)
{
    uint32_t four;
    COPY(&four, item, 4);
    sum = __smlad((int16x2_t)__sxtb16(four), (int16x2_t)r->even[quad], sum);
    return __smlad((int16x2_t)__sxtb16(four >> 8 | four << 24), (int16x2_t)r->odd[quad], sum);
}

INLINE void plain_prepare(plain_row *p, const row *r, shape s)
{
    p->r = r;
    if (s.recipe == RP_FP32) return;
    for (uint32_t quad = 0; quad <= s.dim / 4u; quad++) {
        uint32_t four;
        COPY(&four, r->q + 4u * quad, 4);
        p->even[quad] = (uint32_t)__sxtb16(four);
        p->odd[quad] = (uint32_t)__sxtb16(four >> 8 | four << 24);
    }
}
#else
INLINE int32_t add_quad(const int8_t *item, const plain_row *r, uint32_t quad, int32_t sum)
{
    const int8_t *q = r->r->q + 4u * quad;
    return sum + item[0] * q[0] + item[1] * q[1] + item[2] * q[2] + item[3] * q[3];
}

INLINE void plain_prepare(plain_row *p, const row *r, shape s)
{
    (void)s;
    p->r = r;
}
#endif

/* A float16 above zero. */
INLINE float wide(const uint8_t *half)
{
    const uint32_t bits = (uint32_t)half[0] | (uint32_t)half[1] << 8;
    const uint32_t exponent = bits >> 10 & 31u, fraction = bits & 1023u, whole = (exponent + 112u) << 23 | fraction << 13;
    float f;
    if (!exponent) return (float)fraction * 0x1p-24f;
    COPY(&f, &whole, 4);
    return f;
}

INLINE int32_t sum_int8(const uint8_t *block, const plain_row *r, uint32_t even, uint32_t i)
{
    const int8_t *items = (const int8_t *)block, *q = r->r->q + (even & ~3u);
    int32_t sum = 0;
    for (uint32_t quad = 0; quad < even / 4u; quad++) sum = add_quad(items + 128u * quad + 4u * i, r, quad, sum);
    if (even % 4u) {
        const int8_t *pair = items + 128u * (even / 4u) + 16u * (i / 8u) + 4u * (i % 4u) + 2u * (i / 4u % 2u);
        sum += pair[0] * q[0] + pair[1] * q[1];
    }
    return sum;
}

/* Levels plus 8 lie in halves of bytes: of every two vectors of int8 quads, the first in the low halves. */
INLINE int32_t sum_int4(const uint8_t *block, const plain_row *r, uint32_t even, uint32_t i)
{
    const int8_t *q = r->r->q;
    const uint8_t *four = block + 16u * (i / 8u) + 4u * (i % 4u);
    const uint32_t shift = i & 4u;
    int32_t sum = r->r->bias;
    for (uint32_t d = 0; d + 4u <= even; d += 4u, four += 64u)
        for (uint32_t j = 0; j < 4u; j++) sum += (int32_t)(four[j] >> shift & 15u) * q[d + j];
    if (even % 4u) {
        const uint8_t *pair = block + 64u * (even / 4u) + 16u * (i / 16u) + 4u * (i % 4u) + 2u * (i / 4u % 2u);
        const uint32_t half = i / 2u & 4u;
        sum += (int32_t)(pair[0] >> half & 15u) * q[even - 2u] + (int32_t)(pair[1] >> half & 15u) * q[even - 1u];
    }
    return sum;
}

/* Of each two dimensions, eight items' values of the first, then of the second. */
INLINE int32_t sum_dims(const uint8_t *block, const plain_row *r, uint32_t even, uint32_t i)
{
    const int8_t *items = (const int8_t *)block + 16u * (i / 8u) + i % 8u, *q = r->r->q;
    int32_t sum = 0;
    for (uint32_t d = 0; d < even; d += 2u, items += 2u * RP_BLOCK) sum += items[0] * q[d] + items[8] * q[d + 1u];
    return sum;
}

INLINE int32_t plain_score(const uint8_t *block, const plain_row *r, shape s, uint32_t i)
{
    const uint32_t even = (s.dim + 1u) & ~1u;
    if (s.recipe == RP_INT8_DIM && s.layout == RP_DIMS) return sum_dims(block, r, even, i);
    if (s.recipe == RP_INT8_DIM) return sum_int8(block, r, even, i);
    if (s.recipe == RP_INT8_ITEM)
        return ordered((float)sum_int8(block, r, even, i) * wide(block + RP_BLOCK * even + 2u * i));
    if (s.recipe == RP_INT4_ITEM)
        return ordered((float)sum_int4(block, r, even, i) * wide(block + RP_BLOCK / 2u * even + 2u * i));
    const float *items = (const float *)(const void *)block;
    float sum = 0.0f;
    for (uint32_t d = 0; d < s.dim; d++) sum += items[RP_BLOCK * d + i] * r->r->f[d];
    return ordered(sum);
}

#if defined(__ARM_FEATURE_SIMD32)
/* The bytes 1 and 3 of a word, in 16 bits each: compilers do not find the rotation. */
INLINE uint32_t odd_bytes(uint32_t four)
{
    uint32_t two;
    __asm__("sxtb16 %0, %1, ror #8" : "=r"(two) : "r"(four));
    return two;
}

INLINE int32_t add_word(uint32_t four, const plain_row *r, uint32_t quad, int32_t sum)
{
    sum = __smlad((int16x2_t)__sxtb16(four), (int16x2_t)r->even[quad], sum);
    return __smlad((int16x2_t)odd_bytes(four), (int16x2_t)r->odd[quad], sum);
}

/* sum + the product of two low halves; of a high half and a low one. Clang's names for these want a feature that it
 * does not give an Arm11, which has them. */
INLINE int32_t add_low(uint32_t a, uint32_t b, int32_t sum)
{
    __asm__("smlabb %0, %1, %2, %0" : "+r"(sum) : "r"(a), "r"(b));
    return sum;
}

INLINE int32_t add_high(uint32_t a, uint32_t b, int32_t sum)
{
    __asm__("smlatb %0, %1, %2, %0" : "+r"(sum) : "r"(a), "r"(b));
    return sum;
}

/* An item of int8 quads, and the fourth after it: their tails lie in one word. */
INLINE void two_int8(const uint8_t *item, const uint8_t *tail, const plain_row *r, uint32_t even, int32_t *two)
{
    int32_t a = 0, b = 0;
    for (uint32_t quad = 0; quad < even / 4u; quad++) {
        uint32_t left, right;
        COPY(&left, item + 128u * quad, 4);
        COPY(&right, item + 128u * quad + 16u, 4);
        a = add_word(left, r, quad, a);
        b = add_word(right, r, quad, b);
    }
    if (even % 4u) {
        uint32_t pairs;
        COPY(&pairs, tail, 4);
        const uint32_t first = (uint32_t)__sxtb16(pairs), second = odd_bytes(pairs);
        const uint32_t q0 = r->even[even / 4u], q1 = r->odd[even / 4u];
        a = add_low(second, q1, add_low(first, q0, a));
        b = add_high(second, q1, add_high(first, q0, b));
    }
    two[0] = a;
    two[1] = b;
}
#endif

INLINE int32_t plain_scores(const uint8_t *block, const plain_row *r, shape s, int32_t *scores)
{
#if defined(__ARM_FEATURE_SIMD32)
    if (s.recipe == RP_INT8_DIM && s.layout == RP_QUADS) {
        const uint32_t even = (s.dim + 1u) & ~1u;
        const uint8_t *tail = block + 128u * (even / 4u);
        for (uint32_t eight = 0; eight < RP_BLOCK; eight += 8u, block += 32, tail += 16)
            for (uint32_t i = 0; i < 4u; i++) {
                int32_t two[2];
                two_int8(block + 4u * i, tail + 4u * i, r, even, two);
                scores[eight + i] = two[0];
                scores[eight + i + 4u] = two[1];
            }
        return largest_of(scores, RP_BLOCK);
    }
#endif
    for (uint32_t i = 0; i < RP_BLOCK; i++) scores[i] = plain_score(block, r, s, i);
    return largest_of(scores, RP_BLOCK);
}

INLINE int32_t plain_block_max(const uint8_t *block, const plain_row *r, shape s)
{
    int32_t best = LOWEST;
#if defined(__ARM_FEATURE_SIMD32)
    if (s.recipe == RP_INT8_DIM && s.layout == RP_QUADS) {
        const uint32_t even = (s.dim + 1u) & ~1u;
        const uint8_t *tail = block + 128u * (even / 4u);
        for (uint32_t eight = 0; eight < RP_BLOCK; eight += 8u, block += 32, tail += 16)
            for (uint32_t i = 0; i < 4u; i++) {
                int32_t two[2];
                two_int8(block + 4u * i, tail + 4u * i, r, even, two);
                best = two[0] > best ? two[0] : best;
                best = two[1] > best ? two[1] : best;
            }
        return best;
    }
#endif
    for (uint32_t i = 0; i < RP_BLOCK; i++) {
        const int32_t score = plain_score(block, r, s, i);
        best = score > best ? score : best;
    }
    return best;
}

INLINE void plain_block_maxima(const uint8_t *block, const plain_row *r, shape s, int32_t *maxima)
{
    int32_t scores[RP_BLOCK];
    plain_scores(block, r, s, scores);
    for (uint32_t eight = 0; eight < 4u; eight++) maxima[eight] = largest_of(scores + 8u * eight, 8u);
}

INLINE int32_t plain_half_max(const uint8_t *block, const plain_row *r, uint32_t dim, uint32_t half, int32_t *scores)
{
    for (uint32_t i = 0; i < HALF; i++) scores[i] = sum_int8(block, r, (dim + 1u) & ~1u, HALF * half + i);
    return largest_of(scores, HALF);
}

INLINE uint32_t plain_count_reaching(const int32_t *v, uint32_t n, int32_t threshold)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < n; i++) count += v[i] >= threshold;
    return count;
}

INLINE uint32_t plain_mask(const int32_t *v, uint32_t n, int32_t threshold)
{
    uint32_t mask = 0;
    for (uint32_t i = 0; i < n; i++) mask |= (uint32_t)(v[i] >= threshold) << i;
    return mask;
}

#ifndef HAS_KERNEL /* another kernel that fell back on these defines it */
typedef plain_row kernel_row;
#define LONG_SHARE 2u /* maxima of eights are dear where no vector finds them: a third of the product at dim 10 */
#define prepare plain_prepare
#define block_max plain_block_max
#define block_maxima plain_block_maxima
#define block_scores plain_scores
#define half_max plain_half_max
#define count_reaching plain_count_reaching
INLINE uint32_t mask8(const int32_t *v, int32_t threshold) { return plain_mask(v, 8u, threshold); }
INLINE uint32_t mask32(const int32_t *v, int32_t threshold) { return plain_mask(v, 32u, threshold); }
#endif
