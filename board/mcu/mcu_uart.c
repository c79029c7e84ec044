#include "board/mcu/mcu_uart.h"

#include <limits.h>
#include <stddef.h>

int mcu_uart_read(struct mcu_uart *uart, uint8_t *data, size_t size)
{
    size_t taken = mcu_ring_read(&uart->in, data, size > INT_MAX ? INT_MAX : size);
    if (taken > 0 && uart->drain != NULL)
        uart->drain(uart);
    return (int)taken;
}

int mcu_uart_write(struct mcu_uart *uart, const uint8_t *data, size_t size)
{
    size_t taken = mcu_ring_write(&uart->out, data, size > INT_MAX ? INT_MAX : size);
    if (taken > 0)
        uart->kick(uart);
    return (int)taken;
}
