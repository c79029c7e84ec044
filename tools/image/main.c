/* kkt-image: makes, signs and shows firmware images (proto/firmware_image.h). */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <mbedtls/ctr_drbg.h>
#include <mbedtls/ecdsa.h>
#include <mbedtls/entropy.h>
#include <mbedtls/pk.h>

#include "board/mcu/mcu_signature.h"
#include "proto/firmware_image.h"
#include "proto/sha256.h"

#define EXIT_USAGE 2
#define IMAGE_MAX  (1024u * 1024u)
#define COORDINATE 32u

static mbedtls_entropy_context entropy;
static mbedtls_ctr_drbg_context drbg;

static void usage(FILE *out)
{
    fputs(
        "usage: kkt-image keygen KEY.pem\n"
        "       kkt-image public KEY.pem       the public key, as C initialiser\n"
        "       kkt-image make --board NAME --address N --version A.B.C --key KEY.pem -o OUT RAW\n"
        "       kkt-image show IMAGE [KEY.pem]\n"
        "\n"
        "An image is what a slot of the board's flash holds: a signed header of 256 bytes, then\n"
        "the firmware. The private key is made once and kept where only the maker can read it;\n"
        "the public key is compiled into the first stage.\n",
        out);
}

static int complain(const char *what, const char *name)
{
    fprintf(stderr, "kkt-image: %s: %s\n", name, what);
    return EXIT_FAILURE;
}

/* The whole file; its size, or 0. */
static size_t read_file(const char *name, uint8_t *out, size_t capacity)
{
    FILE *file = fopen(name, "rb");
    if (file == NULL)
        return 0;
    size_t size = fread(out, 1, capacity, file);
    bool whole = fgetc(file) == EOF && ferror(file) == 0;
    fclose(file);
    return whole ? size : 0;
}

static int keygen(const char *name)
{
    uint8_t pem[2000];
    mbedtls_pk_context key;
    mbedtls_pk_init(&key);
    int result = mbedtls_pk_setup(&key, mbedtls_pk_info_from_type(MBEDTLS_PK_ECKEY));
    if (result == 0)
        result = mbedtls_ecp_gen_key(MBEDTLS_ECP_DP_SECP256R1, mbedtls_pk_ec(key),
                                     mbedtls_ctr_drbg_random, &drbg);
    if (result == 0)
        result = mbedtls_pk_write_key_pem(&key, pem, sizeof pem);
    mbedtls_pk_free(&key);
    /* Never over an existing one: images in the field are signed with it. */
    FILE *file = result == 0 ? fopen(name, "wx") : NULL;
    bool written = file != NULL && fputs((const char *)pem, file) >= 0;
    if (file != NULL && fclose(file) != 0)
        written = false;
    return written ? EXIT_SUCCESS : complain("exists already, or cannot be written", name);
}

static bool read_key(const char *name, mbedtls_pk_context *key)
{
    mbedtls_pk_init(key);
    return mbedtls_pk_parse_keyfile(key, name, NULL) == 0 &&
           mbedtls_pk_get_type(key) == MBEDTLS_PK_ECKEY &&
           mbedtls_pk_ec(*key)->grp.id == MBEDTLS_ECP_DP_SECP256R1;
}

static bool public_of(const mbedtls_pk_context *key, uint8_t out[FIRMWARE_IMAGE_KEY_BYTES])
{
    const mbedtls_ecp_point *point = &mbedtls_pk_ec(*key)->Q;
    return mbedtls_mpi_write_binary(&point->X, out, COORDINATE) == 0 &&
           mbedtls_mpi_write_binary(&point->Y, out + COORDINATE, COORDINATE) == 0;
}

