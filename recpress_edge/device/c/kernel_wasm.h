/* The kernel for WebAssembly with SIMD of 128 bits: four items in a vector of scores, eight vectors a block.
 *
 * Int8 values become 16 bits and are multiplied in pairs into 32, so that nothing overflows whatever a file
 * holds. Float32 sums keep the order of the plain kernel: both give the same bits. */

#define HAS_KERNEL
#include "kernel_plain.h"
#include <wasm_simd128.h>

#define VECTORS (RP_BLOCK / 4u)
#define QUADS (ROW_BYTES / 4u)
/* Bytes travel to every reader of a page: one copy of what is called for few blocks, and loops as loops but
 * where a vector must stay in a register. */
#define ONE_COPY static __attribute__((noinline))
#define IN_REGISTERS _Pragma("clang loop unroll(full)")

typedef struct {
    plain_row plain; /* for what has no vector form here: the dims layout */
    int16_t even[QUADS][2], odd[QUADS][2]; /* of each four dimensions: first and third, second and fourth */
    int16_t last[2];
} kernel_row;

INLINE void prepare(kernel_row *kr, const row *r, shape s)
{
    plain_prepare(&kr->plain, r, s);
    if (s.recipe == RP_FP32) return;
    for (uint32_t quad = 0; quad <= s.dim / 4u; quad++) {
        for (uint32_t i = 0; i < 2u; i++) {
            kr->even[quad][i] = r->q[4u * quad + 2u * i];
            kr->odd[quad][i] = r->q[4u * quad + 2u * i + 1u];
        }
    }
    for (uint32_t i = 0; i < 2u; i++) kr->last[i] = r->q[((s.dim + 1u) & ~1u) - 2u + i];
}

/* The same shape: its constants, which a function that is not inlined would have to be told. */
INLINE shape fixed(shape s)
{
#ifdef RP_RECIPE
    s.recipe = RP_RECIPE;
#endif
#ifdef RP_LAYOUT
    s.layout = RP_LAYOUT;
#endif
#if defined(RP_DIM) && defined(RP_ORDER) && RP_ORDER != 2 /* RP_NEIGHBOURS: boxes have twice the dimensions */
    s.dim = RP_DIM;
#endif
    return s;
}

/* Sums of four items while their quads are added. */
typedef struct {
    v128_t even, odd;
} halves;

INLINE halves no_sum(void)
{
    halves h = {wasm_i32x4_const_splat(0), wasm_i32x4_const_splat(0)};
    return h;
}

INLINE void add_products(halves *sum, v128_t even, v128_t odd, const kernel_row *kr, uint32_t quad)
{
    sum->even = wasm_i32x4_add(sum->even, wasm_i32x4_dot_i16x8(even, wasm_v128_load32_splat(kr->even[quad])));
    sum->odd = wasm_i32x4_add(sum->odd, wasm_i32x4_dot_i16x8(odd, wasm_v128_load32_splat(kr->odd[quad])));
}

/* The last two dimensions of eight items, which lie as 0 4 1 5 2 6 3 7. */
INLINE void add_last(v128_t *sums, v128_t items, const kernel_row *kr)
{
    const v128_t row = wasm_v128_load32_splat(kr->last);
    const v128_t low = wasm_i32x4_dot_i16x8(wasm_i16x8_extend_low_i8x16(items), row);
    const v128_t high = wasm_i32x4_dot_i16x8(wasm_i16x8_extend_high_i8x16(items), row);
    sums[0] = wasm_i32x4_add(sums[0], wasm_i32x4_shuffle(low, high, 0, 2, 4, 6));
    sums[1] = wasm_i32x4_add(sums[1], wasm_i32x4_shuffle(low, high, 1, 3, 5, 7));
}

/* Of n vectors of items from vector `first` on. A byte of an even place is moved to the upper half of 16 bits
 * and left there, so those sums are 256 times too large: they are put right every 512 dimensions. */
