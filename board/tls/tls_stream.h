/* A TLS 1.2 client over any non-blocking byte stream (mbedTLS 2.28).
 *
 * The stream below, randomness and the time of day come in as functions, so a PC's socket and a
 * microcontroller's modem use the same code. The server must prove itself with a chain that ends in
 * the one CA given and with a certificate that carries the name asked for; ECDHE key exchange only.
 *
 *   tls_stream_init -> HANDSHAKE --tls_stream_handshake returns 1--> OPEN (read, write) -->
 * tls_stream_free
 *                          '---------------- any failure ------------> DEAD
 *
 * Always true: no byte of the user leaves or arrives before the server was verified; nothing here
 * blocks; a dead stream stays dead; tls_stream_free may be called after init in any state, and
 * again. The only heap used is mbedTLS's own. A struct tls_stream must not be moved between init
 * and free (mbedTLS keeps pointers into it).
 */
#ifndef BOARD_TLS_TLS_STREAM_H
#define BOARD_TLS_TLS_STREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <mbedtls/ctr_drbg.h>
#include <mbedtls/ssl.h>
#include <mbedtls/x509_crt.h>

/* The world below the stream; copied by tls_stream_init. */
struct tls_stream_io {
    /* As board.h: > 0 bytes moved, 0 nothing now, < 0 dead. */
    int (*read)(void *context, uint8_t *data, size_t size);
    int (*write)(void *context, const uint8_t *data, size_t size);
    /* Fills data with unpredictable bytes (true entropy: keys are made of it). 0 done, < 0 there is
     * none. */
    int (*random)(void *context, uint8_t *data, size_t size);
    /* Seconds since 1970 UTC, to check the validity of certificates. May be NULL or return 0 when
     * no clock is set: then validity dates are not checked. */
    uint64_t (*time)(void *context);
    void *context;
};

enum tls_stream_state {
    TLS_STREAM_UNUSED = 0,
    TLS_STREAM_HANDSHAKE,
    TLS_STREAM_OPEN,
    TLS_STREAM_DEAD
};

struct tls_stream {
    struct tls_stream_io io;
    enum tls_stream_state state;
    int error;       /* mbedTLS error, negative; 0 none */
    uint32_t verify; /* MBEDTLS_X509_BADCERT_... when the certificate was refused */
    bool working;    /* the last call stopped because a slice of its sums was done */
    size_t pending;  /* bytes of a write that mbedTLS has taken but not yet sent */
    mbedtls_ssl_context ssl;
    mbedtls_ssl_config config;
    mbedtls_x509_crt ca;
    mbedtls_ctr_drbg_context drbg;
};

/* Prepares a client. server_name: the DNS name or address that the certificate must carry, copied.
 * ca_der: one DER certificate, copied. 0 done, < 0 failed (tls_stream_error says why: no memory, no
 * entropy, CA unreadable); call tls_stream_free in both cases. */
int tls_stream_init(struct tls_stream *stream, const struct tls_stream_io *io,
                    const char *server_name, const uint8_t *ca_der, size_t ca_size);
/* One step of the handshake: 1 done, 0 call again when bytes may move, < 0 failed. Deadlines are
 * the caller's. */
int tls_stream_handshake(struct tls_stream *stream);
/* > 0 bytes read, 0 nothing now, < 0 dead (closed by the peer, or damaged). */
int tls_stream_read(struct tls_stream *stream, uint8_t *data, size_t size);
/* > 0 bytes that a read would bring, 0 none now, < 0 dead: tells the end of a stream without
 * reading it. */
int tls_stream_waiting(struct tls_stream *stream);
/* True: the last call returned 0 because it works in slices (a microcontroller); call it again at
 * once, no byte need move. */
bool tls_stream_is_working(const struct tls_stream *stream);
/* > 0 bytes taken, 0 nothing now, < 0 dead. After a 0 the caller offers the same bytes again (it
 * may have more behind them). */
int tls_stream_write(struct tls_stream *stream, const uint8_t *data, size_t size);
/* The mbedTLS error that killed the stream (negative), 0 while it lives. An orderly close by the
 * peer is MBEDTLS_ERR_SSL_PEER_CLOSE_NOTIFY; a stream below that died is MBEDTLS_ERR_SSL_CONN_EOF.
 */
int tls_stream_error(const struct tls_stream *stream);
/* What board.h wants in `detail` of BOARD_NET_TLS: the error's positive value in the low 16 bits;
 * when the certificate was refused, the lowest 16 MBEDTLS_X509_BADCERT_ bits above them. */
uint32_t tls_stream_detail(const struct tls_stream *stream);
/* True when the stream died of TLS (handshake, certificate, damaged record): BOARD_NET_TLS. False:
 * the peer or the line went away, BOARD_NET_LOST. */
bool tls_stream_failed_by_tls(const struct tls_stream *stream);
/* Says goodbye (as far as the stream below takes it at once) and gives all memory back. */
void tls_stream_free(struct tls_stream *stream);

#endif
