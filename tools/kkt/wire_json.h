/* Everything that travels or is stored, as JSON and back: TLV documents, operator messages and
 * containers, FN frames, host-link frames.
 *
 * wire_decode() gives {"kind", "items": [...]}; wire_encode() turns that into the same bytes again.
 * DECODE.md describes the JSON. Always true: what wire_decode() returns, encoded again without a
 * change, is byte-identical to its input; a part whose JSON would not be is given as {"raw"} alone.
 * A value that was edited wins over the raw bytes beside it; lengths and checksums are computed
 * anew unless the JSON says they were wrong ("crcOk": false).
 */
#ifndef TOOLS_KKT_WIRE_JSON_H
#define TOOLS_KKT_WIRE_JSON_H

#include <json-c/json.h>
#include <stdbool.h>

#include "hostdrv/kkt.h"
#include "proto/bytes.h"
#include "proto/tlv.h"

#define WIRE_DEPTH_MAX 8
#define WIRE_SIZE_MAX  (16u << 20)

enum wire_kind { WIRE_AUTO, WIRE_TLV, WIRE_DOCUMENT, WIRE_OFD, WIRE_CONTAINER, WIRE_FN, WIRE_LINK };
/* "tlv", "document", "ofd", "container", "fn", "link"; WIRE_AUTO for "auto". -1 when the name is
 * none of them. */
int wire_kind_find(const char *name);
const char *wire_kind_name(enum wire_kind kind);
/* The best guess; WIRE_TLV when nothing else fits. */
enum wire_kind wire_kind_guess(const uint8_t *bytes, size_t size);

/* KKT_OK and *out (owned by the caller), or a code with *error telling the offset. */
int wire_decode(const uint8_t *bytes, size_t size, enum wire_kind kind, struct json_object **out,
                kkt_error *error);
/* KKT_OK: *bytes (free it) and *size. */
int wire_encode(struct json_object *object, uint8_t **bytes, size_t *size, kkt_error *error);

/* A TLV list as an array of {tag, name, value, raw}; NULL and *error when it is malformed. base:
 * offset of data in the whole input. */
struct json_object *wire_tlv_list(const uint8_t *data, size_t size, size_t base, unsigned depth,
                                  kkt_error *error);
/* The way back. path names the list in errors. */
bool wire_tlv_put_list(struct json_object *array, const char *path, unsigned depth,
                       struct byte_writer *writer, kkt_error *error);
/* {form, name, value} of an STLV with a form code. */
struct json_object *wire_document(const uint8_t *data, size_t size, size_t base, kkt_error *error);
bool wire_document_put(struct json_object *object, const char *path, struct byte_writer *writer,
                       kkt_error *error);

/* Private to the codec: one unit at the start of bytes. Decoders return the bytes used, 0 and
 * *error when there is no whole good unit. */
size_t wire_link_unit(const uint8_t *bytes, size_t size, size_t base, struct json_object **out,
                      kkt_error *error);
bool wire_link_put(struct json_object *object, const char *path, struct byte_writer *writer,
                   kkt_error *error);

/* Members of the JSON, for encoders. False with *error set when absent or of the wrong kind. */
bool wire_get_uint(struct json_object *object, const char *path, const char *name, uint64_t max,
                   uint64_t *out, kkt_error *error);
/* Hexadecimal text of exactly `size` bytes. */
bool wire_get_bytes(struct json_object *object, const char *path, const char *name, uint8_t *out,
                    size_t size, kkt_error *error);
/* Hexadecimal text of any size, appended to the writer. */
bool wire_put_hex(struct json_object *object, const char *path, const char *name,
                  struct byte_writer *writer, kkt_error *error);
void wire_add_hex(struct json_object *object, const char *name, const uint8_t *bytes, size_t size);

#endif