INLINE void sums_int8(const uint8_t *block, const kernel_row *kr, uint32_t even, uint32_t first, uint32_t n,
                      v128_t *sums)
{
    for (uint32_t v = 0; v < n; v += 4u) {
        v128_t total[4];
        const uint8_t *at = block + 16u * (first + v);
        IN_REGISTERS for (uint32_t i = 0; i < 4u; i++) total[i] = wasm_i32x4_const_splat(0);
        for (uint32_t from = 0, quad = 0; from < even / 4u; from += 128u) {
            halves sum[4];
            IN_REGISTERS for (uint32_t i = 0; i < 4u; i++) sum[i] = no_sum();
            for (; quad < even / 4u && quad < from + 128u; quad++, at += 4u * RP_BLOCK) {
                IN_REGISTERS for (uint32_t i = 0; i < 4u; i++) {
                    const v128_t items = wasm_v128_load(at + 16u * i);
                    add_products(sum + i, wasm_i16x8_shl(items, 8), wasm_i16x8_shr(items, 8), kr, quad);
                }
            }
            IN_REGISTERS for (uint32_t i = 0; i < 4u; i++) {
                const v128_t both = wasm_i32x4_add(wasm_i32x4_shr(sum[i].even, 8), sum[i].odd);
                total[i] = wasm_i32x4_add(total[i], both);
            }
        }
        IN_REGISTERS for (uint32_t i = 0; i < 4u; i++) sums[v + i] = total[i];
    }
    if (even % 4u == 0) return;
    const uint8_t *last = block + RP_BLOCK * (even - 2u) + 8u * first;
    for (uint32_t v = 0; v < n; v += 2u) add_last(sums + v, wasm_v128_load(last + 8u * v), kr);
}

INLINE void sums_int4(const uint8_t *block, const kernel_row *kr, uint32_t even, v128_t *sums)
{
    const v128_t bias = wasm_i32x4_splat(kr->plain.r->bias), level = wasm_i16x8_const_splat(15);
    for (uint32_t v = 0; v < VECTORS; v += 2u) {
        halves low = no_sum(), high = no_sum();
        const uint8_t *at = block + 8u * v;
        for (uint32_t quad = 0; quad < even / 4u; quad++, at += 2u * RP_BLOCK) {
            const v128_t packed = wasm_v128_load(at);
            const v128_t second = wasm_v128_and(wasm_u16x8_shr(packed, 8), level);
            const v128_t third = wasm_v128_and(wasm_u16x8_shr(packed, 4), level);
            add_products(&low, wasm_v128_and(packed, level), second, kr, quad);
            add_products(&high, third, wasm_u16x8_shr(packed, 12), kr, quad);
        }
        sums[v] = wasm_i32x4_add(wasm_i32x4_add(low.even, low.odd), bias);
        sums[v + 1u] = wasm_i32x4_add(wasm_i32x4_add(high.even, high.odd), bias);
    }
    if (even % 4u == 0) return;
    for (uint32_t v = 0; v < VECTORS; v += 4u) {
        const v128_t packed = wasm_v128_load(block + RP_BLOCK / 2u * (even - 2u) + 4u * v);
        add_last(sums + v, wasm_v128_and(packed, wasm_i8x16_const_splat(15)), kr);
        add_last(sums + v + 2u, wasm_u8x16_shr(packed, 4), kr);
    }
}

/* Float32 as int32 of the same order, see ordered(). */
INLINE v128_t ordered_vector(v128_t f)
{
    const v128_t bits = wasm_f32x4_add(f, wasm_f32x4_const_splat(0.0f));
    return wasm_v128_xor(bits, wasm_u32x4_shr(wasm_i32x4_shr(bits, 31), 1));
}

/* Four float16 above zero: their bits in a float32's place are 2^112 too small, subnormal ones too. */
INLINE v128_t wide_vector(const uint8_t *scales)
{
    const v128_t bits = wasm_u32x4_extend_low_u16x8(wasm_v128_load64_zero(scales));
    return wasm_f32x4_mul(wasm_i32x4_shl(bits, 13), wasm_f32x4_const_splat(0x1p112f));
}

INLINE void scale_vectors(v128_t *sums, const uint8_t *scales)
{
    for (uint32_t v = 0; v < VECTORS; v++) {
        const v128_t scale = wide_vector(scales + 8u * v);
        sums[v] = ordered_vector(wasm_f32x4_mul(wasm_f32x4_convert_i32x4(sums[v]), scale));
    }
}

INLINE void sums_fp32(const uint8_t *block, const kernel_row *kr, uint32_t dim, v128_t *sums)
{
    v128_t sum[VECTORS];
    IN_REGISTERS for (uint32_t v = 0; v < VECTORS; v++) sum[v] = wasm_f32x4_const_splat(0.0f);
    for (uint32_t d = 0; d < dim; d++, block += 4u * RP_BLOCK) {
        const v128_t value = wasm_f32x4_splat(kr->plain.r->f[d]);
        IN_REGISTERS for (uint32_t v = 0; v < VECTORS; v++)
            sum[v] = wasm_f32x4_add(sum[v], wasm_f32x4_mul(wasm_v128_load(block + 16u * v), value));
    }
    IN_REGISTERS for (uint32_t v = 0; v < VECTORS; v++) sums[v] = ordered_vector(sum[v]);
}

