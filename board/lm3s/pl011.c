#include "board/lm3s/pl011.h"

#include "board/mcu/cortex_m3.h"
#include "board/mcu/mcu_time.h"

#define DATA(uart)      REGISTER((uart)->registers + 0x00u)
#define FLAGS(uart)     REGISTER((uart)->registers + 0x18u)
#define DIVIDER(uart)   REGISTER((uart)->registers + 0x24u)
#define FRACTION(uart)  REGISTER((uart)->registers + 0x28u)
#define LINE(uart)      REGISTER((uart)->registers + 0x2Cu)
#define CONTROL(uart)   REGISTER((uart)->registers + 0x30u)
#define LEVELS(uart)    REGISTER((uart)->registers + 0x34u)
#define MASK(uart)      REGISTER((uart)->registers + 0x38u)
#define PENDING(uart)   REGISTER((uart)->registers + 0x40u)
#define CLEAR(uart)     REGISTER((uart)->registers + 0x44u)
#define DATA_OVERRUN    0x800u
#define FLAG_RX_EMPTY   0x10u
#define FLAG_TX_FULL    0x20u
#define INTERRUPT_SENT  0x20u
#define INTERRUPTS      0x70u /* received, sent, receive time-out */
#define DIVIDER_115200  27u   /* 50 MHz / 16 / 115200 = 27 + 8/64 */
#define FRACTION_115200 8u
#define LINE_8N1_FIFO   0x70u
#define CONTROL_ON      0x301u
#define LEVEL_EARLY     0u /* interrupts when the FIFO has 2 bytes, and when it has 2 left */

#define HOST_IN_BYTES     1024u
#define HOST_OUT_BYTES    256u
#define FN_IN_BYTES       256u
#define FN_OUT_BYTES      128u
#define PRINTER_IN_BYTES  32u
#define PRINTER_OUT_BYTES 128u

struct mcu_uart pl011_uarts[PL011_UARTS];

static uint8_t host_in[HOST_IN_BYTES], host_out[HOST_OUT_BYTES];
static uint8_t fn_in[FN_IN_BYTES], fn_out[FN_OUT_BYTES];
static uint8_t printer_in[PRINTER_IN_BYTES], printer_out[PRINTER_OUT_BYTES];

static void fill(struct mcu_uart *uart)
{
    while ((FLAGS(uart) & FLAG_TX_FULL) == 0) {
        int byte = mcu_ring_take(&uart->out);
        if (byte < 0)
            return;
        DATA(uart) = (uint32_t)byte;
    }
}

/* With a full ring the rest stays in the FIFO, and the interrupt is off until there is room. */
static void take(struct mcu_uart *uart)
{
    while ((FLAGS(uart) & FLAG_RX_EMPTY) == 0) {
        if (mcu_ring_room(&uart->in) == 0) {
            MASK(uart) = INTERRUPT_SENT;
            return;
        }
        uint32_t data = DATA(uart);
        if ((data & DATA_OVERRUN) != 0)
            uart->overruns++;
        (void)mcu_ring_put(&uart->in, (uint8_t)data);
    }
}

/* What comes here comes without an interrupt, so the loop is told that it is not done. */
static void drain(struct mcu_uart *uart)
{
    interrupts_off();
    MASK(uart) = INTERRUPTS;
    take(uart);
    interrupts_on();
    if (mcu_ring_used(&uart->in) > 0)
        mcu_wake();
}

/* The interrupt comes when the FIFO falls to its level; the first bytes are put in by hand. */
static void kick(struct mcu_uart *uart)
{
    interrupts_off();
    fill(uart);
    interrupts_on();
}

static void interrupt(struct mcu_uart *uart)
{
    CLEAR(uart) = PENDING(uart);
    take(uart);
    fill(uart);
    mcu_wake();
}

static void start(unsigned number, uintptr_t registers, uint8_t *in, uint16_t in_size, uint8_t *out,
                  uint16_t out_size)
{
    struct mcu_uart *uart = &pl011_uarts[number];
    mcu_ring_init(&uart->in, in, in_size);
    mcu_ring_init(&uart->out, out, out_size);
    uart->kick = kick;
    uart->drain = drain;
    uart->registers = registers;
    CONTROL(uart) = 0;
    DIVIDER(uart) = DIVIDER_115200;
    FRACTION(uart) = FRACTION_115200;
    LINE(uart) = LINE_8N1_FIFO; /* takes over the divider too */
    LEVELS(uart) = LEVEL_EARLY;
    MASK(uart) = INTERRUPTS;
    CONTROL(uart) = CONTROL_ON;
}

void pl011_init(void)
{
    static const uint8_t numbers[PL011_UARTS] = {5, 6, 33};
    start(0, 0x4000C000u, host_in, sizeof host_in, host_out, sizeof host_out);
    start(1, 0x4000D000u, fn_in, sizeof fn_in, fn_out, sizeof fn_out);
    start(2, 0x4000E000u, printer_in, sizeof printer_in, printer_out, sizeof printer_out);
    for (unsigned i = 0; i < PL011_UARTS; i++)
        interrupt_enable(numbers[i]);
}

void pl011_host_interrupt(void)
{
    interrupt(&pl011_uarts[0]);
}

void pl011_fn_interrupt(void)
{
    interrupt(&pl011_uarts[1]);
}

void pl011_printer_interrupt(void)
{
    interrupt(&pl011_uarts[2]);
}
