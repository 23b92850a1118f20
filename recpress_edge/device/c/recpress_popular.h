/* RecPress Edge: popular items for a user whom a model does not know, from popular.txt of its bundle.
 *
 * C99, no allocation, no global state, no library, nothing to compile. The list holds items' numbers, so that no ids
 * are needed; a program without files may have its bytes as an array.
 *
 *     uint32_t popular[200];
 *     int32_t n_popular = rp_read_popular(text, bytes, model.header->n_items, popular, 200);   // once
 *     int32_t n = rp_popular(&model, popular, (uint32_t)n_popular, &query, items);             // has no scores
 */
#ifndef RECPRESS_POPULAR_H
#define RECPRESS_POPULAR_H

#include "recpress.h"

#ifdef __cplusplus
extern "C" {
#endif

#define RP_MOST_POPULAR 10000u /* lines that a reader takes; exports write 200 at most */

static inline int rp_is_among(uint32_t item, const uint32_t *items, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++)
        if (items[i] == item) return 1;
    return 0;
}

/* Read the `bytes` of popular.txt: numbers of items, one a line, the most popular first.
 *
 * Returns how many there are. RP_DAMAGED where they are no such lines, name an item twice or one that is not below
 * n_items; RP_SCRATCH_TOO_SMALL where they are more than `room`. `list` may then hold some of them. */
static inline int32_t rp_read_popular(const char *text, size_t bytes, uint32_t n_items, uint32_t *list, uint32_t room)
{
    uint32_t n = 0, digits = 0;
    uint64_t item = 0;
    for (size_t i = 0; i < bytes; i++) {
        if (text[i] >= '0' && text[i] <= '9' && digits < 10u) {
            item = 10u * item + (uint64_t)(text[i] - '0');
            digits++;
            continue;
        }
        if (text[i] != '\n' || !digits || item >= n_items || n == RP_MOST_POPULAR) return RP_DAMAGED;
        if (n == room) return RP_SCRATCH_TOO_SMALL;
        if (rp_is_among((uint32_t)item, list, n)) return RP_DAMAGED;
        list[n++] = (uint32_t)item;
        digits = 0;
        item = 0;
    }
    return digits ? RP_DAMAGED : (int32_t)n; /* the last line ends, too */
}

/* The first k of a list that are neither seen nor retired; query->user is not looked at.
 *
 * items take k entries. Returns how many were found, fewer than k where the list ends; or RP_BAD_K, RP_BAD_ITEM,
 * RP_DAMAGED of a list with an item that the model does not have. */
static inline int32_t rp_popular(const rp_model *model, const uint32_t *list, uint32_t n_list, const rp_query *query,
                                 uint32_t *items)
{
    const rp_header *h = model->header;
    uint32_t n = 0;
    if (!query->k || query->k > h->n_items) return RP_BAD_K;
    for (uint32_t i = 0; i < query->n_seen; i++)
        if (query->seen[i] >= h->n_items) return RP_BAD_ITEM;
    for (uint32_t i = 0; i < n_list && n < query->k; i++) {
        if (list[i] >= h->n_items) return RP_DAMAGED;
        if (rp_is_among(list[i], query->seen, query->n_seen)) continue;
        if (!rp_is_among(list[i], model->retired, h->n_retired)) items[n++] = list[i];
    }
    return (int32_t)n;
}

#ifdef __cplusplus
}
#endif
#endif
