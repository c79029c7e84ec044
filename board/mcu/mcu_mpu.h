/* The memory protection unit (ARMv7-M, 8 regions): what is not opened here cannot be reached.
 *
 * The default map is off, so a null pointer, code in RAM, a write to flash and a stack that grows
 * below RAM all end in mcu_fault_memory. Regions with a higher number win where two overlap.
 */
#ifndef BOARD_MCU_MPU_H
#define BOARD_MCU_MPU_H

#include <stdint.h>

enum mcu_mpu_access {
    MCU_MPU_CODE,   /* read and execute */
    MCU_MPU_READ,   /* read only */
    MCU_MPU_DATA,   /* read and write, never execute */
    MCU_MPU_DEVICE, /* registers */
    MCU_MPU_CLOSED  /* nothing at all: a guard */
};

/* base is a multiple of 1 << size_log2, which is at least 32 bytes. */
void mcu_mpu_region(unsigned number, uint32_t base, unsigned size_log2, enum mcu_mpu_access access);
void mcu_mpu_region_off(unsigned number);
void mcu_mpu_enable(void);

#endif
