#include "board/mcu/mcu_mpu.h"

#include <assert.h>

#include "board/mcu/cortex_m3.h"

#define EXECUTE_NEVER (1u << 28)
#define AP_NONE       (0u << 24)
#define AP_WRITE      (1u << 24) /* privileged read and write */
#define AP_READ       (5u << 24) /* privileged read only */
#define NORMAL        (1u << 17) /* cacheable, write through: plain memory */
#define DEVICE        ((1u << 16) | (1u << 18))
#define REGION_ON     1u
#define FAULTS_ON     (7u << 16)

static uint32_t attributes(enum mcu_mpu_access access)
{
    switch (access) {
    case MCU_MPU_CODE:
        return AP_READ | NORMAL;
    case MCU_MPU_READ:
        return AP_READ | NORMAL | EXECUTE_NEVER;
    case MCU_MPU_DATA:
        return AP_WRITE | NORMAL | EXECUTE_NEVER;
    case MCU_MPU_DEVICE:
        return AP_WRITE | DEVICE | EXECUTE_NEVER;
    default:
        return AP_NONE | NORMAL | EXECUTE_NEVER;
    }
}

void mcu_mpu_region(unsigned number, uint32_t base, unsigned size_log2, enum mcu_mpu_access access)
{
    assert(number < 8 && size_log2 >= 5 && size_log2 <= 32);
    assert((base & (uint32_t)((1ull << size_log2) - 1u)) == 0);
    MPU_NUMBER = number;
    MPU_ATTRIBUTES = 0;
    MPU_BASE = base;
    MPU_ATTRIBUTES = attributes(access) | (uint32_t)(size_log2 - 1u) << 1 | REGION_ON;
    barrier();
}

void mcu_mpu_region_off(unsigned number)
{
    MPU_NUMBER = number;
    MPU_ATTRIBUTES = 0;
    barrier();
}

void mcu_mpu_enable(void)
{
    SCB_HANDLERS |= FAULTS_ON;
    MPU_CONTROL = 1; /* no default map; faults and NMI run without protection */
    barrier();
}
