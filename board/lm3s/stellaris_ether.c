#include "board/lm3s/stellaris_ether.h"

#include "board/mcu/cortex_m3.h"
#include "board/mcu/mcu_time.h"

#define MAC(offset)    REGISTER(0x40048000u + (offset))
#define INTERRUPTS     MAC(0x00u) /* writing ones takes them back */
#define INTERRUPT_MASK MAC(0x04u)
#define RX_CONTROL     MAC(0x08u)
#define TX_CONTROL     MAC(0x0Cu)
#define DATA           MAC(0x10u)
#define ADDRESS_LOW    MAC(0x14u)
#define ADDRESS_HIGH   MAC(0x18u)
#define MII_CONTROL    MAC(0x20u)
#define MII_DIVIDER    MAC(0x24u)
#define MII_READ_DATA  MAC(0x30u)
#define FRAMES         MAC(0x34u)
#define TX_REQUEST     MAC(0x38u)
#define INTERRUPT_RX   0x01u
#define INTERRUPTS_ALL 0x7Fu
#define RX_ON          0x01u
#define RX_DROP_BAD    0x08u
#define RX_RESET       0x10u
#define TX_ON          0x01u
#define TX_PAD         0x02u
#define TX_CRC         0x04u
#define TX_FULL_DUPLEX 0x10u
#define TX_NEW         0x01u
#define MII_START      0x01u
#define MII_DIVIDE     9u /* 50 MHz / (2 * (9 + 1)) = 2.5 MHz */
#define PHY_STATUS     1u
#define PHY_IDENTITY   2u
#define PHY_LINK       0x0004u
#define USER_LOW       REGISTER(0x400FE1E0u) /* the address the factory put into the part */
#define USER_HIGH      REGISTER(0x400FE1E4u)
#define HEADER_BYTES   14u
#define LENGTH_BYTES   2u
#define CRC_BYTES      4u
#define TURNS_MAX      20000u

static struct mcu_ether chip;
static bool phy_answers;

static uint32_t phy_read(unsigned number)
{
    MII_CONTROL = number << 3 | MII_START;
    for (unsigned turn = 0; turn < TURNS_MAX && (MII_CONTROL & MII_START) != 0; turn++)
        ;
    return MII_READ_DATA & 0xFFFFu;
}

/* The first word of a frame has its length in its lower half: length and CRC included. */
static size_t receive(void *context, uint8_t *frame, size_t capacity)
{
    (void)context;
    while ((FRAMES & 0x3Fu) > 0) {
        uint32_t word = DATA;
        size_t with_all = word & 0xFFFFu;
        size_t size = with_all - LENGTH_BYTES - CRC_BYTES;
        bool fits = with_all > LENGTH_BYTES + CRC_BYTES && size <= capacity;
        size_t done = 0;
        for (size_t at = LENGTH_BYTES; at < with_all; at++) {
            if (at % 4 == 0)
                word = DATA;
            if (fits && done < size)
                frame[done++] = (uint8_t)(word >> at % 4 * 8);
        }
        if (fits)
            return size;
    }
    return 0;
}

static bool send(void *context, const uint8_t *frame, size_t size)
{
    (void)context;
    if (size < HEADER_BYTES || size > MCU_ETHER_FRAME_MAX || (TX_REQUEST & TX_NEW) != 0)
        return false;
    uint32_t word = (uint32_t)(size - HEADER_BYTES);
    for (size_t i = 0; i < size; i++) {
        size_t at = i + LENGTH_BYTES;
        word |= (uint32_t)frame[i] << at % 4 * 8;
        if (at % 4 == 3 || i + 1 == size) {
            DATA = word;
            word = 0;
        }
    }
    TX_REQUEST = TX_NEW;
    return true;
}

/* The PHY remembers a lost link until it is asked: the second answer is of now. */
static bool link_up(void *context)
{
    (void)context;
    if (!phy_answers)
        return true;
    (void)phy_read(PHY_STATUS);
    return (phy_read(PHY_STATUS) & PHY_LINK) != 0;
}

/* Clear, look, and only then open: what comes between is seen by the look or by the interrupt. */
static bool arm(void *context)
{
    (void)context;
    INTERRUPTS = INTERRUPT_RX;
    if ((FRAMES & 0x3Fu) > 0)
        return false;
    INTERRUPT_MASK = INTERRUPT_RX;
    return true;
}

void stellaris_ether_interrupt(void)
{
    INTERRUPT_MASK = 0;
    mcu_wake();
}

const struct mcu_ether *stellaris_ether_init(void)
{
    chip = (struct mcu_ether){.receive = receive, .send = send, .link_up = link_up, .arm = arm};
    for (unsigned i = 0; i < 6; i++)
        chip.mac[i] = (uint8_t)((i < 3 ? USER_LOW : USER_HIGH) >> i % 3 * 8);
    INTERRUPT_MASK = 0;
    INTERRUPTS = INTERRUPTS_ALL;
    MII_DIVIDER = MII_DIVIDE;
    uint32_t identity = phy_read(PHY_IDENTITY);
    phy_answers = identity != 0 && identity != 0xFFFFu;
    ADDRESS_LOW = (uint32_t)chip.mac[0] | (uint32_t)chip.mac[1] << 8 | (uint32_t)chip.mac[2] << 16 |
                  (uint32_t)chip.mac[3] << 24;
    ADDRESS_HIGH = (uint32_t)chip.mac[4] | (uint32_t)chip.mac[5] << 8;
    RX_CONTROL = RX_RESET;
    RX_CONTROL = RX_ON | RX_DROP_BAD;
    TX_CONTROL = TX_ON | TX_PAD | TX_CRC | TX_FULL_DUPLEX;
    interrupt_enable(STELLARIS_ETHER_INTERRUPT);
    return &chip;
}
