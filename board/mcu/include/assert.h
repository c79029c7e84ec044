/* assert() of a microcontroller: no texts in flash; the line and the address it failed at go into
 * the fault record (board/mcu/mcu_fault.h), then the part resets. It stays on in every build. Found
 * before the C library's own header. */
#undef assert
#undef static_assert
#define static_assert _Static_assert
#define assert(condition) ((condition) ? (void)0 : mcu_assert_failed(__LINE__))

#ifndef BOARD_MCU_INCLUDE_ASSERT_H
#define BOARD_MCU_INCLUDE_ASSERT_H

_Noreturn void mcu_assert_failed(unsigned line);

#endif
