#include "board/tls/tls_stream.h"

#include <limits.h>
#include <string.h>

#define DAY_S 86400u
/* The register's clock is local time, and may be set by hand. */
#define CLOCK_SLACK_S  (26u * 3600u)
#define DETAIL_LOW_MAX 0xFFFFu

static const int ciphersuites[] = {MBEDTLS_TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
                                   MBEDTLS_TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
                                   MBEDTLS_TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
                                   MBEDTLS_TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
                                   MBEDTLS_TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
                                   MBEDTLS_TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
                                   0};

static int entropy(void *context, unsigned char *out, size_t size)
{
    const struct tls_stream *stream = context;
    return stream->io.random(stream->io.context, out, size) == 0
               ? 0
               : MBEDTLS_ERR_CTR_DRBG_ENTROPY_SOURCE_FAILED;
}

static int receive(void *context, unsigned char *data, size_t size)
{
    const struct tls_stream *stream = context;
    int got = stream->io.read(stream->io.context, data, size);
    return got > 0 ? got : got == 0 ? MBEDTLS_ERR_SSL_WANT_READ : MBEDTLS_ERR_SSL_CONN_EOF;
}

static int transmit(void *context, const unsigned char *data, size_t size)
{
    const struct tls_stream *stream = context;
    int taken = stream->io.write(stream->io.context, data, size);
    return taken > 0 ? taken : taken == 0 ? MBEDTLS_ERR_SSL_WANT_WRITE : MBEDTLS_ERR_SSL_CONN_EOF;
}

/* Days from civil, so that certificate dates can be compared with the board's clock. */
static uint64_t seconds_of(const mbedtls_x509_time *time)
{
    int64_t year = time->year - (time->mon <= 2);
    int64_t era_year = year % 400;
    int64_t month = (time->mon + 9) % 12;
    int64_t days = year / 400 * 146097 + era_year * 365 + era_year / 4 - era_year / 100 +
                   (153 * month + 2) / 5 + time->day - 1 - 719468;
    if (time->year < 1970)
        return 0;
    return (uint64_t)(days * (int64_t)DAY_S + time->hour * 3600 + time->min * 60 + time->sec);
}

/* mbedTLS compares with the operating system's clock; a board's time comes
 * through io.time instead. */
static int judge_dates(void *context, mbedtls_x509_crt *certificate, int depth, uint32_t *flags)
{
    const struct tls_stream *stream = context;
    uint64_t now = stream->io.time != NULL ? stream->io.time(stream->io.context) : 0;
    (void)depth;
    *flags &= ~(uint32_t)(MBEDTLS_X509_BADCERT_EXPIRED | MBEDTLS_X509_BADCERT_FUTURE);
    if (now == 0)
        return 0;
    if (seconds_of(&certificate->valid_to) + CLOCK_SLACK_S < now)
        *flags |= MBEDTLS_X509_BADCERT_EXPIRED;
    if (seconds_of(&certificate->valid_from) > now + CLOCK_SLACK_S)
        *flags |= MBEDTLS_X509_BADCERT_FUTURE;
    return 0;
}

static int die(struct tls_stream *stream, int error)
{
    stream->error = error;
    stream->state = TLS_STREAM_DEAD;
    return -1;
}

/* A small board has no room for records of full length; the server may keep to what it asks for.
 * mbedtls_ssl_conf_max_frag_len would refuse more than our own records hold, but a limit for both
 * need not be reached by both, and a certificate that is cut over two records cannot be read. */
static void ask_for_short_records(mbedtls_ssl_config *config)
{
#if defined(MBEDTLS_SSL_MAX_FRAGMENT_LENGTH) && MBEDTLS_SSL_IN_CONTENT_LEN < 16384
    config->mfl_code = MBEDTLS_SSL_IN_CONTENT_LEN >= 4096   ? MBEDTLS_SSL_MAX_FRAG_LEN_4096
                       : MBEDTLS_SSL_IN_CONTENT_LEN >= 2048 ? MBEDTLS_SSL_MAX_FRAG_LEN_2048
                                                            : MBEDTLS_SSL_MAX_FRAG_LEN_1024;
#else
    (void)config;
#endif
}

