/* A whole program around the engine without any library: Linux on aarch64 and x86-64.
 *
 *     tiny MODEL < QUESTION > ANSWER
 *
 * QUESTION: uint32 user, k, n_seen, seen. ANSWER: the result, then so many items. At the end it reads stdin once
 * more, so that its memory can be looked at before it is closed. Compile with -DRP_FREESTANDING -ffreestanding
 * -nostdlib -static. */
#include "recpress.h"

#define MARK 0x5EED /* of the counting plugin of device_bench/emulation */
#define MOST 100u

#if defined(__aarch64__)
enum { READ = 63, WRITE = 64, OPENAT = 56, LSEEK = 62, MMAP = 222, EXIT = 93 };
static long call(long number, long a, long b, long c, long d, long e, long f)
{
    register long x8 __asm__("x8") = number;
    register long x0 __asm__("x0") = a;
    register long x1 __asm__("x1") = b;
    register long x2 __asm__("x2") = c;
    register long x3 __asm__("x3") = d;
    register long x4 __asm__("x4") = e;
    register long x5 __asm__("x5") = f;
    __asm__ volatile("svc 0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(x5) : "memory");
    return x0;
}
__asm__(".globl _start\n_start: mov x0, sp\n b begin\n");
#elif defined(__x86_64__)
enum { READ = 0, WRITE = 1, OPENAT = 257, LSEEK = 8, MMAP = 9, EXIT = 60 };
static long call(long number, long a, long b, long c, long d, long e, long f)
{
    register long r10 __asm__("r10") = d;
    register long r8 __asm__("r8") = e;
    register long r9 __asm__("r9") = f;
    __asm__ volatile("syscall"
                     : "+a"(number)
                     : "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
                     : "rcx", "r11", "memory");
    return number;
}
__asm__(".globl _start\n_start: mov %rsp, %rdi\n and $-16, %rsp\n call begin\n");
#else
#error "this program knows the system calls of aarch64 and x86-64 only"
#endif

#define HERE (-100L) /* AT_FDCWD */
#define END 2L       /* SEEK_END */

static uint8_t scratch[65536] __attribute__((aligned(64)));
static uint32_t question[3 + 4096], answer[1 + MOST];

static void leave(long code)
{
    call(EXIT, code, 0, 0, 0, 0, 0);
    for (;;) {
    }
}

__attribute__((used)) void begin(const long *stack)
{
    const char *const *arguments = (const char *const *)(stack + 1);
    rp_model model;
#ifdef __aarch64__
    call(MARK, 0, 0, 0, 0, 0, 0);
#endif
    const long file = *stack > 1 ? call(OPENAT, HERE, (long)arguments[1], 0, 0, 0, 0) : -1;
    const long bytes = call(LSEEK, file, 0, END, 0, 0, 0);
    if (file < 0 || bytes <= 0) leave(2);
    const void *data = (const void *)call(MMAP, 0, bytes, 1 /* to read */, 1 /* shared */, file, 0);
    const long asked = call(READ, 0, (long)question, sizeof question, 0, 0, 0);
    if (asked < 12 || rp_open(&model, data, (size_t)bytes)) leave(3);
    const rp_query query = {question[0], question + 3, question[2], question[1]};
    if (query.k > MOST || rp_scratch_bytes(&model, query.k) > sizeof scratch) leave(4);
    const int32_t found = rp_recommend(&model, &query, answer + 1, (float *)0, scratch, sizeof scratch);
#ifdef __aarch64__
    call(MARK, 0, 1, 0, 0, 0, 0);
#endif
    answer[0] = (uint32_t)found;
    call(WRITE, 1, (long)answer, 4 + 4 * (found < 0 ? 0 : found), 0, 0, 0);
    call(READ, 0, (long)question, sizeof question, 0, 0, 0);
    leave(found < 0);
}
