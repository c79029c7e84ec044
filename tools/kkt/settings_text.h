/* The board's settings by the names people use: NAME=VALUE words to TLV, TLV to JSON. */
#ifndef TOOLS_KKT_SETTINGS_TEXT_H
#define TOOLS_KKT_SETTINGS_TEXT_H

#include <json-c/json.h>
#include <stdbool.h>

#include "hostdrv/kkt.h"
#include "proto/bytes.h"

#define SETTINGS_BODY_MAX 8192u

/* Adds the setting that a word "ofd.host=example.org" states. False and *error when the name or
 * value is wrong; \n in header and footer is a line end. */
bool settings_text_put(const char *word, struct byte_writer *writer, kkt_error *error);
/* {name: value, ...}; the certificate as its size. Owned by the caller. */
struct json_object *settings_text_json(const uint8_t *tlv, size_t size);
/* One certificate of a file, PEM or DER, as DER. Its size, 0 when the file holds none or cannot be
 * read. */
size_t settings_certificate_read(const char *path, uint8_t *out, size_t capacity);

#endif
