/* The test operator's TLS identity: its own small certificate authority and a server certificate
 * for localhost.
 *
 * Folder: ca.pem and ca.der (what the register pins), server.pem, key.pem (server key, mode 0600).
 * Made once; the authority's key is thrown away at once, so nobody can issue anything else with it.
 * server.pem is written last: the folder is complete exactly when it is there, and an incomplete
 * one is made anew. ECDSA P-256, valid ten years.
 */
#ifndef TOOLS_OFD_OFD_IDENTITY_H
#define TOOLS_OFD_OFD_IDENTITY_H

#include <stdbool.h>
#include <stddef.h>

#include <mbedtls/ctr_drbg.h>
#include <mbedtls/entropy.h>
#include <mbedtls/ssl.h>
#include <mbedtls/x509_crt.h>

struct ofd_identity {
    mbedtls_entropy_context entropy;
    mbedtls_ctr_drbg_context drbg;
    mbedtls_x509_crt certificate;
    mbedtls_pk_context key;
    mbedtls_ssl_config config; /* of a server with this certificate */
};

/* Loads the folder, making it and its files when they are not there. False with a line for people
 * in error. Call ofd_identity_free in both cases. */
bool ofd_identity_open(struct ofd_identity *identity, const char *directory, char *error,
                       size_t error_size);
void ofd_identity_free(struct ofd_identity *identity);

#endif
