#include "board/mcu/mcu_net.h"

#include <string.h>

#include <lwip/dhcp.h>
#include <lwip/dns.h>
#include <lwip/etharp.h>
#include <lwip/init.h>
#include <lwip/tcp.h>
#include <lwip/timeouts.h>
#include <mbedtls/ecp.h>
#include <mbedtls/platform.h>
#include <netif/ethernet.h>

#include "board/mcu/mcu_pool.h"
#include "board/tls/tls_stream.h"

#define CONNECT_MS    30000u
#define LINK_CHECK_MS 200u
#define SLEEP_MAX_MS  1000u
#define FRAMES_A_STEP 8u
#define HOST_MAX      256u /* characters, as DNS has it */
#define TLS_SLICE     200u /* elliptic curve operations a step: about 3 million instructions */
#define MTU           1500u
/* Buffers of records both ways, and a handshake's keys, curves and certificates. Measured beside
 * the records: 5.0 KiB with the server's certificate alone, 6.0 with one between it and the CA, 6.6
 * when the CA's own is sent as well. */
#ifndef MCU_TLS_POOL_BYTES
#define MCU_TLS_POOL_BYTES (MCU_TLS_IN_BYTES + MCU_TLS_OUT_BYTES + 7u * 1024u + 512u)
#endif

#define FRAME_BUFFERS                                                                              \
    ((MCU_ETHER_FRAME_MAX + ETH_PAD_SIZE + PBUF_POOL_BUFSIZE - 1) / PBUF_POOL_BUFSIZE)
/* Buffers of unread bytes; the rest of the pool is for frames, and one always finds room. */
#define HELD_MAX (PBUF_POOL_SIZE - FRAME_BUFFERS - 1u)
_Static_assert(TCP_WND < HELD_MAX * PBUF_POOL_BUFSIZE, "what the window lets in can be held");
_Static_assert(HOST_MAX <= DNS_MAX_NAME_LENGTH, "a name that is taken can be asked for");

enum phase {
    PHASE_CLOSED = 0,
    PHASE_NAMING, /* until there is an address of our own, and the server's */
    PHASE_CONNECTING,
    PHASE_HANDSHAKE,
    PHASE_OPEN,
    PHASE_FAILED
};

static struct mcu_net {
    struct mcu_net_options options;
    struct netif netif;
    mono_ms now, link_checked, deadline;
    bool link;
    enum phase phase;
    enum board_net_error error;
    uint32_t detail;
    char host[HOST_MAX];
    uint16_t port;
    bool secure, tls_ready;
    /* Of the question for the name; an answer to an older one is not ours. */
    uintptr_t question;
    bool asked, answered, found;
    ip_addr_t address;
    struct tcp_pcb *pcb; /* NULL: none, or lwIP gave it up */
    err_t lost;          /* why it did */
    bool ended;          /* the peer sends no more */
    bool moved;          /* something happened that firmware should look at */
    struct pbuf *in;     /* arrived, not read */
    struct tls_stream tls;
} net;

/* The one that comes or goes; never both at once. */
static uint8_t frame[MCU_ETHER_FRAME_MAX];
static uint64_t tls_memory[MCU_TLS_POOL_BYTES / sizeof(uint64_t)];
static struct mcu_pool tls_pool;

static void look_at_link(void);

/* ---- what mbedTLS asks of us ---- */

static void *tls_calloc(size_t count, size_t size)
{
    return mcu_pool_calloc(&tls_pool, count, size);
}

static void tls_free(void *block)
{
    mcu_pool_free(&tls_pool, block);
}

size_t mcu_net_tls_peak(void)
{
    return mcu_pool_peak_bytes(&tls_pool);
}

/* ---- what lwIP asks of us ---- */

u32_t sys_now(void);
u32_t sys_now(void)
{
    return (u32_t)net.now;
}

uint32_t mcu_net_random_word(void)
{
    static uint32_t count;
    uint32_t word;
    if (net.options.random(net.options.context, (uint8_t *)&word, sizeof word) == 0)
        return word;
    /* Without entropy there is no TLS, but plain TCP still works. */
    return (++count * 2654435761u) ^ (uint32_t)net.now;
}

static err_t send_frame(struct netif *netif, struct pbuf *packet)
{
    const struct mcu_ether *ether = net.options.ether;
    uint16_t size = (uint16_t)(packet->tot_len - ETH_PAD_SIZE);
    (void)netif;
    if (size > sizeof frame)
        return ERR_IF;
    (void)pbuf_copy_partial(packet, frame, size, ETH_PAD_SIZE);
    return ether->send(ether->context, frame, size) ? ERR_OK : ERR_IF;
}

