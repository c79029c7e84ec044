#include "tools/ofd/ofd_identity.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <mbedtls/ecp.h>
#include <mbedtls/error.h>
#include <mbedtls/oid.h>
#include <mbedtls/x509.h>

#define PATH_SIZE   512
#define TEXT_SIZE   4096
#define DER_SIZE    2048
#define VALID_YEARS 10
#define CA_NAME     "CN=OpenKKT test operator CA"
#define SERVER_NAME "CN=localhost"
#define TIME_TEXT   16 /* YYYYMMDDhhmmss and a zero */

/* GeneralNames: DNS localhost, DNS 127.0.0.1, DNS 10.0.2.2 (mbedTLS 2.28 compares names only with
 * DNS entries), IP 127.0.0.1, IP ::1, IP 10.0.2.2. The last is this PC for a board in QEMU. */
static const unsigned char alternative_names[] = {
    0x30, 62,  0x82, 9,   'l', 'o', 'c', 'a', 'l',  'h', 'o',  's', 't', 0x82, 9,   '1',
    '2',  '7', '.',  '0', '.', '0', '.', '1', 0x82, 8,   '1',  '0', '.', '0',  '.', '2',
    '.',  '2', 0x87, 4,   127, 0,   0,   1,   0x87, 16,  0,    0,   0,   0,    0,   0,
    0,    0,   0,    0,   0,   0,   0,   0,   0,    1,   0x87, 4,   10,  0,    2,   2};
_Static_assert(sizeof alternative_names == 2 + 62, "DER length byte of alternative_names");

static bool explain(int result, const char *what, char *error, size_t error_size)
{
    char text[128];
    mbedtls_strerror(result, text, sizeof text);
    (void)snprintf(error, error_size, "%s: %s", what, text);
    return false;
}

static bool write_file(const char *directory, const char *name, const void *bytes, size_t size,
                       mode_t mode, char *error, size_t error_size)
{
    char path[PATH_SIZE], temporary[PATH_SIZE + 8];
    bool written;
    int file;
    (void)snprintf(path, sizeof path, "%s/%s", directory, name);
    (void)snprintf(temporary, sizeof temporary, "%s.new", path);
    file = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode);
    written = file >= 0 && write(file, bytes, size) == (ssize_t)size && fsync(file) == 0;
    if (file >= 0)
        written = close(file) == 0 && written;
    if (written && rename(temporary, path) == 0)
        return true;
    (void)snprintf(error, error_size, "%s: %s", path, strerror(errno));
    return false;
}

struct maker {
    struct ofd_identity *identity;
    mbedtls_pk_context ca_key, server_key;
    char not_before[TIME_TEXT], not_after[TIME_TEXT];
};

static int make_key(struct maker *maker, mbedtls_pk_context *key)
{
    int result = mbedtls_pk_setup(key, mbedtls_pk_info_from_type(MBEDTLS_PK_ECKEY));
    if (result != 0)
        return result;
    return mbedtls_ecp_gen_key(MBEDTLS_ECP_DP_SECP256R1, mbedtls_pk_ec(*key),
                               mbedtls_ctr_drbg_random, &maker->identity->drbg);
}

static void set_validity(struct maker *maker)
{
    time_t now = time(NULL);
    time_t before = now - 2 * 86400, after = now + (time_t)VALID_YEARS * 365 * 86400;
    struct tm fields;
    (void)gmtime_r(&before, &fields);
    (void)strftime(maker->not_before, sizeof maker->not_before, "%Y%m%d%H%M%S", &fields);
    (void)gmtime_r(&after, &fields);
    (void)strftime(maker->not_after, sizeof maker->not_after, "%Y%m%d%H%M%S", &fields);
}