/* The 32 scores of a block. */
INLINE void score_vectors(const uint8_t *block, const kernel_row *kr, shape s, v128_t *sums)
{
    const uint32_t even = (s.dim + 1u) & ~1u;
    if (s.recipe == RP_FP32) {
        sums_fp32(block, kr, s.dim, sums);
    } else if (s.recipe == RP_INT4_ITEM) {
        sums_int4(block, kr, even, sums);
        scale_vectors(sums, block + RP_BLOCK / 2u * even);
    } else if (s.layout == RP_DIMS) {
        int32_t scores[RP_BLOCK];
        plain_scores(block, &kr->plain, s, scores);
        for (uint32_t v = 0; v < VECTORS; v++) sums[v] = wasm_v128_load(scores + 4u * v);
    } else {
        sums_int8(block, kr, even, 0, VECTORS, sums);
        if (s.recipe == RP_INT8_ITEM) scale_vectors(sums, block + RP_BLOCK * even);
    }
}

INLINE int32_t largest_lane(v128_t scores)
{
    const v128_t two = wasm_i32x4_max(scores, wasm_i32x4_shuffle(scores, scores, 2, 3, 2, 3));
    return wasm_i32x4_extract_lane(wasm_i32x4_max(two, wasm_i32x4_shuffle(two, two, 1, 1, 1, 1)), 0);
}

INLINE int32_t block_max(const uint8_t *block, const kernel_row *kr, shape s)
{
    v128_t sums[VECTORS];
    score_vectors(block, kr, fixed(s), sums);
    for (uint32_t v = 1; v < VECTORS; v++) sums[0] = wasm_i32x4_max(sums[0], sums[v]);
    return largest_lane(sums[0]);
}

ONE_COPY int32_t block_scores(const uint8_t *block, const kernel_row *kr, shape s, int32_t *scores)
{
    v128_t sums[VECTORS], best = wasm_i32x4_const_splat(LOWEST);
    score_vectors(block, kr, fixed(s), sums);
    for (uint32_t v = 0; v < VECTORS; v++) {
        wasm_v128_store(scores + 4u * v, sums[v]);
        best = wasm_i32x4_max(best, sums[v]);
    }
    return largest_lane(best);
}

INLINE void block_maxima(const uint8_t *block, const kernel_row *kr, shape s, int32_t *maxima)
{
    int32_t scores[RP_BLOCK];
    block_scores(block, kr, s, scores);
    for (uint32_t i = 0; i < RP_BLOCK; i += 8u, maxima++)
        *maxima = largest_lane(wasm_i32x4_max(wasm_v128_load(scores + i), wasm_v128_load(scores + i + 4u)));
}

ONE_COPY int32_t half_max(const uint8_t *block, const kernel_row *kr, uint32_t dim, uint32_t half,
                          int32_t *scores)
{
    v128_t sums[VECTORS / 2u], best = wasm_i32x4_const_splat(LOWEST);
    sums_int8(block, kr, (dim + 1u) & ~1u, VECTORS / 2u * half, VECTORS / 2u, sums);
    for (uint32_t v = 0; v < VECTORS / 2u; v++) {
        wasm_v128_store(scores + 4u * v, sums[v]);
        best = wasm_i32x4_max(best, sums[v]);
    }
    return largest_lane(best);
}

/* n is a multiple of 8. */
ONE_COPY uint32_t count_reaching(const int32_t *v, uint32_t n, int32_t threshold)
{
    const v128_t least = wasm_i32x4_splat(threshold);
    v128_t count = wasm_i32x4_const_splat(0);
    for (uint32_t i = 0; i < n; i += 8u) {
        count = wasm_i32x4_sub(count, wasm_i32x4_ge(wasm_v128_load(v + i), least));
        count = wasm_i32x4_sub(count, wasm_i32x4_ge(wasm_v128_load(v + i + 4u), least));
    }
    return (uint32_t)(wasm_i32x4_extract_lane(count, 0) + wasm_i32x4_extract_lane(count, 1) +
                      wasm_i32x4_extract_lane(count, 2) + wasm_i32x4_extract_lane(count, 3));
}

ONE_COPY uint32_t mask8(const int32_t *v, int32_t threshold)
{
    const v128_t least = wasm_i32x4_splat(threshold), none = wasm_i16x8_const_splat(0);
    const v128_t left = wasm_i32x4_ge(wasm_v128_load(v), least);
    const v128_t right = wasm_i32x4_ge(wasm_v128_load(v + 4), least);
    return wasm_i8x16_bitmask(wasm_i8x16_narrow_i16x8(wasm_i16x8_narrow_i32x4(left, right), none));
}

ONE_COPY uint32_t mask32(const int32_t *v, int32_t threshold)
{
    uint32_t mask = 0;
    for (uint32_t i = 0; i < RP_BLOCK; i += 8u) mask |= mask8(v + i, threshold) << i;
    return mask;
}