static int print_public(const char *name)
{
    mbedtls_pk_context key;
    uint8_t bytes[FIRMWARE_IMAGE_KEY_BYTES];
    bool good = read_key(name, &key) && public_of(&key, bytes);
    mbedtls_pk_free(&key);
    if (!good)
        return complain("no P-256 key", name);
    for (size_t i = 0; i < sizeof bytes; i++)
        printf("0x%02X,%s", bytes[i], i % 12 == 11 || i + 1 == sizeof bytes ? "\n" : " ");
    return EXIT_SUCCESS;
}

static bool sign(struct firmware_image *image, mbedtls_pk_context *key,
                 uint8_t header[FIRMWARE_IMAGE_HEADER_BYTES])
{
    uint8_t digest[FIRMWARE_IMAGE_HASH_BYTES];
    mbedtls_mpi r, s;
    mbedtls_mpi_init(&r);
    mbedtls_mpi_init(&s);
    firmware_image_put(image, header);
    firmware_image_digest(header, digest);
    bool good = mbedtls_ecdsa_sign(&mbedtls_pk_ec(*key)->grp, &r, &s, &mbedtls_pk_ec(*key)->d,
                                   digest, sizeof digest, mbedtls_ctr_drbg_random, &drbg) == 0 &&
                mbedtls_mpi_write_binary(&r, image->signature, COORDINATE) == 0 &&
                mbedtls_mpi_write_binary(&s, image->signature + COORDINATE, COORDINATE) == 0;
    mbedtls_mpi_free(&s);
    mbedtls_mpi_free(&r);
    firmware_image_put(image, header);
    return good;
}

static int make(int argc, char **argv)
{
    static const struct option options[] = {
        {"board", required_argument, NULL, 'b'},   {"address", required_argument, NULL, 'a'},
        {"version", required_argument, NULL, 'v'}, {"key", required_argument, NULL, 'k'},
        {"output", required_argument, NULL, 'o'},  {NULL, 0, NULL, 0}};
    static uint8_t body[IMAGE_MAX];
    uint8_t header[FIRMWARE_IMAGE_HEADER_BYTES];
    struct firmware_image image = {0};
    const char *key_name = NULL, *output = NULL;
    mbedtls_pk_context key;
    bool has_version = false, has_address = false;
    int option;
    while ((option = getopt_long(argc, argv, "o:", options, NULL)) != -1) {
        char *end = NULL;
        if (option == 'b' && strlen(optarg) <= FIRMWARE_IMAGE_BOARD_BYTES)
            memcpy(image.board, optarg, strlen(optarg));
        else if (option == 'a')
            image.address = (uint32_t)strtoul(optarg, &end, 0), has_address = *end == '\0';
        else if (option == 'v')
            has_version = firmware_version_parse(optarg, &image.version);
        else if (option == 'k')
            key_name = optarg;
        else if (option == 'o')
            output = optarg;
        else
            return EXIT_USAGE;
    }
    if (image.board[0] == '\0' || !has_address || !has_version || key_name == NULL ||
        output == NULL || optind + 1 != argc)
        return EXIT_USAGE;
    size_t size = read_file(argv[optind], body, sizeof body);
    if (size == 0)
        return complain("cannot be read, is empty or larger than 1 MiB", argv[optind]);
    image.size = (uint32_t)size;
    struct sha256 sha;
    sha256_init(&sha);
    sha256_update(&sha, body, size);
    sha256_final(&sha, image.hash);
    bool good = read_key(key_name, &key);
    if (!good || !sign(&image, &key, header)) {
        mbedtls_pk_free(&key);
        return complain("no P-256 key", key_name);
    }
    mbedtls_pk_free(&key);
    FILE *file = fopen(output, "wb");
    good = file != NULL && fwrite(header, 1, sizeof header, file) == sizeof header &&
           fwrite(body, 1, size, file) == size;
    if (file != NULL && fclose(file) != 0)
        good = false;
    return good ? EXIT_SUCCESS : complain("cannot be written", output);
}

