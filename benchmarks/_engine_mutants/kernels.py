"""Wrong texts of the kernels."""

from typing import Final

PLAIN: Final = (
    (
        "a tail takes the other item",
        "+ 4u * (i % 4u) + 2u * (i / 4u % 2u);\n        sum += pair[0] * q[0]",
        "+ 4u * (i % 4u) + 2u * (i % 2u);\n        sum += pair[0] * q[0]",
    ),
    ("a tail of one value", "sum += pair[0] * q[0] + pair[1] * q[1];", "sum += pair[0] * q[0];"),
    (
        "no tail",
        "    if (even % 4u) {\n        const int8_t *pair",
        "    if (0) {\n        const int8_t *pair",
    ),
    (
        "one quad is left out",
        "quad < even / 4u; quad++) sum = add_quad",
        "quad + 1u < even / 4u; quad++) sum = add_quad",
    ),
    (
        "halves of a byte change places",
        "const uint32_t shift = i & 4u;",
        "const uint32_t shift = 4u - (i & 4u);",
    ),
    ("halves of a tail change places", "const uint32_t half = i / 2u & 4u;", "const uint32_t half = i & 4u;"),
    ("int4 without its bias", "int32_t sum = r->r->bias;", "int32_t sum = 0;"),
    ("subnormal scales are zero", "return (float)fraction * 0x1p-24f;", "return 0.0f;"),
    ("a float16's exponent is one off", "(exponent + 112u) << 23", "(exponent + 111u) << 23"),
    (
        "scales of the next item",
        "wide(block + RP_BLOCK * even + 2u * i)",
        "wide(block + RP_BLOCK * even + 2u * (i ^ 1u))",
    ),
    (
        "eights of dimensions are fours",
        "+ 16u * (i / 8u) + i % 8u, *q",
        "+ 16u * (i / 8u) + i % 4u, *q",
    ),
    (
        "the last item of a block is no maximum",
        "for (uint32_t i = 0; i < RP_BLOCK; i++) {\n        const int32_t score",
        "for (uint32_t i = 0; i < RP_BLOCK - 1u; i++) {\n        const int32_t score",
    ),
    (
        "a mask without what ties",
        "mask |= (uint32_t)(v[i] >= threshold) << i;",
        "mask |= (uint32_t)(v[i] > threshold) << i;",
    ),
    (
        "a count without what ties",
        "count += v[i] >= threshold;",
        "count += v[i] > threshold;",
        "Too low a count gives a lower threshold: more candidates, the same k best. "
        "Where too few are counted, it is the lowest.",
    ),
    ("eights of seven", "largest_of(scores + 8u * eight, 8u);", "largest_of(scores + 8u * eight, 7u);"),
)
NEON: Final = (
    ("the fourth quad is the third", "ADD_QUAD(3);", "ADD_QUAD(2);"),
    ("three quads left are two", "if (quads % 4u > 2u) ADD_QUAD(2);", ""),
    (
        "a tail takes the other item",
        "p->pairs[1] = vreinterpretq_s8_u32(vdupq_n_u32((uint32_t)pair << 16));",
        "p->pairs[1] = p->pairs[0];",
    ),
    ("the second half's tail is the first's", "128u * quads + 32u * half + 16 * j", "128u * quads + 16 * j"),
    (
        "sums of 16 bits for every model",
        "return s.recipe == RP_INT8_DIM && s.fits16;",
        "return s.recipe == RP_INT8_DIM;",
    ),
    (
        "four products of 8 bits in 16",
        "low[j] = quad ? vpadalq_s16(low[j], l) : vpaddlq_s16(l);",
        "low[j] = quad ? vpadalq_s16(low[j], vshrq_n_s16(vshlq_n_s16(l, 1), 1)) : vpaddlq_s16(l);",
    ),
    (
        "high halves are low",
        "#define HIGH_HALVES(v) vreinterpretq_s8_u8(vshrq_n_u8(v, 4))",
        "#define HIGH_HALVES(v) LOW_HALVES(v)",
    ),
    ("int4 runs are too long", "#define INT4_RUN 16u", "#define INT4_RUN 64u"),
    ("eights of 16 bits stay mixed", "(s.dim + 1u) / 2u % 2u) {", "0) {"),
    (
        "a mask without what ties",
        "vandq_u32(vcgeq_s32(vld1q_s32(v + 4 * j), t), bits), mask, 4)",
        "vandq_u32(vcgtq_s32(vld1q_s32(v + 4 * j), t), bits), mask, 4)",
    ),
    (
        "a mask of eight without what ties",
        "vandq_u32(vcgeq_s32(high, t), bits), 4)",
        "vandq_u32(vcgtq_s32(high, t), bits), 4)",
    ),
    (
        "a block of the maxima is not counted",
        "if (n % 16u) {",
        "if (0) {",
        "Too low a count gives a lower threshold: more candidates, the same k best.",
    ),
    ("-0 is below 0", "vreinterpretq_s32_f32(vaddq_f32(f, vdupq_n_f32(0.0f)));", "vreinterpretq_s32_f32(f);"),
    ("the last dimensions of floats are left out", "for (; dim; dim--, q++) {", "for (; 0; dim--, q++) {"),
    (
        "the maximum of 16 bits lacks a vector",
        "vmaxq_s16(vmaxq_s16(v[0], v[1]), vmaxq_s16(v[2], v[3]))",
        "vmaxq_s16(vmaxq_s16(v[0], v[1]), v[2])",
    ),
    (
        "the maximum lacks a vector",
        "for (int j = 1; j < 8; j++) v[0] = vmaxq_s32(v[0], v[j]);",
        "for (int j = 1; j < 7; j++) v[0] = vmaxq_s32(v[0], v[j]);",
    ),
)
X86: Final = (
    ("items are not shifted", "p->shifted = -128 * sum;", "p->shifted = 0;"),
    (
        "a tail takes the other item",
        "_mm_set1_epi32((int32_t)((uint32_t)pair << 16)), _mm_set1_epi32(pair)",
        "_mm_set1_epi32(pair), _mm_set1_epi32((int32_t)((uint32_t)pair << 16))",
    ),
    (
        "sums stay mixed",
        "_mm256_hadd_epi32(low[j], high[j]), 0xd8)",
        "_mm256_hadd_epi32(low[j], high[j]), 0xe4)",
    ),
    (
        "a tail stays mixed",
        "_mm256_setr_epi32(0, 2, 4, 6, 1, 3, 5, 7)",
        "_mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7)",
    ),
    ("high halves are low", "_mm256_set_m128i(_mm_srli_epi16(v, 4), v)", "_mm256_set_m128i(v, v)"),
    ("the tail's high halves are low", "low_halves(_mm256_srli_epi16(v, 4)), u)", "low_halves(v), u)"),
    (
        "int4 without its bias",
        "sums[j] = _mm256_set1_epi32(p->r->bias);",
        "sums[j] = _mm256_setzero_si256();",
    ),
    (
        "-0 is below 0",
        "_mm256_castps_si256(_mm256_add_ps(f, _mm256_setzero_ps()));",
        "_mm256_castps_si256(f);",
    ),
    (
        "a mask without what ties",
        "_mm256_cmpgt_epi32(threshold, load(v)))",
        "_mm256_cmpgt_epi32(threshold, _mm256_sub_epi32(load(v), _mm256_set1_epi32(1))))",
    ),
    (
        "the maximum lacks a vector",
        "_mm256_max_epi32(_mm256_max_epi32(v[0], v[1]), _mm256_max_epi32(v[2], v[3]))",
        "_mm256_max_epi32(_mm256_max_epi32(v[0], v[1]), v[2])",
    ),
    ("the maximum of floats lacks a vector", "_mm256_max_ps(f[2], f[3])", "f[2]"),
    ("the second half is the first", "2 * (int)half, 2);", "0, 2);"),
    (
        "the second sixteen of dims is the first",
        "load_16(block + RP_BLOCK * d + 16 * j)",
        "load_16(block + RP_BLOCK * d)",
    ),
    ("scales of the first eight", "eight_scales(scales + 16 * j)", "eight_scales(scales)"),
    (
        "a count of all but the last eight",
        "for (uint32_t i = 0; i < n; i += 8u) below",
        "for (uint32_t i = 8u; i < n; i += 8u) below",
    ),
)