static err_t start_netif(struct netif *netif)
{
    netif->name[0] = 'e';
    netif->name[1] = 'n';
    netif->output = etharp_output;
    netif->linkoutput = send_frame;
    netif->mtu = MTU;
    netif->hwaddr_len = ETH_HWADDR_LEN;
    memcpy(netif->hwaddr, net.options.ether->mac, ETH_HWADDR_LEN);
    netif->flags = NETIF_FLAG_BROADCAST | NETIF_FLAG_ETHARP | NETIF_FLAG_ETHERNET;
    return ERR_OK;
}

static void address_of(const uint8_t octets[4], ip4_addr_t *address)
{
    IP4_ADDR(address, octets[0], octets[1], octets[2], octets[3]);
}

void mcu_net_init(const struct mcu_net_options *options)
{
    ip4_addr_t address, mask, gateway, dns;
    memset(&net, 0, sizeof net);
    net.options = *options;
    mcu_pool_init(&tls_pool, tls_memory, sizeof tls_memory);
    (void)mbedtls_platform_set_calloc_free(tls_calloc, tls_free);
    mbedtls_ecp_set_max_ops(TLS_SLICE);
    lwip_init();
    address_of(options->address, &address);
    address_of(options->mask, &mask);
    address_of(options->gateway, &gateway);
    address_of(options->dns, &dns);
    (void)netif_add(&net.netif, &address, &mask, &gateway, NULL, start_netif, ethernet_input);
    netif_set_default(&net.netif);
    netif_set_up(&net.netif);
    look_at_link();
    if (options->address[0] == 0)
        (void)dhcp_start(&net.netif);
    else if (options->dns[0] != 0)
        dns_setserver(0, &dns);
}

/* ---- the connection's end ---- */

static void drop_unread(void)
{
    if (net.in == NULL)
        return;
    if (net.pcb != NULL)
        tcp_recved(net.pcb, net.in->tot_len);
    pbuf_free(net.in);
    net.in = NULL;
}

static void let_go_of_tcp(bool orderly)
{
    struct tcp_pcb *pcb = net.pcb;
    drop_unread();
    net.pcb = NULL;
    if (pcb == NULL)
        return;
    tcp_arg(pcb, NULL);
    tcp_recv(pcb, NULL);
    tcp_err(pcb, NULL);
    tcp_setprio(pcb, TCP_PRIO_MIN); /* its goodbye gives way to a new connection */
    if (!orderly || tcp_close(pcb) != ERR_OK)
        tcp_abort(pcb);
}

static void release(bool orderly)
{
    if (net.tls_ready)
        tls_stream_free(&net.tls);
    net.tls_ready = false;
    let_go_of_tcp(orderly);
    net.question++;
    net.asked = net.answered = net.found = net.ended = false;
    net.lost = ERR_OK;
}

static void fail(enum board_net_error error, uint32_t detail)
{
    release(net.ended);
    net.phase = PHASE_FAILED;
    net.error = error;
    net.detail = detail;
    net.moved = true;
}

static void fail_of_tls(void)
{
    uint32_t detail = tls_stream_detail(&net.tls);
    fail(tls_stream_failed_by_tls(&net.tls) ? BOARD_NET_TLS : BOARD_NET_LOST, detail);
}

/* ---- lwIP's calls: they only note what happened ---- */

static err_t received(void *context, struct tcp_pcb *pcb, struct pbuf *data, err_t error)
{
    (void)context, (void)pcb, (void)error;
    if (data == NULL) {
        net.ended = net.moved = true;
        return ERR_OK;
    }
    /* Many small pieces must not eat the pool; lwIP offers them again. */
    if (net.in != NULL && pbuf_clen(net.in) >= HELD_MAX)
        return ERR_MEM;
    if (net.in == NULL)
        net.in = data;
    else
        pbuf_cat(net.in, data);
    net.moved = true;
    return ERR_OK;
}

static void gone(void *context, err_t error)
{
    (void)context;
    net.pcb = NULL; /* lwIP has freed it */
    net.lost = error;
    net.ended = net.moved = true;
}

static err_t connected(void *context, struct tcp_pcb *pcb, err_t error)
{
    (void)context, (void)pcb, (void)error;
    net.moved = true;
    net.phase = net.secure ? PHASE_HANDSHAKE : PHASE_OPEN;
    return ERR_OK;
}

static void named(const char *name, const ip_addr_t *address, void *context)
{
    (void)name;
    if (net.phase != PHASE_NAMING || (uintptr_t)context != net.question)
        return;
    net.answered = net.moved = true;
    net.found = address != NULL;
    if (address != NULL)
        net.address = *address;
}

