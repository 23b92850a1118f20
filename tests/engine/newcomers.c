/* Answers for users whom a model does not know, by the function of docs/start/in-c.md.
 *
 *     newcomers [N_ITEMS ROOM] < QUESTIONS > ANSWERS
 *
 * QUESTIONS: two files of a model and a popular.txt, each behind its uint32 bytes (0 of the second: there is none); then
 * of each question uint32 k, n_seen, seen. ANSWERS: what rp_read_popular returns; of each question the int32 result and
 * so many items. Memory has the exact size. With N_ITEMS and ROOM popular.txt is read as another catalogue's. */
#define _DEFAULT_SOURCE
#include "fenced.h"
#include "for_newcomer.h" /* cut out of the page by the test */
#include <stdio.h>
#include <string.h>

#define ROOM 300u

static void *next(uint32_t *bytes, size_t width)
{
    void *p = NULL;
    if (fread(bytes, 4, 1, stdin) != 1) return NULL;
    p = fenced(*bytes * width);
    return fread(p, width, *bytes, stdin) == *bytes ? p : NULL;
}

static void say(int32_t result, const uint32_t *items)
{
    fwrite(&result, 4, 1, stdout);
    if (items && result > 0) fwrite(items, 4, (size_t)result, stdout);
}

int main(int argc, char **argv)
{
    rp_model model, history;
    uint32_t bytes[3], k;
    void *first = next(bytes, 1), *second = next(bytes + 1, 1), *text = next(bytes + 2, 1);
    if (!first || !second || !text || rp_open(&model, first, bytes[0])) return 2;
    if (bytes[1] && rp_open(&history, second, bytes[1])) return 2;
    const uint32_t n_items = argc > 2 ? (uint32_t)atol(argv[1]) : model.header->n_items;
    const uint32_t list_room = argc > 2 ? (uint32_t)atol(argv[2]) : ROOM;
    uint32_t *popular = fenced(4 * (size_t)list_room);
    const int32_t listed = rp_read_popular(text, bytes[2], n_items, popular, list_room);
    say(listed, NULL);
    while (listed >= 0 && fread(&k, 4, 1, stdin) == 1) {
        rp_query query = {0, NULL, 0, k};
        uint32_t *seen = next(&query.n_seen, 4);
        query.seen = seen;
        const size_t room = k < ROOM ? k : ROOM, size = bytes[1] ? rp_scratch_bytes(&history, k) : 0;
        uint32_t *items = fenced(4 * room);
        void *scratch = fenced(size);
        const int32_t found = for_newcomer(&model, bytes[1] ? &history : NULL, popular, (uint32_t)listed, &query, items,
                                           scratch, size);
        if (!seen || found > (int32_t)room) return 4;
        say(found, items);
        unfenced(items, 4 * room);
        unfenced(scratch, size);
        unfenced(seen, 4 * (size_t)query.n_seen);
    }
    unfenced(popular, 4 * (size_t)list_room);
    unfenced(first, bytes[0]);
    unfenced(second, bytes[1]);
    unfenced(text, bytes[2]);
    return 0;
}
