"""Wrong texts of recpress.c: a scan of each order of the items."""

from typing import Final

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
    ("excluded items are seeds", "if (place >= n_items || has(w->", "if (place >= n_items || 0 && has(w->"),
    ("filled places are seeds", "if (place >= n_items || has(w->", "if (place < n_items && has(w->"),
    ("excluded seeds count", "else (*left)++;", "(*left)++;"),
    ("seeds are looked at once", "} while (left < k);", "} while (0);"),
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
    ("more seeds than there is room for", "hit && first->n < BOX_SEEDS; hit", "hit; hit"),
    (
        "what the scratch held is a half's score",
        "for (uint32_t i = HALF; i < RP_BLOCK; i++) scores[i] = LOWEST;",
        "",
        "The mask keeps sixteen bits: the loop only makes the values defined.",
    ),
)
ORDERS: Final = (*_CATALOGUE, *_BY_LENGTH, *_NEIGHBOURS)