/* ---- bytes ---- */

static int wire_read(void *context, uint8_t *data, size_t size)
{
    uint16_t taken;
    (void)context;
    if (net.in == NULL)
        return net.ended ? -1 : 0;
    taken = pbuf_copy_partial(net.in, data, (u16_t)LWIP_MIN(size, 0x7FFFu), 0);
    net.in = pbuf_free_header(net.in, taken);
    if (net.pcb != NULL)
        tcp_recved(net.pcb, taken);
    return taken;
}

static int wire_write(void *context, const uint8_t *data, size_t size)
{
    err_t result;
    (void)context;
    if (net.pcb == NULL)
        return -1;
    size = LWIP_MIN(size, tcp_sndbuf(net.pcb));
    if (size == 0)
        return 0;
    result = tcp_write(net.pcb, data, (u16_t)size, TCP_WRITE_FLAG_COPY);
    if (result == ERR_MEM && size > TCP_MSS / 2) {
        size = TCP_MSS / 2;
        result = tcp_write(net.pcb, data, (u16_t)size, TCP_WRITE_FLAG_COPY);
    }
    if (result != ERR_OK)
        return result == ERR_MEM ? 0 : -1;
    (void)tcp_output(net.pcb);
    return (int)size;
}

static int wire_random(void *context, uint8_t *data, size_t size)
{
    (void)context;
    return net.options.random(net.options.context, data, size);
}

static uint64_t wire_time(void *context)
{
    (void)context;
    return net.options.time != NULL ? net.options.time(net.options.context) : 0;
}

/* ---- the way to OPEN ---- */

int mcu_net_open(const struct board_endpoint *endpoint, mono_ms now)
{
    static const struct tls_stream_io io = {wire_read, wire_write, wire_random, wire_time, NULL};
    size_t length = strlen(endpoint->host);
    release(false);
    net.phase = PHASE_NAMING;
    net.error = BOARD_NET_OK;
    net.detail = 0;
    net.now = now;
    net.deadline = now + CONNECT_MS;
    net.port = endpoint->port;
    net.secure = endpoint->tls;
    net.moved = true;
    if (!net.link) {
        fail(BOARD_NET_DOWN, 0);
    } else if (length == 0 || length >= sizeof net.host) {
        fail(BOARD_NET_NAME, 0);
    } else {
        memcpy(net.host, endpoint->host, length + 1);
        if (!net.secure)
            return 0;
        /* Now, while the certificate lies there; mbedTLS keeps a copy of its own. */
        net.tls_ready = true;
        if (tls_stream_init(&net.tls, &io, net.host, endpoint->ca, endpoint->ca_size) != 0)
            fail(BOARD_NET_TLS, tls_stream_detail(&net.tls));
    }
    return 0; /* the request was taken; its failure is told by the state, like any other */
}

static void connect_to_address(void)
{
    net.pcb = tcp_new();
    if (net.pcb == NULL)
        return; /* all of them say goodbye: again at the next turn */
    net.phase = PHASE_CONNECTING;
    tcp_nagle_disable(net.pcb);
    tcp_recv(net.pcb, received);
    tcp_err(net.pcb, gone);
    if (tcp_connect(net.pcb, &net.address, net.port, connected) != ERR_OK)
        fail(BOARD_NET_DOWN, 0);
}

static void pump_naming(void)
{
    if (!net.asked) {
        err_t result;
        if (ip4_addr_isany_val(*netif_ip4_addr(&net.netif)))
            return; /* DHCP has not answered yet */
        /* The answer can be there at once. */
        result = dns_gethostbyname(net.host, &net.address, named, (void *)net.question);
        if (result == ERR_MEM)
            return; /* an older question still waits for its answer */
        net.asked = true;
        net.answered = result != ERR_INPROGRESS;
        net.found = result == ERR_OK;
    }
    if (!net.answered)
        return;
    if (net.found)
        connect_to_address();
    else
        fail(BOARD_NET_NAME, 0);
}

static void pump_connecting(void)
{
    if (!net.ended)
        return;
    fail(net.lost == ERR_RST    ? BOARD_NET_REFUSED
         : net.lost == ERR_ABRT ? BOARD_NET_TIMEOUT
                                : BOARD_NET_LOST,
         0);
}

static void pump_handshake(void)
{
    int done = tls_stream_handshake(&net.tls);
    if (done < 0) {
        fail_of_tls();
        return;
    }
    if (done > 0)
        net.phase = PHASE_OPEN;
    if (done > 0 || tls_stream_is_working(&net.tls))
        net.moved = true;
}

