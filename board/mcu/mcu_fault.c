#include "board/mcu/mcu_fault.h"

#include <assert.h>
#include <string.h>

#include "board/mcu/cortex_m3.h"

#define RECORD_MAGIC   0x4B4B5446u
#define CFSR_MMARVALID (1u << 7)
#define CFSR_BFARVALID (1u << 15)
#define STACK_TOP_SIZE 256u
#define FRAME_LR       5u /* words of an exception frame: r0-r3, r12, lr, pc, psr */
#define FRAME_PC       6u

struct record {
    uint32_t magic;
    struct mcu_fault fault;
    uint32_t check; /* sum of the words, inverted */
};

/* At the very end of RAM (linker script), never cleared. */
static struct record record __attribute__((section(".noinit")));
/* A handler runs on a stack of its own: the fault may be that the main one is used up. */
static uint64_t fault_stack[STACK_TOP_SIZE / sizeof(uint64_t)] __attribute__((used));

static uint32_t check_of(const struct mcu_fault *fault)
{
    return ~(fault->kind + fault->pc + fault->lr + fault->detail + fault->where);
}

bool mcu_fault_take(struct mcu_fault *out)
{
    bool valid = record.magic == RECORD_MAGIC && record.check == check_of(&record.fault);
    *out = record.fault;
    record.magic = 0;
    return valid;
}

static void record_write(enum mcu_fault_kind kind, uint32_t pc, uint32_t lr, uint32_t detail,
                         uint32_t where)
{
    record.fault = (struct mcu_fault){kind, pc, lr, detail, where};
    record.check = check_of(&record.fault);
    record.magic = RECORD_MAGIC;
}

_Noreturn void mcu_fault_die(enum mcu_fault_kind kind, uint32_t pc, uint32_t lr, uint32_t detail)
{
    interrupts_off();
    record_write(kind, pc, lr, detail, 0);
    reset_part();
}

_Noreturn void mcu_assert_failed(unsigned line)
{
    uint32_t pc = (uint32_t)(uintptr_t)__builtin_return_address(0);
    mcu_fault_die(MCU_FAULT_ASSERT, pc, pc, line);
}

/* The frame may lie outside RAM when the stack overflowed; then nothing of it is read. */
static bool frame_is_readable(uint32_t frame)
{
    extern uint32_t ram_start, ram_end;
    return frame % 4 == 0 && frame >= (uint32_t)(uintptr_t)&ram_start &&
           frame + 32u <= (uint32_t)(uintptr_t)&ram_end;
}

_Noreturn __attribute__((used)) static void caught(uint32_t frame, uint32_t kind)
{
    uint32_t cfsr = SCB_CFSR;
    uint32_t where = 0;
    uint32_t pc = 0;
    uint32_t lr = 0;
    if ((cfsr & CFSR_MMARVALID) != 0)
        where = SCB_MMFAR;
    else if ((cfsr & CFSR_BFARVALID) != 0)
        where = SCB_BFAR;
    if (frame_is_readable(frame)) {
        const uint32_t *words = (const uint32_t *)(uintptr_t)frame;
        pc = words[FRAME_PC];
        lr = words[FRAME_LR];
    }
    record_write((enum mcu_fault_kind)kind, pc, lr, cfsr, where);
    /* The watchdog has only warned; the reset is its own business, and proves that it can. */
    if (kind == MCU_FAULT_WATCHDOG)
        for (;;)
            ;
    reset_part();
}

#define HANDLER(name, kind)                                                                        \
    __attribute__((naked)) void name(void)                                                         \
    {                                                                                              \
        __asm volatile("mrs r0, msp\n"                                                             \
                       "movs r1, %0\n"                                                             \
                       "ldr r2, =fault_stack + %c1\n"                                              \
                       "mov sp, r2\n"                                                              \
                       "b caught\n" ::"i"(kind),                                                   \
                       "i"(STACK_TOP_SIZE));                                                       \
    }

HANDLER(mcu_fault_watchdog, MCU_FAULT_WATCHDOG)
HANDLER(mcu_fault_hard, MCU_FAULT_HARD)
HANDLER(mcu_fault_memory, MCU_FAULT_MEMORY)
HANDLER(mcu_fault_bus, MCU_FAULT_BUS)
HANDLER(mcu_fault_usage, MCU_FAULT_USAGE)
HANDLER(mcu_fault_unexpected, MCU_FAULT_UNEXPECTED)

static size_t put_text(char *out, size_t used, size_t capacity, const char *text)
{
    while (*text != '\0' && used + 1 < capacity)
        out[used++] = *text++;
    out[used] = '\0';
    return used;
}

static size_t put_hex(char *out, size_t used, size_t capacity, uint32_t value)
{
    char digits[9];
    for (unsigned i = 0; i < 8; i++)
        digits[i] = "0123456789ABCDEF"[value >> (28u - 4u * i) & 15u];
    digits[8] = '\0';
    return put_text(out, used, capacity, digits);
}

size_t mcu_fault_text(const struct mcu_fault *fault, char *out, size_t capacity)
{
    static const char *const kinds[] = {"nothing",      "hard fault",     "memory fault",
                                        "bus fault",    "usage fault",    "watchdog",
                                        "an assertion", "stray interrupt"};
    const char *kind = fault->kind <= MCU_FAULT_UNEXPECTED ? kinds[fault->kind] : "?";
    size_t used = put_text(out, 0, capacity, "restarted by ");
    used = put_text(out, used, capacity, kind);
    used = put_text(out, used, capacity, ", pc ");
    used = put_hex(out, used, capacity, fault->pc);
    used = put_text(out, used, capacity, ", lr ");
    used = put_hex(out, used, capacity, fault->lr);
    used = put_text(out, used, capacity, fault->kind == MCU_FAULT_ASSERT ? ", line " : ", status ");
    used = put_hex(out, used, capacity, fault->detail);
    if (fault->where != 0) {
        used = put_text(out, used, capacity, ", address ");
        used = put_hex(out, used, capacity, fault->where);
    }
    return used;
}
