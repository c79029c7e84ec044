/* What went wrong before the last reset: one record in RAM that a reset does not clear.
 *
 * A fault, a failed assertion or the watchdog's warning writes it and resets the part; the next
 * start takes it, says it on the trace and counts it in the board's store. Nothing is repaired
 * where it broke: the journal makes a restart safe at any instruction.
 *
 * Always true: a record is taken once; rubbish in RAM after power-on is not taken for a record.
 */
#ifndef BOARD_MCU_FAULT_H
#define BOARD_MCU_FAULT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum mcu_fault_kind {
    MCU_FAULT_NONE = 0,
    MCU_FAULT_HARD = 1,
    MCU_FAULT_MEMORY = 2, /* MPU: null pointer, stack overflow, code in RAM, closed flash */
    MCU_FAULT_BUS = 3,
    MCU_FAULT_USAGE = 4,
    MCU_FAULT_WATCHDOG = 5,
    MCU_FAULT_ASSERT = 6,
    MCU_FAULT_UNEXPECTED = 7 /* an interrupt nobody asked for */
};

struct mcu_fault {
    uint32_t kind; /* enum mcu_fault_kind */
    uint32_t pc;   /* of the code that was interrupted; assertions: where it was called from */
    uint32_t lr;
    uint32_t detail; /* CFSR; assertions: line */
    uint32_t where;  /* address that could not be reached, 0 when not known */
};

/* True once after a reset that a fault caused. */
bool mcu_fault_take(struct mcu_fault *out);
/* One line for people; returns its length. */
size_t mcu_fault_text(const struct mcu_fault *fault, char *out, size_t capacity);
/* Records and resets. For the handlers and for code that cannot go on. */
_Noreturn void mcu_fault_die(enum mcu_fault_kind kind, uint32_t pc, uint32_t lr, uint32_t detail);

/* Handlers for the vector table: 2 NMI (watchdog's first expiry), 3..6, and all that are unused. */
void mcu_fault_watchdog(void);
void mcu_fault_hard(void);
void mcu_fault_memory(void);
void mcu_fault_bus(void);
void mcu_fault_usage(void);
void mcu_fault_unexpected(void);

#endif