/* What arrived before the end is read before the state becomes FAILED. */
static void pump_open(void)
{
    if (net.in == NULL && !net.ended)
        return;
    if (!net.secure) {
        if (net.in == NULL)
            fail(BOARD_NET_LOST, 0);
    } else if (tls_stream_waiting(&net.tls) < 0) {
        fail_of_tls();
    }
}

static void pump(void)
{
    switch (net.phase) {
    case PHASE_NAMING:
        pump_naming();
        break;
    case PHASE_CONNECTING:
        pump_connecting();
        break;
    case PHASE_HANDSHAKE:
        pump_handshake();
        break;
    case PHASE_OPEN:
        pump_open();
        return;
    default:
        return;
    }
    if (net.phase < PHASE_OPEN && net.now >= net.deadline) {
        bool address = !ip4_addr_isany_val(*netif_ip4_addr(&net.netif));
        fail(address ? BOARD_NET_TIMEOUT : BOARD_NET_DOWN, 0);
    }
}

/* ---- one turn ---- */

static void look_at_link(void)
{
    const struct mcu_ether *ether = net.options.ether;
    bool link;
    if (net.link_checked != 0 && net.now - net.link_checked < LINK_CHECK_MS)
        return;
    net.link_checked = net.now;
    link = ether->link_up(ether->context);
    if (link == net.link)
        return;
    net.link = link;
    if (link) {
        netif_set_link_up(&net.netif);
        return;
    }
    netif_set_link_down(&net.netif);
    if (net.phase == PHASE_OPEN)
        fail(BOARD_NET_LOST, 0);
    else if (net.phase != PHASE_CLOSED && net.phase != PHASE_FAILED)
        fail(BOARD_NET_DOWN, 0);
}

static bool take_frame(void)
{
    const struct mcu_ether *ether = net.options.ether;
    size_t size = ether->receive(ether->context, frame, sizeof frame);
    struct pbuf *packet;
    if (size == 0)
        return false;
    packet = pbuf_alloc(PBUF_RAW, (u16_t)(size + ETH_PAD_SIZE), PBUF_POOL);
    if (packet == NULL)
        return true; /* lost, as on any wire */
    (void)pbuf_take_at(packet, frame, (u16_t)size, ETH_PAD_SIZE);
    if (net.netif.input(packet, &net.netif) != ERR_OK)
        pbuf_free(packet);
    return true;
}

uint32_t mcu_net_step(mono_ms now)
{
    uint32_t sleep_ms;
    unsigned frames = 0;
    net.now = now;
    look_at_link();
    while (frames < FRAMES_A_STEP && take_frame())
        frames++;
    sys_check_timeouts();
    pump();
    if (net.moved || frames > 0) {
        net.moved = false;
        return 0;
    }
    sleep_ms = sys_timeouts_sleeptime();
    if (sleep_ms > SLEEP_MAX_MS)
        sleep_ms = SLEEP_MAX_MS;
    if (sleep_ms > LINK_CHECK_MS)
        sleep_ms = LINK_CHECK_MS;
    return sleep_ms;
}

enum board_net_state mcu_net_state(enum board_net_error *error, uint32_t *detail)
{
    if (error != NULL)
        *error = net.error;
    if (detail != NULL)
        *detail = net.detail;
    switch (net.phase) {
    case PHASE_CLOSED:
        return BOARD_NET_CLOSED;
    case PHASE_OPEN:
        return BOARD_NET_OPEN;
    case PHASE_FAILED:
        return BOARD_NET_FAILED;
    default:
        return BOARD_NET_CONNECTING;
    }
}

int mcu_net_read(uint8_t *data, size_t size)
{
    int got;
    if (net.phase != PHASE_OPEN)
        return -1;
    if (!net.secure)
        return net.in != NULL ? wire_read(NULL, data, size) : 0;
    got = tls_stream_read(&net.tls, data, size);
    if (got < 0)
        fail_of_tls();
    return got;
}

int mcu_net_write(const uint8_t *data, size_t size)
{
    int taken;
    if (net.phase != PHASE_OPEN)
        return -1;
    /* The peer may have said something before it went away: pump_open tells the end when it was
     * read. */
    if (net.pcb == NULL)
        return 0;
    taken = net.secure ? tls_stream_write(&net.tls, data, size) : wire_write(NULL, data, size);
    if (taken < 0) {
        if (net.secure)
            fail_of_tls();
        else
            fail(BOARD_NET_LOST, 0);
    }
    return taken;
}

void mcu_net_close(void)
{
    release(net.phase == PHASE_OPEN);
    net.phase = PHASE_CLOSED;
    net.error = BOARD_NET_OK;
    net.detail = 0;
}
