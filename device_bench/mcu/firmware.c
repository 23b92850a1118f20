/* RecPress Edge's engine on a bare Cortex-M, asked by the machine that emulates it.
 *
 * Questions come from a file of that machine, and answers go to another (semihosting). Both are little-endian
 * words. A question: user, k, n_seen, then the seen items. An answer: what rp_recommend returned, ticks that it
 * took, then so many items and so many scores. At the end a third file holds `facts`.
 *
 * MOST_K, MOST_SEEN and SCRATCH_BYTES say how much memory the questions need; layout.py links.
 */
#include "recpress.h"

extern uint32_t __data_start[], __data_end[], __data_load[], __bss_start[], __bss_end[];
extern uint32_t __stack_limit[], __stack_top[];
extern const uint8_t model_bin[], model_bin_end[];

#define NOINIT __attribute__((section(".noinit"), aligned(16)))

static uint8_t scratch[SCRATCH_BYTES] NOINIT;
static uint32_t items[MOST_K] NOINIT;
static float scores[MOST_K] NOINIT;
static uint32_t seen[MOST_SEEN] __attribute__((section(".noinit.questions"), aligned(16)));
static rp_model model;

/* What the firmware tells of itself, in the order of figures.py. */
static struct {
    uint32_t boot_ticks, open_ticks, loop_ticks, scratch_bytes;
    uint32_t stack_boot, stack_open, stack_first, stack_all;
} facts;

/* ---- The machine that emulates (semihosting of Arm). */

enum { SYS_OPEN = 1, SYS_CLOSE = 2, SYS_WRITE = 5, SYS_READ = 6, SYS_EXIT = 0x18 };
enum { READ_BYTES = 1, WRITE_BYTES = 5, STOPPED = 0x20026, FAILED = 0x20023 };

static uint32_t ask_host(uint32_t what, const void *arguments)
{
    register uint32_t r0 __asm__("r0") = what;
    register const void *r1 __asm__("r1") = arguments;
    __asm__ volatile("bkpt 0xab" : "+r"(r0) : "r"(r1) : "memory");
    return r0;
}

static void end(uint32_t why)
{
    for (;;) ask_host(SYS_EXIT, (const void *)(uintptr_t)why); // NOLINT: a number in a pointer's place
}

static uint32_t open_file(const char *name, uint32_t length, uint32_t mode)
{
    const uint32_t arguments[3] = {(uint32_t)(uintptr_t)name, mode, length};
    const uint32_t file = ask_host(SYS_OPEN, arguments);
    if (file == ~0u) end(FAILED);
    return file;
}

/* Whether all of it was read or written; both calls return how many bytes were not. */
static int transfer(uint32_t what, uint32_t file, void *at, uint32_t bytes)
{
    const uint32_t arguments[3] = {file, (uint32_t)(uintptr_t)at, bytes};
    return !bytes || ask_host(what, arguments) == 0;
}

/* ---- Time and stack. */

#define SYST_CSR (*(volatile uint32_t *)0xE000E010u)
#define SYST_RVR (*(volatile uint32_t *)0xE000E014u)
#define SYST_CVR (*(volatile uint32_t *)0xE000E018u)
#define TICKS 0xffffffu /* of the counter, which counts down */
#define TURNS 500000u   /* of a loop of two instructions, by which ticks become instructions */
#define PAINT 0xa5c35a3cu

/* How deep the stack was so far, in bytes. */
static uint32_t stack_used(void)
{
    const volatile uint32_t *word = __stack_limit;
    while (word < __stack_top && *word == PAINT) word++;
    return (uint32_t)((uintptr_t)__stack_top - (uintptr_t)word);
}

static void paint_stack(void)
{
    volatile uint32_t here, *word = __stack_limit;
    while ((uintptr_t)word + 32u < (uintptr_t)&here) *word++ = PAINT;
}

static uint32_t ticks_of_a_loop(void)
{
    uint32_t turns = TURNS;
    SYST_CVR = 0;
    const uint32_t start = SYST_CVR;
    __asm__ volatile(".syntax unified\n1: subs %0, #1\n bne 1b\n" : "+l"(turns) : : "cc");
    return (start - SYST_CVR) & TICKS;
}

