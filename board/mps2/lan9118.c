#include "board/mps2/lan9118.h"

#include <string.h>

#include "board/mcu/cortex_m3.h"
#include "board/mcu/mcu_time.h"

#define CHIP(offset) REGISTER(0x40200000u + (offset))
#define RX_DATA      CHIP(0x00u)
#define TX_DATA      CHIP(0x20u)
#define RX_STATUS    CHIP(0x40u)
#define TX_STATUS    CHIP(0x48u)
#define IRQ_CFG      CHIP(0x54u)
#define INT_STS      CHIP(0x58u)
#define INT_EN       CHIP(0x5Cu)
#define BYTE_TEST    CHIP(0x64u)
#define FIFO_INT     CHIP(0x68u)
#define RX_CFG       CHIP(0x6Cu)
#define TX_CFG       CHIP(0x70u)
#define HW_CFG       CHIP(0x74u)
#define RX_DP_CTRL   CHIP(0x78u)
#define RX_FIFO_INF  CHIP(0x7Cu)
#define TX_FIFO_INF  CHIP(0x80u)
#define MAC_COMMAND  CHIP(0xA4u)
#define MAC_DATA     CHIP(0xA8u)

#define MAC_BUSY     0x80000000u
#define MAC_READ     0x40000000u
#define MAC_CR       1u
#define MAC_HIGH     2u
#define MAC_LOW      3u
#define MAC_MII_ACC  6u
#define MAC_MII_DATA 7u

#define MAC_FULL_DUPLEX 0x00100000u
#define MAC_TX_ON       0x00000008u
#define MAC_RX_ON       0x00000004u
#define MII_BUSY        1u
#define MII_WRITE       2u
#define PHY_CONTROL     0u
#define PHY_STATUS      1u
#define PHY_NEGOTIATE   0x1200u
#define PHY_LINK        0x0004u
#define BYTE_TEST_VALUE 0x87654321u
#define INT_RX_STATUS   0x00000008u
#define IRQ_ON_HIGH     0x00000111u /* on, active high, push-pull: otherwise the line is stuck */
#define RX_ERRORS       0x00008000u
#define RX_PAD          2u /* bytes the chip puts before a frame, so that IP lies on a word */
#define RX_DISCARD      0x80000000u
#define CRC_BYTES       4u
#define TX_ONE_SEGMENT  0x00003000u /* first and last */
#define TX_ON           2u
#define TX_STATUS_MASK  0x00FF0000u
#define TURNS_MAX       100000u /* of waiting for the chip: some milliseconds */
#define PHY_ADDRESS     1u

static struct mcu_ether chip;
static bool present;

static bool wait_mac(void)
{
    for (unsigned turn = 0; turn < TURNS_MAX; turn++) {
        if ((MAC_COMMAND & MAC_BUSY) == 0)
            return true;
    }
    return false;
}

static uint32_t mac_read(unsigned number)
{
    MAC_COMMAND = MAC_BUSY | MAC_READ | number;
    return wait_mac() ? MAC_DATA : 0;
}

static void mac_write(unsigned number, uint32_t value)
{
    MAC_DATA = value;
    MAC_COMMAND = MAC_BUSY | number;
    (void)wait_mac();
}

static void wait_mii(void)
{
    for (unsigned turn = 0; turn < TURNS_MAX && (mac_read(MAC_MII_ACC) & MII_BUSY) != 0; turn++)
        ;
}

static uint32_t phy_read(unsigned number)
{
    mac_write(MAC_MII_ACC, PHY_ADDRESS << 11 | number << 6 | MII_BUSY);
    wait_mii();
    return mac_read(MAC_MII_DATA);
}

static void phy_write(unsigned number, uint32_t value)
{
    mac_write(MAC_MII_DATA, value);
    mac_write(MAC_MII_ACC, PHY_ADDRESS << 11 | number << 6 | MII_WRITE | MII_BUSY);
    wait_mii();
}

static unsigned frames_waiting(void)
{
    return RX_FIFO_INF >> 16 & 0xFFu;
}

