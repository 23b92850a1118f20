/* Questions to one model, each marked for the counting plugin of device_bench/emulation.
 *
 *     count MODEL QUESTIONS K [ANSWERS]
 *
 * QUESTIONS: uint32 their number; of each uint32 user, n_seen, seen. ANSWERS: of each the result, then so many
 * items and scores. */
#define _GNU_SOURCE
#include "recpress.h"
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define MARK 0x5EED

static void mark(long number)
{
#if defined(__arm__) || defined(__aarch64__)
    syscall(MARK, 0, number);
#else
    (void)number; /* only Arm's calls are looked at */
#endif
}

static const void *loaded(const char *path, size_t *bytes)
{
    void *data = NULL;
    FILE *file = fopen(path, "rb");
    if (file && !fseek(file, 0, SEEK_END)) {
        *bytes = (size_t)ftell(file);
        rewind(file);
        if (posix_memalign(&data, 64, *bytes + 64) || fread(data, 1, *bytes, file) != *bytes) data = NULL;
    }
    if (!data) {
        perror(path);
        exit(1);
    }
    fclose(file);
    return data;
}

int main(int argc, char **argv)
{
    size_t bytes, unused;
    rp_model model;
    void *scratch;
    if (argc < 4) return 2;
    const uint32_t *asked = loaded(argv[2], &unused), n = *asked++, k = (uint32_t)atoi(argv[3]);
    const void *data = loaded(argv[1], &bytes);
    const int32_t opened = rp_open(&model, data, bytes);
    if (opened) {
        fprintf(stderr, "rp_open: %d\n", (int)opened);
        return 1;
    }
    FILE *out = argc > 4 ? fopen(argv[4], "wb") : NULL;
    const size_t size = rp_scratch_bytes(&model, k);
    uint32_t *items = malloc(4 * (size_t)k);
    float *scores = malloc(4 * (size_t)k);
    if (!items || !scores || posix_memalign(&scratch, 64, size)) return 1;
    for (uint32_t i = 0; i < n; i++) {
        const rp_query query = {asked[0], asked + 2, asked[1], k};
        mark((long)i);
        const int32_t found = rp_recommend(&model, &query, items, scores, scratch, size);
        if (found < 0) {
            fprintf(stderr, "question %u: %d\n", (unsigned)i, (int)found);
            return 1;
        }
        if (out && (fwrite(&found, 4, 1, out) != 1 || fwrite(items, 4, (size_t)found, out) != (size_t)found ||
                    fwrite(scores, 4, (size_t)found, out) != (size_t)found))
            return 1;
        asked += 2 + asked[1];
    }
    mark((long)n);
    return out && fclose(out) ? 1 : 0;
}
