/* What a query executes, for qemu's user mode (plugin interface, version 1; qemu 7.2).
 *
 * The guest marks with syscall(MARK, 0, number); nothing is counted before the first mark. At each mark one
 * line goes to the file `out=`: the totals so far of instructions, SIMD and floating-point instructions,
 * and misses of two modelled data caches: the first level's, the last level's, and lines written back.
 *
 * Debian packages no qemu-plugin.h; the few functions that are used are declared here, as documented in
 * https://www.qemu.org/docs/master/devel/tcg-plugins.html.
 */
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MARK 0x5EED
#define LINE_BITS 6 /* 64 bytes in every cache of these cores */

struct qemu_plugin_tb;
struct qemu_plugin_insn;
typedef uint64_t plugin_id;
extern void qemu_plugin_register_vcpu_tb_trans_cb(plugin_id, void (*)(plugin_id, struct qemu_plugin_tb *));
extern void qemu_plugin_register_vcpu_tb_exec_cb(struct qemu_plugin_tb *, void (*)(unsigned, void *), int, void *);
extern void qemu_plugin_register_vcpu_mem_cb(struct qemu_plugin_insn *,
                                             void (*)(unsigned, uint32_t, uint64_t, void *), int, int, void *);
extern size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *);
extern struct qemu_plugin_insn *qemu_plugin_tb_get_insn(const struct qemu_plugin_tb *, size_t);
extern const void *qemu_plugin_insn_data(const struct qemu_plugin_insn *);
extern unsigned qemu_plugin_mem_size_shift(uint32_t);
extern bool qemu_plugin_mem_is_store(uint32_t);
extern void qemu_plugin_register_vcpu_syscall_cb(plugin_id, void (*)(plugin_id, unsigned, int64_t, uint64_t, uint64_t,
                                                                     uint64_t, uint64_t, uint64_t, uint64_t, uint64_t,
                                                                     uint64_t));
__attribute__((visibility("default"))) int qemu_plugin_version = 1;

enum { NO_FLAGS = 0, READ_AND_WRITE = 3 };

/* Least recently used, write-allocate, write-back; a tag of 0 is an empty way. */
struct cache {
    unsigned sets, ways;
    uint64_t *tag, *used, clock;
    uint8_t *dirty;
};

static struct cache first, last;
static uint64_t instructions, simd, first_misses, last_misses, written_back;
static bool counting;
static FILE *out;

static bool make_cache(struct cache *cache, unsigned kib, unsigned ways)
{
    cache->ways = ways;
    cache->sets = ways ? (kib * 1024 >> LINE_BITS) / ways : 0;
    size_t lines = (size_t)cache->sets * ways;
    cache->tag = calloc(lines, sizeof *cache->tag);
    cache->used = calloc(lines, sizeof *cache->used);
    cache->dirty = calloc(lines, 1);
    return lines && cache->tag && cache->used && cache->dirty;
}

/* True on a hit; on a miss the oldest way is replaced, and *lost says whether that had to be written back. */
static bool touch(struct cache *cache, uint64_t line, bool store, bool *lost)
{
    size_t start = (line % cache->sets) * cache->ways, oldest = start;
    *lost = false;
    for (size_t way = start; way < start + cache->ways; way++) {
        if (cache->tag[way] == line + 1) {
            cache->used[way] = ++cache->clock;
            cache->dirty[way] |= store;
            return true;
        }
        if (cache->used[way] < cache->used[oldest])
            oldest = way;
    }
    *lost = cache->tag[oldest] && cache->dirty[oldest];
    cache->tag[oldest] = line + 1;
    cache->used[oldest] = ++cache->clock;
    cache->dirty[oldest] = store;
    return false;
}

static void on_memory(unsigned cpu, uint32_t info, uint64_t address, void *unused)
{
    (void)cpu, (void)unused;
    if (!counting)
        return;
    bool store = qemu_plugin_mem_is_store(info), lost;
    uint64_t end = address + (1u << qemu_plugin_mem_size_shift(info)) - 1;
    for (uint64_t line = address >> LINE_BITS; line <= end >> LINE_BITS; line++) {
        if (touch(&first, line, store, &lost))
            continue;
        first_misses++;
        if (!touch(&last, line, store, &lost))
            last_misses++;
        written_back += lost;
    }
}

struct block {
    uint32_t instructions, simd;
};

static void on_block(unsigned cpu, void *data)
{
    (void)cpu;
    const struct block *block = data;
    if (counting) {
        instructions += block->instructions;
        simd += block->simd;
    }
}

/* Arm's encoding, bits 28-25: x111 SIMD and floating-point data processing; x1x0 with bit 26: their memory access. */
static bool is_simd(uint32_t word)
{
    unsigned group = word >> 25 & 15;
    return (group & 7) == 7 || ((group & 5) == 4 && (word >> 26 & 1));
}

static void on_translate(plugin_id id, struct qemu_plugin_tb *tb)
{
    (void)id;
    struct block *block = calloc(1, sizeof *block); /* lives as long as the translated code may */
    if (!block)
        abort();
    block->instructions = qemu_plugin_tb_n_insns(tb);
    for (size_t i = 0; i < block->instructions; i++) {
        struct qemu_plugin_insn *instruction = qemu_plugin_tb_get_insn(tb, i);
        uint32_t word;
        memcpy(&word, qemu_plugin_insn_data(instruction), sizeof word);
        block->simd += is_simd(word);
        qemu_plugin_register_vcpu_mem_cb(instruction, on_memory, NO_FLAGS, READ_AND_WRITE, NULL);
    }
    qemu_plugin_register_vcpu_tb_exec_cb(tb, on_block, NO_FLAGS, block);
}

static void on_syscall(plugin_id id, unsigned cpu, int64_t number, uint64_t a1, uint64_t mark, uint64_t a3, uint64_t a4,
                       uint64_t a5, uint64_t a6, uint64_t a7, uint64_t a8)
{
    (void)id, (void)cpu, (void)a1, (void)a3, (void)a4, (void)a5, (void)a6, (void)a7, (void)a8;
    if (number != MARK)
        return;
    counting = true;
    fprintf(out, "%llu %llu %llu %llu %llu %llu\n", (unsigned long long)mark, (unsigned long long)instructions,
            (unsigned long long)simd, (unsigned long long)first_misses, (unsigned long long)last_misses,
            (unsigned long long)written_back);
    fflush(out);
}

/* Arguments: out=FILE cache=KIB:WAYS:KIB:WAYS (first level, last level) */
__attribute__((visibility("default"))) int qemu_plugin_install(plugin_id id, const void *info, int argc, char **argv)
{
    (void)info;
    for (int i = 0; i < argc; i++) {
        unsigned a, b, c, d;
        if (!strncmp(argv[i], "out=", 4))
            out = fopen(argv[i] + 4, "w");
        else if (sscanf(argv[i], "cache=%u:%u:%u:%u", &a, &b, &c, &d) == 4) {
            if (!make_cache(&first, a, b) || !make_cache(&last, c, d))
                return -1;
        } else
            return -1;
    }
    if (!out || !first.sets || !last.sets)
        return -1;
    qemu_plugin_register_vcpu_tb_trans_cb(id, on_translate);
    qemu_plugin_register_vcpu_syscall_cb(id, on_syscall);
    return 0;
}
