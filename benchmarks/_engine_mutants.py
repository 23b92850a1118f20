"""Wrong engines: a text of the C sources and what a mutant has in its place."""

from dataclasses import dataclass
from typing import Final

ENGINE, PLAIN, NEON, X86 = "recpress.c", "kernel_plain.h", "kernel_neon.h", "kernel_x86.h"


@dataclass(frozen=True, slots=True)
class Mutant:
    """``new`` takes the place of ``old`` in the file."""

    file: str
    what: str
    old: str
    new: str
    equivalent: str = ""
    """Why no answer can differ; empty: the tests must notice."""


_OPENING: Final = (
    ("alignment of the data is not asked", "if ((uintptr_t)data % 16u) return RP_UNALIGNED;", ""),
    ("the header may be cut", "if (size < RP_HEADER_BYTES) return RP_NOT_A_MODEL;", ""),
    (
        "the last byte of the magic is not read",
        "i < 8; i++)\n        if (bytes[i]",
        "i < 7; i++)\n        if (bytes[i]",
    ),
    ("any version", "if (h->version != RP_VERSION) return RP_OTHER_VERSION;", ""),
    ("a file may be cut", "if (h->file_bytes > size || ", "if ("),
    ("codes are not checked", "!codes_fit(h) || ", ""),
    ("sections are not checked", " || !sections_fit(h)) return", ") return"),
    ("a section may start anywhere", "return at % 64u == 0 && at", "return at"),
    ("a section may lie in the header", "at >= RP_HEADER_BYTES && bytes", "bytes"),
    ("a section may end a byte late", "at <= h->file_bytes - bytes", "at <= h->file_bytes - bytes + 1u"),
    ("a section larger than the file", "bytes <= h->file_bytes && ", ""),
    ("a section that is not needed may be there", "if (!bytes) return at == 0;", "if (!bytes) return 1;"),
    ("reserved fields are not read", "if (h->reserved[i]) return 0;", ""),
    (
        "the last reserved field is not read",
        "i < 10; i++)\n        if (h->res",
        "i < 9; i++)\n        if (h->res",
    ),
    ("one recipe too many", "h->recipe > RP_INT4_ITEM", "h->recipe > RP_INT4_ITEM + 1"),
    ("one profile too many", "h->profile > RP_HISTORY ", "h->profile > RP_HISTORY + 1 "),
    ("one order too many", "h->order > RP_NEIGHBOURS)", "h->order > RP_NEIGHBOURS + 1)"),
    ("one layout too many", "h->layout > RP_DIMS ", "h->layout > RP_DIMS + 1 "),
    ("unknown flags", "h->flags > RP_FITS_16)", "h->flags > RP_FITS_16 + 1)"),
    ("orders for every recipe", "if ((fits16 || h->order != RP_CATALOGUE) && !plain", "if (fits16 && !plain"),
    ("histories of 16 bits", "if (fits16 && h->profile == RP_HISTORY) return 0;", ""),
    ("dims without 16 bits", "!(fits16 && h->order == RP_CATALOGUE)", "!(h->order == RP_CATALOGUE)"),
    ("dims in another order", "!(fits16 && h->order == RP_CATALOGUE)", "!fits16"),
    ("no users", "h->n_users != 0 : h->n_users == 0)", "h->n_users != 0 : 0)"),
    ("histories with users", "h->n_users != 0 : h->n_users == 0)", "0 : h->n_users == 0)"),
    ("several single users", "h->n_users != 1) return 0;", "0) return 0;"),
    (
        "no items",
        "return h->n_items && h->n_items <=",
        "return h->n_items <=",
        "Fewer items retired than there are is asked as well.",
    ),
    ("too many items", "h->n_items <= RP_MAX_ITEMS && ", ""),
    ("no dimension", "h->dim && h->dim <=", "h->dim <="),
    ("too many dimensions", "h->dim <= RP_MAX_DIM &&", "1 &&"),
    ("all items retired", "h->n_retired < h->n_items;", "h->n_retired <= h->n_items;"),
)
_ASKING: Final = (
    ("alignment of the scratch is not asked", "if ((uintptr_t)scratch % 16u) return RP_UNALIGNED;", ""),
    ("k of 0", "if (!query->k || query->k", "if (query->k"),
    ("k above the catalogue", "query->k > model->header->n_items) return RP_BAD_K;", "0) return RP_BAD_K;"),
    (
        "scratch of any size",
        "if (size < lay_out(model, query->k, scratch, &w)) ",
        "lay_out(model, query->k, scratch, &w); if (0) ",
    ),
    ("any user", "if (user >= model->header->n_users) return", "if (user > model->header->n_users) return"),
    ("a history's user", "user ? RP_BAD_USER : add_history", "add_history"),
    ("a seen item outside", "if (query->seen[i] >= n_items) return", "if (query->seen[i] > n_items) return"),
    (
        "a history's item outside",
        "if (item >= n_items) return RP_BAD_ITEM;",
        "if (item > n_items) return RP_BAD_ITEM;",
    ),
    (
        "a retired item outside",
        "if (model->retired[i] >= n_items) return",
        "if (model->retired[i] > n_items) return",
    ),
    ("a place's item outside", "if (item >= model->header->n_items) return RP_DAMAGED;", ""),
    ("a seed's item outside", "if (model->item_of[place] >= n_items) return RP_DAMAGED;", ""),
    ("seen items are recommended", "put(excluded, query->seen[i]);", ""),
    ("retired items are recommended", "put(excluded, model->retired[i]);", ""),
    (
        "exclusion starts from what the scratch held",
        "for (uint32_t i = 0; i < words; i++) excluded[i] = 0;",
        "",
    ),
    (
        "a history starts from what the scratch held",
        "for (uint32_t i = 0; i < words; i++) w->excluded[i] = 0;",
        "",
    ),
    ("a repeated item counts twice", "if (has(w->excluded, item)) continue;", ""),
    ("no prior of integers", "else q[d] = ((const int8_t *)model->prior)[d];", "else q[d] = 0;"),
    ("no prior of floats", "f[d] = ((const float *)model->prior)[d];", "f[d] = 0;"),
    ("history is rounded down", "(254u * (uint64_t)size + peak)", "(254u * (uint64_t)size)"),
    ("history rounds halves towards zero", "(uint64_t)size + peak) /", "(uint64_t)size + peak - 1u) /"),
    (
        "history in 32 bits",
        "254u * (uint64_t)size",
        "254u * size",
    ),
    (
        "history forgets signs",
        "levels[d] = (int8_t)(sums[d] < 0 ? -level : level);",
        "levels[d] = (int8_t)level;",
    ),
    ("the peak of a history is not in its scale", "r->scale = (float)peak * model", "r->scale = model"),
    ("the step of a history is not in its scale", "(float)peak * model->header->step", "(float)peak"),
    ("no user's scale", "r->scale = model->user_scale[user];", ""),
    (
        "the row's tail is not cleared",
        "d < up_to(dim + 1u, 16u); d++) r->q[d] = 0;",
        "d < dim; d++) r->q[d] = 0;",
    ),
    ("no bias", "r->bias = -8 * sum;", "r->bias = 0;"),
    ("a bias of 7", "r->bias = -8 * sum;", "r->bias = -7 * sum;"),
)
_CHOOSING: Final = (
    ("ties go to the higher item", "(uint32_t)~item;", "item;"),
    ("scores sort as unsigned", "((uint32_t)score ^ 0x80000000u) << 32", "((uint32_t)score) << 32"),
    (
        "-0 is below 0",
        "    f += 0.0f;\n",
        "",
        "The plain kernel adds rounded products to +0: no sum is -0. The others do it themselves.",
    ),
    ("negative floats sort backwards", "return i ^ (int32_t)((uint32_t)(i >> 31) >> 1);", "return i;"),
    ("negative scores come back wrong", "i ^= (int32_t)((uint32_t)(i >> 31) >> 1);\n", ""),
    (
        "insertion sort stops early",
        "for (; at && v[at - 1] < x; at--)",
        "for (; at > 1 && v[at - 1] < x; at--)",
    ),
    (
        "the sort ends before its last key",
        "for (uint32_t i = 1; i < n; i++) {\n        const uint64_t x",
        "for (uint32_t i = 1; i + 1 < n; i++) {\n        const uint64_t x",
    ),
    ("merge sort prefers the smaller", "v[left] > v[right]) ?", "v[left] < v[right]) ?"),
    (
        "merge sort leaves the right part",
        "right == end || (left < middle && v[left]",
        "(left < middle && v[left]",
    ),
    (
        "ranges are the wrong way round",
        "other[start[RANGES - 1u - range]++]",
        "other[start[RANGES - 2u - range]++]",
    ),
    ("64 ranges and one more", "HIGHEST_BIT(high - low) - 5u;", "HIGHEST_BIT(high - low) - 6u;"),
    (
        "a shortlist is cut one too early",
        "list->n = sort_keys(list->keys, list->other, s.n, list->k);",
        "list->n = sort_keys(list->keys, list->other, s.n, list->k - 1u);",
    ),
    (
        "a shortlist is never sorted where ranges keep too much",
        "if (s.n <= list->k + list->k / 2u) return;",
        "return;",
    ),
    (
        "a shortlist drops the range of the last",
        "s->lowest = low + (least << shift);",
        "s->lowest = low + ((least + 1u) << shift);",
    ),
    (
        "a shortlist's threshold is the best key",
        "score_of(list->keys[list->k - 1]);",
        "score_of(list->keys[0]);",
    ),
    (
        "a shortlist that is cut keeps its threshold",
        "list->threshold = score_of(list->keys[list->k - 1]);",
        "",
        "A lower threshold keeps more candidates: slower, and the same k best.",
    ),
    ("no room for a block", "capacity_for(list->k) - RP_BLOCK)) shorten", "capacity_for(list->k))) shorten"),
    (
        "less scratch than keys",
        "return 2u * k + SPARE_KEYS;",
        "return k + 40u;",
        "Room for k and one block remains, and both the size and the cutting use this function.",
    ),
    (
        "the last range's count",
        "for (; last < RANGES && start[last] < k; last++)",
        "for (; last < RANGES - 1u && start[last] < k; last++)",
    ),
    (
        "half of the threshold's k",
        "if (below < k) {\n        low = LOWEST + 1;",
        "if (below < k / 2) {\n        low = LOWEST + 1;",
    ),
    ("the threshold may lack one", "if (count < k) {", "if (count + 1u < k) {"),
    ("the threshold's end is one high", "high = middle - 1;", "high = middle;"),
    (
        "too few above the lowest",
        "if (below < k) return LOWEST;",
        "",
        "The lowest score but one comes back, which everything that can be recommended reaches.",
    ),
    (
        "no guess for the threshold",
        "v[i] < low ? v[i] : low; /* mostly low enough */",
        "low;",
        "Any start is right: it is counted, and the search falls back to the lowest.",
    ),
    (
        "the threshold is not searched to its end",
        "low < high && below > enough",
        "low < high && below > 2u * enough",
        "A lower threshold keeps more candidates: slower, and the same k best.",
    ),
    (
        "the threshold is of the best eight only",
        "for (; block < end; block += size",
        "for (; block < end - size; block += size",
    ),
    (
        "maxima beyond the last are not cleared",
        "for (uint32_t i = n; i < up_to(n, 8u); i++) w->maxima[i] = LOWEST;",
        "",
    ),
)
_CATALOGUE: Final = (
    (
        "blocks with seen items are not scored again",
        "bits; bits &= bits - 1u) scores[LOWEST_BIT(bits)] = LOWEST;",
        "0;) ;",
    ),
    (
        "what fills up the last block counts",
        "w->excluded[model->n_blocks - 1] |= ~0u << n_items % RP_BLOCK;",
        "",
    ),
    (
        "one more item of the last block is masked",
        "|= ~0u << n_items % RP_BLOCK;",
        "|= ~0u << (n_items % RP_BLOCK - 1u);",
    ),
    (
        "the last block keeps its filled maximum",
        "        look_again(model, r, w, model->n_blocks - 1, eights);\n",
        "",
    ),
    (
        "the last seen item's block is not scored again",
        "i < query->n_seen + n_retired; i++",
        "i + 1u < query->n_seen + n_retired; i++",
    ),
    (
        "retired items' blocks are not scored again",
        "i < query->n_seen + n_retired; i++",
        "i < query->n_seen; i++",
    ),
    ("a block with two seen items is not scored again", "== 1u << item % RP_BLOCK) /*", "== bits) /*"),
    ("excluded items pass the second pass", "& ~w->excluded[block]; hit", "; hit"),
    (
        "one item of the second pass is lost",
        "hit; hit &= hit - 1u) {\n        const uint32_t i = LOWEST_BIT(hit);\n        list",
        "hit & (hit - 1u); hit &= hit - 1u) {\n        const uint32_t i = LOWEST_BIT(hit);\n        list",
    ),
    (
        "a block is collected once for each eight",
        "if (b < next || w->maxima[i] == LOWEST) continue;",
        "if (w->maxima[i] == LOWEST) continue;",
    ),
    (
        "blocks without an item left are looked at",
        "if (b < next || w->maxima[i] == LOWEST) continue;",
        "if (b < next) continue;",
        "All items of such a block are excluded, and the second pass masks them.",
    ),
    ("the second pass skips the next block", "next = b + 1u;", "next = b + 2u;"),
    (
        "the maxima of eights are those of the first",
        "largest_of(scores + 8u * eight, 8u);",
        "largest_of(scores, 8u);",
    ),
)
_BY_LENGTH: Final = (
    ("length is not rounded up", "return root * root < x ? root + 1u : root;", "return root;"),
    (
        "a bound of what follows is one short",
        "own * (int32_t)length[done] + 1)",
        "own * (int32_t)length[done])",
    ),
    ("too few blocks beat the rest", "+ 1) >= wanted) return done;", "+ 1) + 1u >= wanted) return done;"),
    ("the threshold may lie below the rest", "list->threshold < above_rest) list", "0) list"),
    ("excluded items are not made up for", "wanted > list->k || !out) return wrong;", "1) return wrong;"),
    (
        "seen items are not made up for",
        "query->n_seen + model->header->n_retired : n;",
        "model->header->n_retired : n;",
    ),
    (
        "retired items are not made up for",
        "query->n_seen + model->header->n_retired : n;",
        "query->n_seen : n;",
    ),
    (
        "a threshold of too few blocks",
        "list->threshold = wanted <= done ? ",
        "list->threshold = done ? ",
        "Of too few blocks the search returns the lowest itself.",
    ),
    ("what fills up the last block counts in other orders", "    if (!filled) return;", "    return;"),
    (
        "a long list in another order asks for none that are excluded",
        "reached_by(w->maxima, up_to(n, 8u), list->k + out);",
        "reached_by(w->maxima, up_to(n, 8u), list->k);",
    ),
    (
        "a long list in another order leaves out the last eight",
        "if (largest_of(w->maxima + 4u * b, 4u) < list->threshold) continue;",
        "if (largest_of(w->maxima + 4u * b, 3u) < list->threshold) continue;",
    ),
    (
        "filled places are recommended",
        "if (place + i >= model->header->n_items) break;",
        "if (place + i > model->header->n_items) break;",
    ),
    (
        "places are items",
        "const uint32_t item = model->item_of[place + i];",
        "const uint32_t item = place + i;",
    ),
    ("excluded items pass, in orders", "if (!has(w->excluded, item)) list->keys", "list->keys"),
    ("a list is added to, when it is made again", "    list->n = 0;\n", ""),
    (
        "no stop by length",
        "own * (int32_t)length[done] + 1) >= wanted) return done;",
        "own * (int32_t)length[done] + 1) >= wanted && 0) return done;",
        "Every block is scored: slower, and the same answer.",
    ),
)
_NEIGHBOURS: Final = (
    (
        "positive values meet the smallest",
        "box->q[d] = r->q[d] > 0 ? r->q[d] : 0;",
        "box->q[d] = r->q[d] < 0 ? r->q[d] : 0;",
    ),
    (
        "negative values are not bounded",
        "box->q[dim + d] = r->q[d] < 0 ? r->q[d] : 0;",
        "box->q[dim + d] = 0;",
    ),
    (
        "the box row's tail is not cleared",
        "d < up_to(2u * dim + 1u, 16u); d++) box->q[d] = 0;",
        "d < 2u * dim; d++) box->q[d] = 0;",
        "No kernel multiplies what lies behind the last pair: the loop only makes it defined.",
    ),
    (
        "boxes that are not there",
        "h < RP_BLOCK; h++) of_group[h] = LOWEST;",
        "h < RP_BLOCK; h++) of_group[h] = 0;",
        "Such a half holds no item: as a seed it lowers the threshold, and later it is passed over.",
    ),
    ("excluded items are seeds", "if (has(w->excluded, model->item_of[place])) scores[i] = LOWEST;", ""),
    ("filled places are seeds", "if (place >= n_items) {", "if (0) {"),
    (
        "a group is left out where it ties",
        "best[group] >= list->threshold) wrong",
        "best[group] > list->threshold) wrong",
    ),
    (
        "a box is left out where it ties",
        "bounds[LOWEST_BIT(hit)] < list->threshold) continue;",
        "bounds[LOWEST_BIT(hit)] <= list->threshold) continue;",
    ),
    (
        "a half is left out where it ties",
        "scores) < list->threshold) continue;",
        "scores) <= list->threshold) continue;",
    ),
    (
        "the second half of a block is the first",
        "return half_max(block, kr, s.dim, half % 2u, scores);",
        "return half_max(block, kr, s.dim, 0, scores);",
    ),
    ("halves beyond the last", "if (half >= 2u * model->n_blocks || bounds", "if (bounds"),
    (
        "groups beyond the last",
        "if (group < groups && best",
        "if (best",
        "Its halves lie beyond the last one, and are passed over.",
    ),
    ("more seeds than there is room for", "hit && n < BOX_SEEDS; hit", "hit; hit"),
    (
        "what the scratch held is a half's score",
        "for (uint32_t i = HALF; i < RP_BLOCK; i++) scores[i] = LOWEST;",
        "",
        "The mask keeps sixteen bits: the loop only makes the values defined.",
    ),
)
_PLAIN: Final = (
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
_NEON: Final = (
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
_X86: Final = (
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
_GROUPS: Final = (
    (ENGINE, (_OPENING, _ASKING, _CHOOSING, _CATALOGUE, _BY_LENGTH, _NEIGHBOURS)),
    (PLAIN, (_PLAIN,)),
    (NEON, (_NEON,)),
    (X86, (_X86,)),
)
MUTANTS: Final = tuple(Mutant(file, *row) for file, groups in _GROUPS for group in groups for row in group)
