/* What a query executes on an emulated microcontroller (qemu's plugin interface, version 1; qemu 7.2).
 *
 * The firmware calls a function at a known address before and after each query. At each call one line goes to
 * the file `out=`: the instructions executed so far.
 *
 * Debian packages no qemu-plugin.h; the few functions that are used are declared here, as documented in
 * https://www.qemu.org/docs/master/devel/tcg-plugins.html.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct qemu_plugin_tb;
typedef uint64_t plugin_id;
extern void qemu_plugin_register_vcpu_tb_trans_cb(plugin_id, void (*)(plugin_id, struct qemu_plugin_tb *));
extern void qemu_plugin_register_vcpu_tb_exec_cb(struct qemu_plugin_tb *, void (*)(unsigned, void *), int, void *);
extern size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *);
extern uint64_t qemu_plugin_tb_vaddr(const struct qemu_plugin_tb *);
extern void qemu_plugin_register_atexit_cb(plugin_id, void (*)(plugin_id, void *), void *);
__attribute__((visibility("default"))) int qemu_plugin_version = 1;

enum { NO_FLAGS = 0 };

static uint64_t instructions, mark;
static FILE *out;

static void on_block(unsigned cpu, void *count)
{
    (void)cpu;
    instructions += (uintptr_t)count;
}

static void on_mark(unsigned cpu, void *count)
{
    fprintf(out, "%llu\n", (unsigned long long)instructions);
    on_block(cpu, count);
}

static void on_translate(plugin_id id, struct qemu_plugin_tb *tb)
{
    (void)id;
    void *count = (void *)(uintptr_t)qemu_plugin_tb_n_insns(tb);
    int marked = qemu_plugin_tb_vaddr(tb) == mark;
    qemu_plugin_register_vcpu_tb_exec_cb(tb, marked ? on_mark : on_block, NO_FLAGS, count);
}

static void on_exit_of_qemu(plugin_id id, void *unused)
{
    (void)id, (void)unused;
    fclose(out);
}

/* Arguments: out=FILE mark=ADDRESS (hexadecimal) */
__attribute__((visibility("default"))) int qemu_plugin_install(plugin_id id, const void *info, int argc, char **argv)
{
    (void)info;
    for (int i = 0; i < argc; i++) {
        if (!strncmp(argv[i], "out=", 4))
            out = fopen(argv[i] + 4, "w");
        else if (!strncmp(argv[i], "mark=", 5))
            mark = strtoull(argv[i] + 5, NULL, 16);
        else
            return -1;
    }
    if (!out || !mark)
        return -1;
    qemu_plugin_register_vcpu_tb_trans_cb(id, on_translate);
    qemu_plugin_register_atexit_cb(id, on_exit_of_qemu, NULL);
    return 0;
}