static void discard(unsigned words)
{
    /* The chip can skip a frame by itself, but only one of at least four words. */
    if (words >= 4) {
        RX_DP_CTRL = RX_DISCARD;
        for (unsigned turn = 0; turn < TURNS_MAX && (RX_DP_CTRL & RX_DISCARD) != 0; turn++)
            ;
        return;
    }
    while (words-- > 0)
        (void)RX_DATA;
}

static void read_frame(uint8_t *frame, size_t size, unsigned words)
{
    uint32_t word = RX_DATA; /* its first two bytes are padding */
    size_t done = 0;
    word >>= 8 * RX_PAD;
    for (unsigned left = 4 - RX_PAD; words > 0;) {
        for (; left > 0 && done < size; left--, word >>= 8)
            frame[done++] = (uint8_t)word;
        if (--words == 0)
            break;
        word = RX_DATA;
        left = 4;
    }
}

static size_t receive(void *context, uint8_t *frame, size_t capacity)
{
    (void)context;
    /* A bad frame does not hide a good one behind it. */
    while (present && frames_waiting() > 0) {
        uint32_t status = RX_STATUS;
        size_t with_crc = status >> 16 & 0x3FFFu;
        unsigned words = (unsigned)((with_crc + RX_PAD + 3u) / 4u);
        if ((status & RX_ERRORS) != 0 || with_crc <= CRC_BYTES || with_crc - CRC_BYTES > capacity) {
            discard(words);
            continue;
        }
        read_frame(frame, with_crc - CRC_BYTES, words);
        return with_crc - CRC_BYTES;
    }
    return 0;
}

static bool send(void *context, const uint8_t *frame, size_t size)
{
    (void)context;
    /* Two words of commands stand before the data. */
    if (!present || size == 0 || size > MCU_ETHER_FRAME_MAX ||
        (TX_FIFO_INF & 0xFFFFu) < size + 3u + 8u)
        return false;
    TX_DATA = TX_ONE_SEGMENT | (uint32_t)size;
    TX_DATA = (uint32_t)size;
    for (size_t i = 0; i < size; i += 4) {
        uint32_t word = 0;
        memcpy(&word, frame + i, size - i < 4 ? size - i : 4);
        TX_DATA = word;
    }
    while ((TX_FIFO_INF & TX_STATUS_MASK) != 0)
        (void)TX_STATUS;
    return true;
}

/* The chip remembers a lost link until it is asked: the second answer is of now. */
static bool link_up(void *context)
{
    (void)context;
    if (!present)
        return false;
    (void)phy_read(PHY_STATUS);
    return (phy_read(PHY_STATUS) & PHY_LINK) != 0;
}

/* The status is set by an arrival only, so: clear, look, and only then open. */
static bool arm(void *context)
{
    (void)context;
    if (!present)
        return true;
    INT_STS = INT_RX_STATUS;
    if (frames_waiting() > 0)
        return false;
    INT_EN = INT_RX_STATUS;
    return true;
}

void lan9118_interrupt(void)
{
    INT_EN = 0;
    mcu_wake();
}

const struct mcu_ether *lan9118_init(void)
{
    uint32_t low, high;
    chip = (struct mcu_ether){.receive = receive, .send = send, .link_up = link_up, .arm = arm};
    present = BYTE_TEST == BYTE_TEST_VALUE;
    if (!present)
        return &chip;
    HW_CFG = 1; /* reset */
    for (unsigned turn = 0; turn < TURNS_MAX && (HW_CFG & 1u) != 0; turn++)
        ;
    HW_CFG = 5u << 16 | 1u << 20; /* transmit FIFO 5 KB; must be one */
    INT_EN = 0;
    INT_STS = 0xFFFFFFFFu;
    FIFO_INT = 0;
    IRQ_CFG = IRQ_ON_HIGH;
    low = mac_read(MAC_LOW);
    high = mac_read(MAC_HIGH);
    for (unsigned i = 0; i < 6; i++)
        chip.mac[i] = (uint8_t)(i < 4 ? low >> 8 * i : high >> 8 * (i - 4));
    phy_write(PHY_CONTROL, PHY_NEGOTIATE);
    RX_CFG = RX_PAD << 8;
    mac_write(MAC_CR, MAC_FULL_DUPLEX | MAC_TX_ON | MAC_RX_ON);
    TX_CFG = TX_ON;
    interrupt_enable(LAN9118_INTERRUPT);
    return &chip;
}