/* A plugin of the emulator counts what is executed from one call of this to the next: it lies at a known place. */
__attribute__((noinline, section(".mark"))) void mark(void) { __asm__ volatile(""); }

/* ---- Questions. */

static uint32_t answer_all(uint32_t questions, uint32_t answers)
{
    uint32_t head[3], n = 0;
    while (transfer(SYS_READ, questions, head, sizeof head)) {
        int32_t out[2];
        const rp_query query = {head[0], seen, head[2], head[1]};
        if (query.k > MOST_K || query.n_seen > MOST_SEEN) return 0;
        if (!transfer(SYS_READ, questions, seen, 4u * query.n_seen)) return 0;
        SYST_CVR = 0; /* the next count starts at the top, one tick later */
        const uint32_t start = SYST_CVR;
        mark();
        out[0] = rp_recommend(&model, &query, items, scores, scratch, sizeof scratch);
        mark();
        out[1] = (int32_t)((start - SYST_CVR) & TICKS);
        if (!n++) facts.stack_first = stack_used();
        const uint32_t found = out[0] > 0 ? (uint32_t)out[0] : 0;
        if (!transfer(SYS_WRITE, answers, out, sizeof out) || !transfer(SYS_WRITE, answers, items, 4u * found) ||
            !transfer(SYS_WRITE, answers, scores, 4u * found))
            return 0;
    }
    return n;
}

static void work(void)
{
    facts.loop_ticks = ticks_of_a_loop();
    facts.stack_boot = stack_used();
    SYST_CVR = 0;
    const uint32_t start = SYST_CVR;
    if (rp_open(&model, model_bin, (size_t)(model_bin_end - model_bin))) end(FAILED);
    facts.open_ticks = (start - SYST_CVR) & TICKS;
    facts.stack_open = stack_used();
    facts.scratch_bytes = (uint32_t)rp_scratch_bytes(&model, MOST_K);
    const uint32_t questions = open_file("questions", 9, READ_BYTES);
    const uint32_t answers = open_file("answers", 7, WRITE_BYTES);
    const uint32_t n = answer_all(questions, answers);
    ask_host(SYS_CLOSE, &answers);
    if (!n) end(FAILED);
    facts.stack_all = stack_used();
    const uint32_t about = open_file("facts", 5, WRITE_BYTES);
    if (!transfer(SYS_WRITE, about, &facts, sizeof facts)) end(FAILED);
    ask_host(SYS_CLOSE, &about);
    end(STOPPED);
}

/* ---- From power to work. */

__attribute__((used)) void start(void)
{
    SYST_RVR = TICKS;
    SYST_CVR = 0;
    SYST_CSR = 5u; /* the core's own clock, no interrupts */
    const uint32_t ticks = SYST_CVR;
    const volatile uint32_t *from = __data_load;
    for (volatile uint32_t *to = __data_start; to < __data_end;) *to++ = *from++;
    for (volatile uint32_t *to = __bss_start; to < __bss_end;) *to++ = 0;
    facts.boot_ticks = (ticks - SYST_CVR) & TICKS;
    paint_stack();
    work();
}

__attribute__((naked, used)) void reset(void)
{
    __asm__ volatile(
#if defined(__ARM_FP) || defined(__ARM_FEATURE_MVE)
        "ldr r0, =0xE000ED88\n" /* allow the floating-point unit before anything uses it */
        "ldr r1, [r0]\n"
        "orr r1, r1, #0xF00000\n"
        "str r1, [r0]\n"
        "dsb\n"
        "isb\n"
#endif
        "ldr r0, =start\n"
        "bx r0\n");
}

__attribute__((used)) void fault(void) { end(FAILED); }

__attribute__((section(".vectors"), used)) const void *const vectors[16] = {
    __stack_top, (const void *)reset, (const void *)fault, (const void *)fault,
    (const void *)fault, (const void *)fault, (const void *)fault,
};

__asm__(".section .model,\"a\"\n"
        ".balign 64\n"
        ".global model_bin, model_bin_end\n"
        "model_bin:\n"
        ".incbin \"model.bin\"\n"
        "model_bin_end:\n"
        ".previous\n");
