/* A probe in QEMU: counts every instruction of the guest, writes a line when marked addresses are
 * reached, and can cut the power (SIGKILL) at the N-th instruction after one of them.
 *
 *   out=FILE         the lines: "MARK TOTAL RANGE...": number of the mark, instructions so far, and
 *                    those of each range
 *   mark=HEX         0, 1, 2 ... as given
 *   range=HEX-HEX    instructions from the first address to before the last are counted apart too
 *   cut=N            after the first mark was reached `hit` times (1); N = 0: at the mark itself
 *   hit=N
 *
 * Interrupts count where they happen. One processor, so nothing is locked.
 */
#include <inttypes.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/mcu/plugins/qemu_plugin.h"

#define MARKS_MAX  64u
#define RANGES_MAX 16u
#define ADDRESS    0xFFFFFFFEu /* without the Thumb bit */

struct qemu_info; /* of no use here */

__attribute__((visibility("default"))) int qemu_plugin_version = QEMU_PLUGIN_INTERFACE;

static struct {
    uint64_t marks[MARKS_MAX];
    struct {
        uint64_t start, end, count;
    } ranges[RANGES_MAX];
    size_t mark_count, range_count;
    uint64_t total;
    FILE *out;
    bool cutting, armed;
    uint64_t left, hits_left;
} probe = {.hits_left = 1};

static void reached(unsigned cpu, void *user)
{
    size_t mark = (size_t)(uintptr_t)user;
    (void)cpu;
    if (probe.out != NULL) {
        fprintf(probe.out, "%zu %" PRIu64, mark, probe.total);
        for (size_t i = 0; i < probe.range_count; i++)
            fprintf(probe.out, " %" PRIu64, probe.ranges[i].count);
        fputc('\n', probe.out);
    }
    if (mark == 0 && probe.hits_left > 0 && --probe.hits_left == 0)
        probe.armed = probe.cutting;
}

static void executed(unsigned cpu, void *user)
{
    (void)cpu, (void)user;
    if (!probe.armed)
        return;
    if (probe.left == 0)
        kill(getpid(), SIGKILL);
    else
        probe.left--;
}

static void translated(qemu_plugin_id_t id, struct qemu_plugin_tb *tb)
{
    size_t count = qemu_plugin_tb_n_insns(tb);
    (void)id;
    for (size_t i = 0; i < count; i++) {
        struct qemu_plugin_insn *insn = qemu_plugin_tb_get_insn(tb, i);
        uint64_t address = qemu_plugin_insn_vaddr(insn);
        for (size_t mark = 0; mark < probe.mark_count; mark++)
            if (probe.marks[mark] == address)
                qemu_plugin_register_vcpu_insn_exec_cb(insn, reached, QEMU_PLUGIN_CB_NO_REGS,
                                                       (void *)(uintptr_t)mark);
        qemu_plugin_register_vcpu_insn_exec_inline(insn, QEMU_PLUGIN_INLINE_ADD_U64, &probe.total,
                                                   1);
        for (size_t range = 0; range < probe.range_count; range++)
            if (address >= probe.ranges[range].start && address < probe.ranges[range].end)
                qemu_plugin_register_vcpu_insn_exec_inline(insn, QEMU_PLUGIN_INLINE_ADD_U64,
                                                           &probe.ranges[range].count, 1);
        if (probe.cutting)
            qemu_plugin_register_vcpu_insn_exec_cb(insn, executed, QEMU_PLUGIN_CB_NO_REGS, NULL);
    }
}

static void ended(qemu_plugin_id_t id, void *user)
{
    (void)id, (void)user;
    if (probe.out == NULL)
        return;
    fprintf(probe.out, "end %" PRIu64 "\n", probe.total);
    fclose(probe.out);
}

static bool take(const char *argument)
{
    const char *value = strchr(argument, '=');
    if (value == NULL)
        return false;
    value++;
    if (strncmp(argument, "out=", 4) == 0) {
        probe.out = fopen(value, "w");
        return probe.out != NULL && setvbuf(probe.out, NULL, _IOLBF, 0) == 0;
    }
    if (strncmp(argument, "mark=", 5) == 0 && probe.mark_count < MARKS_MAX) {
        probe.marks[probe.mark_count++] = strtoull(value, NULL, 16) & ADDRESS;
        return true;
    }
    if (strncmp(argument, "range=", 6) == 0 && probe.range_count < RANGES_MAX) {
        char *end;
        probe.ranges[probe.range_count].start = strtoull(value, &end, 16);
        probe.ranges[probe.range_count].end = *end == '-' ? strtoull(end + 1, NULL, 16) : 0;
        return probe.ranges[probe.range_count++].end != 0;
    }
    if (strncmp(argument, "cut=", 4) == 0) {
        probe.cutting = true;
        probe.left = strtoull(value, NULL, 10);
        return true;
    }
    if (strncmp(argument, "hit=", 4) == 0) {
        probe.hits_left = strtoull(value, NULL, 10);
        return probe.hits_left > 0;
    }
    return false;
}

__attribute__((visibility("default"))) int
qemu_plugin_install(qemu_plugin_id_t id, const struct qemu_info *info, int count, char **arguments);
int qemu_plugin_install(qemu_plugin_id_t id, const struct qemu_info *info, int count,
                        char **arguments)
{
    (void)info;
    for (int i = 0; i < count; i++) {
        if (!take(arguments[i])) {
            fprintf(stderr, "probe: %s is not understood\n", arguments[i]);
            return -1;
        }
    }
    qemu_plugin_register_vcpu_tb_trans_cb(id, translated);
    qemu_plugin_register_atexit_cb(id, ended, NULL);
    return 0;
}
