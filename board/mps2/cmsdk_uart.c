#include "board/mps2/cmsdk_uart.h"

#include "board/mcu/cortex_m3.h"
#include "board/mcu/mcu_time.h"

#define DATA(uart)       REGISTER((uart)->registers + 0u)
#define STATE(uart)      REGISTER((uart)->registers + 4u)
#define CONTROL(uart)    REGISTER((uart)->registers + 8u)
#define INTERRUPTS(uart) REGISTER((uart)->registers + 12u)
#define DIVIDER(uart)    REGISTER((uart)->registers + 16u)
#define STATE_TX_FULL    1u
#define STATE_RX_FULL    2u
#define STATE_RX_OVERRUN 8u
#define CONTROL_TX       (1u | 4u) /* transmitter and its interrupt */
#define CONTROL_RX       (2u | 8u)
#define INTERRUPT_TX     1u
#define INTERRUPT_RX     2u
#define CLOCK_HZ         25000000u
#define BAUD             115200u

#define HOST_IN_BYTES     1024u /* one frame and more while the loop is busy */
#define HOST_OUT_BYTES    512u
#define FN_IN_BYTES       512u
#define FN_OUT_BYTES      256u
#define PRINTER_IN_BYTES  64u
#define PRINTER_OUT_BYTES 256u
#define TRACE_OUT_BYTES   256u

struct mcu_uart cmsdk_uarts[CMSDK_UARTS];

static uint8_t host_in[HOST_IN_BYTES], host_out[HOST_OUT_BYTES];
static uint8_t fn_in[FN_IN_BYTES], fn_out[FN_OUT_BYTES];
static uint8_t printer_in[PRINTER_IN_BYTES], printer_out[PRINTER_OUT_BYTES];
static uint8_t trace_in[2], trace_out[TRACE_OUT_BYTES];

/* The interrupt comes when the register falls empty; the first byte has to be put in by hand. */
static void kick(struct mcu_uart *uart)
{
    interrupts_off();
    if ((STATE(uart) & STATE_TX_FULL) == 0) {
        int byte = mcu_ring_take(&uart->out);
        if (byte >= 0)
            DATA(uart) = (uint32_t)byte;
    }
    interrupts_on();
}

static void received(struct mcu_uart *uart)
{
    INTERRUPTS(uart) = INTERRUPT_RX;
    if ((STATE(uart) & STATE_RX_OVERRUN) != 0) {
        STATE(uart) = STATE_RX_OVERRUN;
        uart->overruns++;
    }
    while ((STATE(uart) & STATE_RX_FULL) != 0)
        (void)mcu_ring_put(&uart->in, (uint8_t)DATA(uart));
    mcu_wake();
}

static void sent(struct mcu_uart *uart)
{
    /* Cleared before the next byte: its own interrupt may follow at once. */
    INTERRUPTS(uart) = INTERRUPT_TX;
    if ((STATE(uart) & STATE_TX_FULL) != 0)
        return;
    int byte = mcu_ring_take(&uart->out);
    if (byte >= 0)
        DATA(uart) = (uint32_t)byte;
    /* The loop has something to do when there is room again for more than a few bytes. */
    if (mcu_ring_used(&uart->out) == uart->out.mask / 4u || byte < 0)
        mcu_wake();
}

static void start(enum cmsdk_uart_use use, uintptr_t registers, uint8_t *in, uint16_t in_size,
                  uint8_t *out, uint16_t out_size)
{
    struct mcu_uart *uart = &cmsdk_uarts[use];
    mcu_ring_init(&uart->in, in, in_size);
    mcu_ring_init(&uart->out, out, out_size);
    uart->kick = kick;
    uart->registers = registers;
    DIVIDER(uart) = CLOCK_HZ / BAUD;
    CONTROL(uart) = use == CMSDK_UART_TRACE ? CONTROL_TX : CONTROL_TX | CONTROL_RX;
}

void cmsdk_uart_init(void)
{
    static const uint8_t numbers[] = {0, 1, 2, 3, 4, 5, 21};
    start(CMSDK_UART_HOST, 0x40004000u, host_in, sizeof host_in, host_out, sizeof host_out);
    start(CMSDK_UART_FN, 0x40005000u, fn_in, sizeof fn_in, fn_out, sizeof fn_out);
    start(CMSDK_UART_PRINTER, 0x40006000u, printer_in, sizeof printer_in, printer_out,
          sizeof printer_out);
    start(CMSDK_UART_TRACE, 0x40009000u, trace_in, sizeof trace_in, trace_out, sizeof trace_out);
    for (unsigned i = 0; i < sizeof numbers; i++)
        interrupt_enable(numbers[i]);
}

void cmsdk_uart_host_received(void)
{
    received(&cmsdk_uarts[CMSDK_UART_HOST]);
}

void cmsdk_uart_host_sent(void)
{
    sent(&cmsdk_uarts[CMSDK_UART_HOST]);
}

void cmsdk_uart_fn_received(void)
{
    received(&cmsdk_uarts[CMSDK_UART_FN]);
}

void cmsdk_uart_fn_sent(void)
{
    sent(&cmsdk_uarts[CMSDK_UART_FN]);
}

void cmsdk_uart_printer_received(void)
{
    received(&cmsdk_uarts[CMSDK_UART_PRINTER]);
}

void cmsdk_uart_printer_sent(void)
{
    sent(&cmsdk_uarts[CMSDK_UART_PRINTER]);
}

void cmsdk_uart_trace_sent(void)
{
    sent(&cmsdk_uarts[CMSDK_UART_TRACE]);
}
