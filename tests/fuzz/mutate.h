/* Mutators that keep the form of an input, so that what is behind a length, a tag or a step's size
 * is met. Now and then libFuzzer's own bytes are let in all the same: any bytes must be safe.
 *
 *   mutate_steps  an input of steps of one size: insert, drop, repeat, swap, change one
 *   mutate_tlv    a list of TLV: elements of the tag dictionary come, go and change their value,
 *                 also inside structured tags; the lengths around them follow
 */
#ifndef TESTS_FUZZ_MUTATE_H
#define TESTS_FUZZ_MUTATE_H

#include "proto/tags.h"
#include "proto/tlv.h"
#include "tests/fuzz/fuzz.h"

size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t capacity);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t capacity, unsigned seed);

static uint64_t mutate_state;

static inline uint32_t mutate_random(uint32_t bound)
{
    mutate_state = mutate_state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(mutate_state >> 33) % bound;
}

static inline void mutate_seed(unsigned seed)
{
    mutate_state = seed;
    (void)mutate_random(1);
}

/* Puts size bytes in the place of the old ones at `at`. False: no room, nothing changed. */
static inline bool mutate_replace(uint8_t *data, size_t *length, size_t capacity, size_t at,
                                  size_t old, const uint8_t *bytes, size_t size)
{
    if (*length - old + size > capacity)
        return false;
    memmove(data + at + size, data + at + old, *length - at - old);
    if (size > 0)
        memcpy(data + at, bytes, size);
    *length = *length - old + size;
    return true;
}

static inline size_t mutate_steps(uint8_t *data, size_t size, size_t capacity, size_t head,
                                  size_t step)
{
    uint8_t bytes[64];
    size_t count = size > head ? (size - head) / step : 0;
    if (count == 0 || mutate_random(4) == 0)
        return LLVMFuzzerMutate(data, size, capacity);
    size_t at = head + mutate_random((uint32_t)count) * step;
    size_t other = head + mutate_random((uint32_t)count) * step;
    PROMISE(step <= sizeof bytes);
    memcpy(bytes, data + other, step);
    switch (mutate_random(6)) {
    case 0: /* a new one */
        for (size_t i = 0; i < step; i++)
            bytes[i] = (uint8_t)mutate_random(mutate_random(2) == 0 ? 16 : 256);
        (void)mutate_replace(data, &size, capacity, at, 0, bytes, step);
        break;
    case 1: /* a copy of another one */
        (void)mutate_replace(data, &size, capacity, at, 0, bytes, step);
        break;
    case 2:
        (void)mutate_replace(data, &size, capacity, at, step, NULL, 0);
        break;
    case 3:
        memmove(data + other, data + at, step);
        memcpy(data + at, bytes, step);
        break;
    default:
        data[at + mutate_random((uint32_t)step)] =
            (uint8_t)mutate_random(mutate_random(2) == 0 ? 16 : 256);
    }
    return size;
}

#define MUTATE_DEPTH 5u

/* An element found in the tree, and the structured ones around it. */
struct mutate_spot {
    size_t at, whole; /* header included; whole 0: the end of an empty list */
    size_t around[MUTATE_DEPTH];
    unsigned depth;
};

/* Chooses an element at random. False: the list does not hold together. */
static inline bool mutate_find(const uint8_t *data, size_t from, size_t to,
                               struct mutate_spot *spot)
{
    spot->depth = 0;
    for (;;) {
        struct tlv_reader reader;
        struct tlv tlv;
        const struct tag_info *info;
        unsigned count = 0;
        bool within = false;
        if (!tlv_valid(data + from, to - from))
            return false;
        spot->at = from;
        spot->whole = 0;
        tlv_reader_init(&reader, data + from, to - from);
        for (size_t at = 0; tlv_next(&reader, &tlv) == 1; at = reader.offset) {
            if (mutate_random(++count) != 0)
                continue;
            info = tag_info_find(tlv.tag);
            within = info != NULL && info->type == TAG_TYPE_STLV;
            spot->at = from + at;
            spot->whole = reader.offset - at;
        }
        if (!within || spot->depth == MUTATE_DEPTH || mutate_random(4) == 0)
            return true;
        spot->around[spot->depth++] = spot->at;
        from = spot->at + TLV_HEADER_SIZE;
        to = spot->at + spot->whole;
    }
}

