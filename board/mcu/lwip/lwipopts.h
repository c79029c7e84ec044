/* lwIP for one outgoing TCP connection: no operating system, raw interface, everything static.
 *
 * The window is smaller than the pool of buffers holds, so a sender that keeps to it never makes
 * the board drop a frame; and smaller than the Ethernet chip's memory.
 */
#ifndef BOARD_MCU_LWIPOPTS_H
#define BOARD_MCU_LWIPOPTS_H

#define NO_SYS               1
#define SYS_LIGHTWEIGHT_PROT 0
#define LWIP_SOCKET          0
#define LWIP_NETCONN         0
#define LWIP_STATS           0
#define LWIP_NOASSERT        1
#define LWIP_SINGLE_NETIF    1

#define LWIP_IPV4     1
#define LWIP_IPV6     0
#define LWIP_ARP      1
#define LWIP_ICMP     1
#define LWIP_RAW      0
#define LWIP_UDP      1
#define LWIP_TCP      1
#define LWIP_DHCP     1
#define LWIP_DNS      1
#define LWIP_AUTOIP   0
#define LWIP_IGMP     0
#define IP_REASSEMBLY 0
#define IP_FRAG       0

#define LWIP_NETIF_LINK_CALLBACK   0
#define LWIP_NETIF_STATUS_CALLBACK 0
#define LWIP_DHCP_DOES_ACD_CHECK   0
#define DHCP_DOES_ARP_CHECK        0
#define ARP_TABLE_SIZE             4
#define ARP_QUEUEING               0
#define DNS_TABLE_SIZE             1
#define DNS_MAX_NAME_LENGTH        256

#define ETH_PAD_SIZE  2 /* the IP header lies on a word */
#define MEM_ALIGNMENT 4
/* board/NAME/profile.h may say less. */
#ifdef MCU_LWIP_HEAP_BYTES
#define MEM_SIZE MCU_LWIP_HEAP_BYTES
#else
#define MEM_SIZE 2560
#endif
#ifdef MCU_LWIP_BUFFERS
#define PBUF_POOL_SIZE MCU_LWIP_BUFFERS
#else
#define PBUF_POOL_SIZE 8
#endif
#define TCP_MSS 536
/* Not every peer keeps to the segment size we ask for (QEMU's user network does not): what arrives
 * may be as long as a frame, in a chain of buffers. */
#if PBUF_POOL_SIZE < 8
#define TCP_WND (2 * TCP_MSS)
#else
#define TCP_WND (3 * TCP_MSS)
#endif
#define TCP_SND_BUF        (3 * TCP_MSS)
#define TCP_SND_QUEUELEN   8
#define MEMP_NUM_TCP_SEG   8
#define TCP_QUEUE_OOSEQ    0 /* a lost segment brings those behind it again; no buffers wait for it */
#define LWIP_TCP_SACK_OUT  0
#define TCP_LISTEN_BACKLOG 0

#define MEMP_NUM_TCP_PCB        3 /* one lives, others are saying goodbye */
#define MEMP_NUM_TCP_PCB_LISTEN 1
#define MEMP_NUM_UDP_PCB        2 /* DHCP, DNS */
#define MEMP_NUM_PBUF           4
#define MEMP_NUM_ARP_QUEUE      2

#define LWIP_CHECKSUM_ON_COPY 0

/* The sequence number a connection begins with cannot be guessed. */
struct tcp_pcb;
#define LWIP_HOOK_TCP_ISN(local_ip, local_port, remote_ip, remote_port) mcu_net_random_word()

#endif