/* Fills everything but the subject's own extensions. */
static int prepare(struct maker *maker, mbedtls_x509write_cert *certificate, const char *subject,
                   mbedtls_pk_context *subject_key)
{
    unsigned char serial_bytes[12];
    mbedtls_mpi serial;
    int result;
    mbedtls_mpi_init(&serial);
    mbedtls_x509write_crt_set_version(certificate, MBEDTLS_X509_CRT_VERSION_3);
    mbedtls_x509write_crt_set_md_alg(certificate, MBEDTLS_MD_SHA256);
    mbedtls_x509write_crt_set_subject_key(certificate, subject_key);
    mbedtls_x509write_crt_set_issuer_key(certificate, &maker->ca_key);
    result = mbedtls_ctr_drbg_random(&maker->identity->drbg, serial_bytes, sizeof serial_bytes);
    serial_bytes[0] = (unsigned char)((serial_bytes[0] & 0x3F) | 0x40); /* positive, fixed length */
    if (result == 0)
        result = mbedtls_mpi_read_binary(&serial, serial_bytes, sizeof serial_bytes);
    if (result == 0)
        result = mbedtls_x509write_crt_set_serial(certificate, &serial);
    if (result == 0)
        result = mbedtls_x509write_crt_set_subject_name(certificate, subject);
    if (result == 0)
        result = mbedtls_x509write_crt_set_issuer_name(certificate, CA_NAME);
    if (result == 0)
        result =
            mbedtls_x509write_crt_set_validity(certificate, maker->not_before, maker->not_after);
    mbedtls_mpi_free(&serial);
    return result;
}

static bool save_certificate(struct maker *maker, mbedtls_x509write_cert *certificate,
                             const char *directory, const char *pem_name, const char *der_name,
                             char *error, size_t error_size)
{
    unsigned char text[TEXT_SIZE], der[DER_SIZE];
    int result = mbedtls_x509write_crt_pem(certificate, text, sizeof text, mbedtls_ctr_drbg_random,
                                           &maker->identity->drbg);
    if (result != 0)
        return explain(result, pem_name, error, error_size);
    if (der_name != NULL) {
        /* Written from the PEM, not signed a second time: both files hold the same certificate. */
        mbedtls_x509_crt parsed;
        bool saved;
        mbedtls_x509_crt_init(&parsed);
        result = mbedtls_x509_crt_parse(&parsed, text, strlen((char *)text) + 1);
        if (result == 0 && parsed.raw.len <= sizeof der)
            memcpy(der, parsed.raw.p, parsed.raw.len);
        saved = result == 0 && parsed.raw.len <= sizeof der &&
                write_file(directory, der_name, der, parsed.raw.len, 0644, error, error_size);
        mbedtls_x509_crt_free(&parsed);
        if (result != 0)
            return explain(result, der_name, error, error_size);
        if (!saved)
            return false;
    }
    return write_file(directory, pem_name, text, strlen((char *)text), 0644, error, error_size);
}

static bool make_authority(struct maker *maker, const char *directory, char *error,
                           size_t error_size)
{
    mbedtls_x509write_cert certificate;
    bool made = false;
    int result;
    mbedtls_x509write_crt_init(&certificate);
    result = prepare(maker, &certificate, CA_NAME, &maker->ca_key);
    if (result == 0)
        result = mbedtls_x509write_crt_set_basic_constraints(&certificate, 1, 0);
    if (result == 0)
        result = mbedtls_x509write_crt_set_key_usage(&certificate, MBEDTLS_X509_KU_KEY_CERT_SIGN);
    if (result == 0)
        made =
            save_certificate(maker, &certificate, directory, "ca.pem", "ca.der", error, error_size);
    else
        (void)explain(result, "CA certificate", error, error_size);
    mbedtls_x509write_crt_free(&certificate);
    return made;
}

static bool make_server(struct maker *maker, const char *directory, char *error, size_t error_size)
{
    mbedtls_x509write_cert certificate;
    bool made = false;
    int result;
    mbedtls_x509write_crt_init(&certificate);
    result = prepare(maker, &certificate, SERVER_NAME, &maker->server_key);
    if (result == 0)
        result = mbedtls_x509write_crt_set_basic_constraints(&certificate, 0, -1);
    if (result == 0)
        result =
            mbedtls_x509write_crt_set_key_usage(&certificate, MBEDTLS_X509_KU_DIGITAL_SIGNATURE);
    if (result == 0)
        result =
            mbedtls_x509write_crt_set_extension(&certificate, MBEDTLS_OID_SUBJECT_ALT_NAME,
                                                MBEDTLS_OID_SIZE(MBEDTLS_OID_SUBJECT_ALT_NAME), 0,
                                                alternative_names, sizeof alternative_names);
    if (result == 0)
        made =
            save_certificate(maker, &certificate, directory, "server.pem", NULL, error, error_size);
    else
        (void)explain(result, "server certificate", error, error_size);
    mbedtls_x509write_crt_free(&certificate);
    return made;
}