/* A value that suits the tag's type, mostly. */
static inline size_t mutate_value(const struct tag_info *info, uint8_t value[128])
{
    static const uint8_t few[] = {0, 1, 2, 4, 6, 8, 11, 32};
    size_t size = info->max_length < 128 ? info->max_length : 128;
    for (size_t i = 0; i < 128; i++)
        value[i] = (uint8_t)(info->type == TAG_TYPE_STRING ? '0' + mutate_random(10) : 0);
    switch (info->type) {
    case TAG_TYPE_STRING:
        return info->fixed || size == 0 ? size : mutate_random((uint32_t)size + 1);
    case TAG_TYPE_STLV:
        return 0;
    case TAG_TYPE_VLN:
        size = 1 + mutate_random(6);
        value[0] = (uint8_t)mutate_random(256);
        value[mutate_random((uint32_t)size)] |= (uint8_t)mutate_random(256);
        return size;
    case TAG_TYPE_FVLN:
        value[0] = (uint8_t)mutate_random(4);
        value[1] = (uint8_t)mutate_random(256);
        return 2 + mutate_random(3);
    case TAG_TYPE_BYTE:
        value[0] = mutate_random(2) == 0 ? few[mutate_random(8)] : (uint8_t)mutate_random(256);
        return 1;
    default:
        for (size_t i = 0; i < size; i++)
            value[i] = (uint8_t)mutate_random(256);
        return info->type == TAG_TYPE_BYTES ? mutate_random((uint32_t)size + 1) : size;
    }
}

static inline const struct tag_info *mutate_tag(void)
{
    static uint32_t count;
    while (count == 0 || tag_info_at(count) != NULL)
        count++;
    return tag_info_at(mutate_random(count));
}

/* What is to stand in the place of the spot's element. Returns its size; *keep: behind it. */
static inline size_t mutate_element(const uint8_t *old, size_t whole, uint8_t *out, size_t capacity,
                                    bool *keep)
{
    const struct tag_info *info = mutate_tag();
    unsigned what = whole == 0 ? 0 : mutate_random(7);
    struct byte_writer writer;
    uint8_t value[128];
    byte_writer_init(&writer, out, capacity);
    *keep = what <= 1;
    switch (what) {
    case 0: /* a new one before it */
        tlv_put_bytes(&writer, info->tag, value, mutate_value(info, value));
        break;
    case 1: /* twice */
        put_bytes(&writer, old, whole);
        break;
    case 2: /* gone */
        break;
    case 3: /* the same value under another tag */
        put_bytes(&writer, old, whole);
        out[0] = (uint8_t)info->tag;
        out[1] = (uint8_t)(info->tag >> 8);
        break;
    case 4: /* another value of the tag's type */
        info = tag_info_find(get_u16le(old));
        if (info != NULL)
            tlv_put_bytes(&writer, info->tag, value, mutate_value(info, value));
        break;
    default: /* libFuzzer's idea of the value */
        put_bytes(&writer, old, whole);
        writer.length =
            TLV_HEADER_SIZE + LLVMFuzzerMutate(out + TLV_HEADER_SIZE, whole - TLV_HEADER_SIZE,
                                               whole - TLV_HEADER_SIZE + 16);
        out[2] = (uint8_t)(writer.length - TLV_HEADER_SIZE);
        out[3] = (uint8_t)((writer.length - TLV_HEADER_SIZE) >> 8);
    }
    return writer.length;
}

/* The list stands behind `head` bytes. */
static inline size_t mutate_tlv(uint8_t *data, size_t size, size_t capacity, size_t head)
{
    static uint8_t made[70000];
    struct mutate_spot spot;
    bool keep = false;
    if (size < head || mutate_random(8) == 0 || !mutate_find(data, head, size, &spot))
        return LLVMFuzzerMutate(data, size, capacity);
    size_t before = size;
    size_t length = mutate_element(data + spot.at, spot.whole, made, sizeof made, &keep);
    if (!mutate_replace(data, &size, capacity, spot.at, keep ? 0 : spot.whole, made, length))
        return LLVMFuzzerMutate(data, size, capacity);
    for (unsigned i = 0; i < spot.depth; i++) {
        uint8_t *field = data + spot.around[i] + 2;
        unsigned inner = (unsigned)get_u16le(field) + (unsigned)size - (unsigned)before;
        field[0] = (uint8_t)inner;
        field[1] = (uint8_t)(inner >> 8);
    }
    return size;
}

#endif