static int configure(struct tls_stream *stream, const char *server_name)
{
    mbedtls_ssl_config *config = &stream->config;
    int result = mbedtls_ssl_config_defaults(
        config, MBEDTLS_SSL_IS_CLIENT, MBEDTLS_SSL_TRANSPORT_STREAM, MBEDTLS_SSL_PRESET_DEFAULT);
    if (result != 0)
        return result;
    mbedtls_ssl_conf_min_version(config, MBEDTLS_SSL_MAJOR_VERSION_3, MBEDTLS_SSL_MINOR_VERSION_3);
    mbedtls_ssl_conf_max_version(config, MBEDTLS_SSL_MAJOR_VERSION_3, MBEDTLS_SSL_MINOR_VERSION_3);
    mbedtls_ssl_conf_ciphersuites(config, ciphersuites);
    mbedtls_ssl_conf_authmode(config, MBEDTLS_SSL_VERIFY_REQUIRED);
    mbedtls_ssl_conf_ca_chain(config, &stream->ca, NULL);
    mbedtls_ssl_conf_rng(config, mbedtls_ctr_drbg_random, &stream->drbg);
    mbedtls_ssl_conf_verify(config, judge_dates, stream);
#if defined(MBEDTLS_SSL_RENEGOTIATION)
    mbedtls_ssl_conf_renegotiation(config, MBEDTLS_SSL_RENEGOTIATION_DISABLED);
#endif
#if defined(MBEDTLS_SSL_SESSION_TICKETS)
    mbedtls_ssl_conf_session_tickets(config, MBEDTLS_SSL_SESSION_TICKETS_DISABLED);
#endif
    ask_for_short_records(config);
    result = mbedtls_ssl_setup(&stream->ssl, config);
    if (result == 0)
        result = mbedtls_ssl_set_hostname(&stream->ssl, server_name);
    if (result == 0)
        mbedtls_ssl_set_bio(&stream->ssl, stream, transmit, receive, NULL);
    return result;
}

int tls_stream_init(struct tls_stream *stream, const struct tls_stream_io *io,
                    const char *server_name, const uint8_t *ca_der, size_t ca_size)
{
    static const uint8_t personal[] = "OpenKKT operator link";
    int result;
    memset(stream, 0, sizeof *stream);
    stream->io = *io;
    stream->state = TLS_STREAM_HANDSHAKE;
    mbedtls_ssl_init(&stream->ssl);
    mbedtls_ssl_config_init(&stream->config);
    mbedtls_x509_crt_init(&stream->ca);
    mbedtls_ctr_drbg_init(&stream->drbg);
    if (server_name == NULL || server_name[0] == '\0' || ca_der == NULL || ca_size == 0)
        return die(stream, MBEDTLS_ERR_SSL_BAD_INPUT_DATA); /* without them nobody is verified */
    result = mbedtls_ctr_drbg_seed(&stream->drbg, entropy, stream, personal, sizeof personal);
    if (result == 0)
        result = mbedtls_x509_crt_parse_der(&stream->ca, ca_der, ca_size);
    if (result == 0)
        result = configure(stream, server_name);
    return result == 0 ? 0 : die(stream, result);
}

/* The last of them: elliptic curves worked in slices, where mbedTLS is built so. */
static bool again(struct tls_stream *stream, int result)
{
    stream->working = result == MBEDTLS_ERR_SSL_CRYPTO_IN_PROGRESS;
    return stream->working || result == MBEDTLS_ERR_SSL_WANT_READ ||
           result == MBEDTLS_ERR_SSL_WANT_WRITE;
}

