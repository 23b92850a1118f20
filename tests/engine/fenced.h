/* Memory that ends where no more may be touched: the sanitizer's red zone, or else a page without any access.
 *
 * It starts at a multiple of 16, so that up to 15 bytes before such a page are not watched. WebAssembly has neither:
 * there nothing is watched. */
#ifndef FENCED_H
#define FENCED_H

#include <stdint.h>
#include <stdlib.h>

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define RED_ZONES
#endif
#endif
#if defined(__SANITIZE_ADDRESS__)
#define RED_ZONES
#endif

#if defined(RED_ZONES) || defined(__wasm__)

static void *fenced(size_t bytes)
{
    void *p;
    if (posix_memalign(&p, 16, bytes ? bytes : 1)) exit(3);
    return p;
}

static void unfenced(void *p, size_t bytes)
{
    (void)bytes;
    free(p);
}

#else

#include <sys/mman.h>

#define PAGE ((size_t)4096) /* of every machine that the tests emulate */

static size_t whole_pages(size_t bytes) { return (bytes + PAGE - 1) / PAGE * PAGE; }

static void *fenced(size_t bytes)
{
    const size_t content = (bytes + 15) / 16 * 16, pages = whole_pages(content);
    uint8_t *p = mmap(NULL, pages + PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED || mprotect(p + pages, PAGE, PROT_NONE)) exit(3);
    return p + pages - content;
}

static void unfenced(void *p, size_t bytes)
{
    const size_t content = (bytes + 15) / 16 * 16, pages = whole_pages(content);
    munmap((uint8_t *)p + content - pages, pages + PAGE);
}

#endif
#endif