static enum firmware_image_error check(const uint8_t *file, size_t size,
                                       struct firmware_image *image, const mbedtls_pk_context *key)
{
    uint8_t bytes[FIRMWARE_IMAGE_KEY_BYTES], hash[FIRMWARE_IMAGE_HASH_BYTES];
    char board[FIRMWARE_IMAGE_BOARD_BYTES + 1] = "";
    struct sha256 sha;
    if (size < FIRMWARE_IMAGE_HEADER_BYTES)
        return FIRMWARE_IMAGE_NONE;
    memcpy(board, file + 8, FIRMWARE_IMAGE_BOARD_BYTES); /* any board, any slot */
    uint32_t address = (uint32_t)file[24] | (uint32_t)file[25] << 8 | (uint32_t)file[26] << 16 |
                       (uint32_t)file[27] << 24;
    const struct firmware_image_slot any = {board, address,
                                            IMAGE_MAX + FIRMWARE_IMAGE_HEADER_BYTES};
    enum firmware_image_error error = firmware_image_get(file, &any, image);
    if (error != FIRMWARE_IMAGE_OK)
        return error;
    if (image->size != size - FIRMWARE_IMAGE_HEADER_BYTES)
        return FIRMWARE_IMAGE_SIZE;
    sha256_init(&sha);
    sha256_update(&sha, file + FIRMWARE_IMAGE_HEADER_BYTES, image->size);
    sha256_final(&sha, hash);
    if (memcmp(hash, image->hash, sizeof hash) != 0)
        return FIRMWARE_IMAGE_HASH;
    if (key != NULL && (!public_of(key, bytes) || !mcu_signature_right(file, bytes)))
        return FIRMWARE_IMAGE_SIGNATURE;
    return FIRMWARE_IMAGE_OK;
}

static int show(const char *name, const char *key_name)
{
    static uint8_t file[IMAGE_MAX + FIRMWARE_IMAGE_HEADER_BYTES];
    struct firmware_image image;
    mbedtls_pk_context key;
    size_t size = read_file(name, file, sizeof file);
    if (size == 0)
        return complain("cannot be read", name);
    if (key_name != NULL && !read_key(key_name, &key)) {
        mbedtls_pk_free(&key);
        return complain("no P-256 key", key_name);
    }
    enum firmware_image_error error = check(file, size, &image, key_name != NULL ? &key : NULL);
    if (key_name != NULL)
        mbedtls_pk_free(&key);
    if (error != FIRMWARE_IMAGE_OK)
        return complain(firmware_image_error_text(error), name);
    char version[FIRMWARE_VERSION_TEXT];
    firmware_version_text(image.version, version);
    printf("board     %s\nversion   %s\naddress   0x%08X\nsize      %u bytes\nsignature %s\n",
           image.board, version, image.address, image.size,
           key_name != NULL ? "right" : "not checked (no key given)");
    return EXIT_SUCCESS;
}

int main(int argc, char **argv)
{
    int result = EXIT_USAGE;
    mbedtls_entropy_init(&entropy);
    mbedtls_ctr_drbg_init(&drbg);
    if (mbedtls_ctr_drbg_seed(&drbg, mbedtls_entropy_func, &entropy, NULL, 0) != 0)
        result = complain("no randomness", "this computer");
    else if (argc == 3 && strcmp(argv[1], "keygen") == 0)
        result = keygen(argv[2]);
    else if (argc == 3 && strcmp(argv[1], "public") == 0)
        result = print_public(argv[2]);
    else if (argc > 2 && strcmp(argv[1], "make") == 0)
        result = make(argc - 1, argv + 1);
    else if ((argc == 3 || argc == 4) && strcmp(argv[1], "show") == 0)
        result = show(argv[2], argc == 4 ? argv[3] : NULL);
    mbedtls_ctr_drbg_free(&drbg);
    mbedtls_entropy_free(&entropy);
    if (result == EXIT_USAGE)
        usage(stderr);
    return result;
}
