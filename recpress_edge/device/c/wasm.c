/* The engine for WebAssembly: recpress.h for a caller who has nothing but numbers and one memory.
 *
 * The caller lays the file at base() and what a query takes and gives behind it, growing the memory as needed;
 * all places are bytes from the start of the memory. Results are those of recpress.h. */
#include "recpress.h"

#define EXPORT(name) __attribute__((export_name(#name)))

extern uint8_t __heap_base; /* the linker's: here the program's own memory ends */

static rp_model model;

/* The first byte that is the caller's. */
EXPORT(base) uint32_t wasm_base(void) { return ((uint32_t)&__heap_base + 63u) & ~63u; }

/* Open the file of `size` bytes at `at`: one at a time. */
EXPORT(open) int32_t wasm_open(uint32_t at, uint32_t size) { return rp_open(&model, (const void *)at, size); }

EXPORT(scratch) uint32_t wasm_scratch(uint32_t k) { return rp_scratch_bytes(&model, k); }

EXPORT(recommend)
int32_t wasm_recommend(uint32_t user, const uint32_t *seen, uint32_t n_seen, uint32_t k, uint32_t *items,
                       float *scores, void *scratch, uint32_t size)
{
    rp_query query = {.user = user, .seen = seen, .n_seen = n_seen, .k = k};
    return rp_recommend(&model, &query, items, scores, scratch, size);
}