int tls_stream_handshake(struct tls_stream *stream)
{
    int result;
    if (stream->state == TLS_STREAM_OPEN)
        return 1;
    if (stream->state != TLS_STREAM_HANDSHAKE)
        return -1;
    result = mbedtls_ssl_handshake(&stream->ssl);
    if (again(stream, result))
        return 0;
    stream->verify = mbedtls_ssl_get_verify_result(&stream->ssl);
    if (stream->verify == UINT32_MAX)
        stream->verify = 0; /* it never came to a certificate */
    if (result != 0)
        return die(stream, result);
    stream->state = TLS_STREAM_OPEN;
    return 1;
}

int tls_stream_read(struct tls_stream *stream, uint8_t *data, size_t size)
{
    int result;
    if (stream->state != TLS_STREAM_OPEN)
        return stream->state == TLS_STREAM_HANDSHAKE ? 0 : -1;
    if (size == 0)
        return 0;
    result = mbedtls_ssl_read(&stream->ssl, data, size > INT_MAX ? INT_MAX : size);
    if (result > 0)
        return result;
    if (again(stream, result))
        return 0;
    return die(stream, result == 0 ? MBEDTLS_ERR_SSL_CONN_EOF : result);
}

int tls_stream_waiting(struct tls_stream *stream)
{
    size_t ready;
    uint8_t nothing;
    int result = 0;
    if (stream->state != TLS_STREAM_OPEN)
        return stream->state == TLS_STREAM_HANDSHAKE ? 0 : -1;
    /* A read of no bytes fetches the next record and leaves it; 0 may also be the end. */
    if (mbedtls_ssl_get_bytes_avail(&stream->ssl) == 0)
        result = mbedtls_ssl_read(&stream->ssl, &nothing, 0);
    ready = mbedtls_ssl_get_bytes_avail(&stream->ssl);
    if (ready > 0)
        return ready > INT_MAX ? INT_MAX : (int)ready;
    if (again(stream, result))
        return 0;
    return die(stream, result == 0 ? MBEDTLS_ERR_SSL_CONN_EOF : result);
}

bool tls_stream_is_working(const struct tls_stream *stream)
{
    return stream->working;
}

int tls_stream_write(struct tls_stream *stream, const uint8_t *data, size_t size)
{
    int result;
    if (stream->state != TLS_STREAM_OPEN)
        return stream->state == TLS_STREAM_HANDSHAKE ? 0 : -1;
    /* After WANT_WRITE mbedTLS holds a sealed record and must be called with the size it was made
     * of. */
    if (stream->pending != 0) {
        if (size < stream->pending)
            return die(stream, MBEDTLS_ERR_SSL_BAD_INPUT_DATA);
        size = stream->pending;
    }
    if (size == 0)
        return 0;
    if (size > INT_MAX)
        size = INT_MAX;
    result = mbedtls_ssl_write(&stream->ssl, data, size);
    if (result > 0) {
        stream->pending = 0;
        return result;
    }
    if (again(stream, result)) {
        stream->pending = size;
        return 0;
    }
    return die(stream, result == 0 ? MBEDTLS_ERR_SSL_CONN_EOF : result);
}

int tls_stream_error(const struct tls_stream *stream)
{
    return stream->error;
}

uint32_t tls_stream_detail(const struct tls_stream *stream)
{
    uint32_t low = (uint32_t)-stream->error & DETAIL_LOW_MAX;
    return low | (stream->verify & DETAIL_LOW_MAX) << 16;
}

bool tls_stream_failed_by_tls(const struct tls_stream *stream)
{
    return stream->error != 0 && stream->error != MBEDTLS_ERR_SSL_CONN_EOF &&
           stream->error != MBEDTLS_ERR_SSL_PEER_CLOSE_NOTIFY;
}

void tls_stream_free(struct tls_stream *stream)
{
    if (stream->state == TLS_STREAM_UNUSED)
        return;
    if (stream->state == TLS_STREAM_OPEN)
        (void)mbedtls_ssl_close_notify(&stream->ssl);
    mbedtls_ssl_free(&stream->ssl);
    mbedtls_ssl_config_free(&stream->config);
    mbedtls_x509_crt_free(&stream->ca);
    mbedtls_ctr_drbg_free(&stream->drbg);
    stream->state = TLS_STREAM_UNUSED;
}
