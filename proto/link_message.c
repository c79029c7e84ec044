#include "proto/link_message.h"

#include <assert.h>
#include <string.h>

#include "proto/crc.h"

uint32_t link_device_tag(const char *board_serial)
{
    size_t length = strlen(board_serial);
    while (length > 0 && board_serial[length - 1] == ' ')
        length--;
    return crc32c_update(CRC32C_INIT, board_serial, length);
}

void link_job_put(struct byte_writer *writer, const struct link_job *job)
{
    put_bytes(writer, job->key, KEY_SIZE);
    put_u32le(writer, job->device_tag);
    put_bytes(writer, job->body, job->size);
}

bool link_job_get(const uint8_t *message, size_t size, struct link_job *out)
{
    if (size < LINK_JOB_HEADER_SIZE)
        return false;
    memcpy(out->key, message, KEY_SIZE);
    out->device_tag = get_u32le(message + KEY_SIZE);
    out->body = message + LINK_JOB_HEADER_SIZE;
    out->size = size - LINK_JOB_HEADER_SIZE;
    return true;
}

void link_result_put(struct byte_writer *writer, const struct link_result *result)
{
    size_t start = writer->length;
    put_bytes(writer, result->key, KEY_SIZE);
    put_u8(writer, result->job);
    put_u8(writer, result->flags);
    put_u32le(writer, result->document);
    put_u32le(writer, result->fiscal_sign);
    put_u32le(writer, result->time);
    put_u16le(writer, result->shift);
    put_u16le(writer, result->receipt);
    put_uint_le(writer, result->total_kop, 5);
    assert(writer->length - start == LINK_RESULT_SIZE);
}

bool link_result_get(const uint8_t *bytes, size_t size, struct link_result *out)
{
    /* A newer board may append fields; what we know stands in front. */
    if (size < LINK_RESULT_SIZE)
        return false;
    memcpy(out->key, bytes, KEY_SIZE);
    out->job = bytes[16];
    out->flags = bytes[17];
    out->document = get_u32le(bytes + 18);
    out->fiscal_sign = get_u32le(bytes + 22);
    out->time = get_u32le(bytes + 26);
    out->shift = get_u16le(bytes + 30);
    out->receipt = get_u16le(bytes + 32);
    out->total_kop = get_uint_le(bytes + 34, 5);
    return true;
}

void link_refusal_put(struct byte_writer *writer, const struct refusal *refusal)
{
    size_t start = writer->length;
    put_u16le(writer, refusal->code);
    put_u16le(writer, refusal->tag);
    put_u16le(writer, refusal->item);
    put_uint_le(writer, refusal->expected, 8);
    assert(writer->length - start == LINK_REFUSAL_SIZE);
}

bool link_answer_get(const uint8_t *payload, size_t size, struct refusal *refusal,
                     const uint8_t **body, size_t *body_size)
{
    if (size < 2)
        return false;
    memset(refusal, 0, sizeof *refusal);
    refusal->code = get_u16le(payload);
    size_t used = 2;
    if (refusal->code != ERROR_NONE) {
        if (size < LINK_REFUSAL_SIZE)
            return false;
        refusal->tag = get_u16le(payload + 2);
        refusal->item = get_u16le(payload + 4);
        refusal->expected = get_uint_le(payload + 6, 8);
        used = LINK_REFUSAL_SIZE;
    }
    *body = payload + used;
    *body_size = size - used;
    return true;
}