static bool make_files(struct ofd_identity *identity, const char *directory, char *error,
                       size_t error_size)
{
    struct maker maker = {.identity = identity};
    unsigned char text[TEXT_SIZE];
    bool made = false;
    int result;
    if (mkdir(directory, 0755) != 0 && errno != EEXIST) {
        (void)snprintf(error, error_size, "%s: %s", directory, strerror(errno));
        return false;
    }
    mbedtls_pk_init(&maker.ca_key);
    mbedtls_pk_init(&maker.server_key);
    set_validity(&maker);
    result = make_key(&maker, &maker.ca_key);
    if (result == 0)
        result = make_key(&maker, &maker.server_key);
    if (result == 0)
        result = mbedtls_pk_write_key_pem(&maker.server_key, text, sizeof text);
    if (result != 0)
        (void)explain(result, "server key", error, error_size);
    else
        made =
            make_authority(&maker, directory, error, error_size) &&
            write_file(directory, "key.pem", text, strlen((char *)text), 0600, error, error_size) &&
            make_server(&maker, directory, error, error_size);
    mbedtls_pk_free(&maker.ca_key);
    mbedtls_pk_free(&maker.server_key);
    return made;
}

static int configure(struct ofd_identity *identity)
{
    mbedtls_ssl_config *config = &identity->config;
    int result = mbedtls_ssl_config_defaults(
        config, MBEDTLS_SSL_IS_SERVER, MBEDTLS_SSL_TRANSPORT_STREAM, MBEDTLS_SSL_PRESET_DEFAULT);
    if (result != 0)
        return result;
    mbedtls_ssl_conf_min_version(config, MBEDTLS_SSL_MAJOR_VERSION_3, MBEDTLS_SSL_MINOR_VERSION_3);
    mbedtls_ssl_conf_rng(config, mbedtls_ctr_drbg_random, &identity->drbg);
    return mbedtls_ssl_conf_own_cert(config, &identity->certificate, &identity->key);
}

bool ofd_identity_open(struct ofd_identity *identity, const char *directory, char *error,
                       size_t error_size)
{
    static const unsigned char personal[] = "OpenKKT test operator";
    char certificate_path[PATH_SIZE], key_path[PATH_SIZE];
    int result;
    mbedtls_entropy_init(&identity->entropy);
    mbedtls_ctr_drbg_init(&identity->drbg);
    mbedtls_x509_crt_init(&identity->certificate);
    mbedtls_pk_init(&identity->key);
    mbedtls_ssl_config_init(&identity->config);
    if (snprintf(certificate_path, sizeof certificate_path, "%s/server.pem", directory) >=
            (int)sizeof certificate_path ||
        snprintf(key_path, sizeof key_path, "%s/key.pem", directory) >= (int)sizeof key_path) {
        (void)snprintf(error, error_size, "%s: the path is too long", directory);
        return false;
    }
    result = mbedtls_ctr_drbg_seed(&identity->drbg, mbedtls_entropy_func, &identity->entropy,
                                   personal, sizeof personal);
    if (result != 0)
        return explain(result, "random numbers", error, error_size);
    if (access(certificate_path, F_OK) != 0 && !make_files(identity, directory, error, error_size))
        return false;
    result = mbedtls_x509_crt_parse_file(&identity->certificate, certificate_path);
    if (result != 0)
        return explain(result, certificate_path, error, error_size);
    result = mbedtls_pk_parse_keyfile(&identity->key, key_path, NULL);
    if (result != 0)
        return explain(result, key_path, error, error_size);
    result = configure(identity);
    return result == 0 || explain(result, "TLS", error, error_size);
}

void ofd_identity_free(struct ofd_identity *identity)
{
    mbedtls_ssl_config_free(&identity->config);
    mbedtls_pk_free(&identity->key);
    mbedtls_x509_crt_free(&identity->certificate);
    mbedtls_ctr_drbg_free(&identity->drbg);
    mbedtls_entropy_free(&identity->entropy);
}
