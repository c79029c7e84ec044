#include "board/mcu/mcu_store.h"

#include <assert.h>
#include <string.h>

#include "proto/bytes.h"
#include "proto/crc.h"

/* Sector: magic u32, generation u32, CRC-32C of both; records from RECORDS_AT on.
 * Record: kind u8, size u8, both inverted u16; value; CRC-32C of all of it. Padded to 4 bytes. */
#define MAGIC        0x53544B4Bu /* "KKTS" */
#define HEADER_BYTES 12u
#define RECORDS_AT   16u
#define RECORD_HEAD  4u
#define RECORD_MAX   (RECORD_HEAD + MCU_STORE_VALUE_MAX + 4u)
#define COMPARE_STEP 32u

_Static_assert(MCU_STORE_VALUE_MAX <= UINT8_MAX, "a value's size is one byte");

static uint32_t address_of(const struct mcu_store *store, uint32_t sector, uint32_t offset)
{
    return store->address + sector * store->flash->sector_size + offset;
}

static uint32_t record_size(size_t value_size)
{
    return (uint32_t)(RECORD_HEAD + value_size + 4u + 3u) & ~3u;
}

static bool blank(const struct mcu_store *store, uint32_t sector, uint32_t from)
{
    uint8_t bytes[COMPARE_STEP];
    uint32_t until = store->flash->sector_size;
    while (from < until) {
        size_t piece = until - from < sizeof bytes ? until - from : sizeof bytes;
        if (store->flash->read(store->context, address_of(store, sector, from), bytes, piece) != 0)
            return false;
        for (size_t i = 0; i < piece; i++)
            if (bytes[i] != store->flash->erased)
                return false;
        from += (uint32_t)piece;
    }
    return true;
}

static bool erase(const struct mcu_store *store, uint32_t sector)
{
    return store->flash->erase(store->context, address_of(store, sector, 0)) == 0 &&
           blank(store, sector, 0);
}

/* Programs without crossing pages and reads back what came of it. */
static bool program(const struct mcu_store *store, uint32_t address, const uint8_t *bytes,
                    size_t size)
{
    uint8_t seen[COMPARE_STEP];
    while (size > 0) {
        size_t piece = store->flash->page_size - address % store->flash->page_size;
        if (piece > size)
            piece = size;
        if (piece > sizeof seen)
            piece = sizeof seen;
        if (store->flash->program(store->context, address, bytes, piece) != 0 ||
            store->flash->read(store->context, address, seen, piece) != 0 ||
            memcmp(seen, bytes, piece) != 0)
            return false;
        address += (uint32_t)piece;
        bytes += piece;
        size -= piece;
    }
    return true;
}

/* The generation of a sector; false when it holds no store. < 0 of *result: flash failed. */
static bool read_header(const struct mcu_store *store, uint32_t sector, uint32_t *generation,
                        int *result)
{
    uint8_t header[HEADER_BYTES];
    if (store->flash->read(store->context, address_of(store, sector, 0), header, sizeof header) !=
        0) {
        *result = -1;
        return false;
    }
    *generation = get_u32le(header + 4);
    return get_u32le(header) == MAGIC &&
           get_u32le(header + 8) == crc32c_update(CRC32C_INIT, header, 8);
}

static bool write_header(const struct mcu_store *store, uint32_t sector, uint32_t generation)
{
    uint8_t header[HEADER_BYTES];
    struct byte_writer writer;
    byte_writer_init(&writer, header, sizeof header);
    put_u32le(&writer, MAGIC);
    put_u32le(&writer, generation);
    put_u32le(&writer, crc32c_update(CRC32C_INIT, header, 8));
    return program(store, address_of(store, sector, 0), header, sizeof header);
}

/* The record at an offset into record; its value's size, or -1: none, or a torn one. */
static int read_record(const struct mcu_store *store, uint32_t offset, uint8_t record[RECORD_MAX])
{
    uint32_t limit = store->flash->sector_size;
    uint32_t address = address_of(store, store->sector, offset);
    if (offset + record_size(0) > limit ||
        store->flash->read(store->context, address, record, RECORD_HEAD) != 0)
        return -1;
    size_t size = record[1];
    bool head = (record[0] ^ record[2]) == 0xFF && (record[1] ^ record[3]) == 0xFF;
    if (!head || record[0] >= MCU_STORE_KINDS || size > MCU_STORE_VALUE_MAX ||
        offset + record_size(size) > limit ||
        store->flash->read(store->context, address + RECORD_HEAD, record + RECORD_HEAD,
                           size + 4u) != 0)
        return -1;
    return get_u32le(record + RECORD_HEAD + size) ==
                   crc32c_update(CRC32C_INIT, record, RECORD_HEAD + size)
               ? (int)size
               : -1;
}

static size_t build_record(uint8_t record[RECORD_MAX], uint8_t kind, const void *value, size_t size)
{
    struct byte_writer writer;
    byte_writer_init(&writer, record, RECORD_MAX);
    put_u8(&writer, kind);
    put_u8(&writer, (uint8_t)size);
    put_u8(&writer, (uint8_t)~kind);
    put_u8(&writer, (uint8_t)~size);
    put_bytes(&writer, value, size);
    put_u32le(&writer, crc32c_update(CRC32C_INIT, record, writer.length));
    return writer.length;
}

static void scan(struct mcu_store *store)
{
    uint8_t record[RECORD_MAX];
    int size;
    memset(store->newest, 0, sizeof store->newest);
    store->offset = RECORDS_AT;
    while ((size = read_record(store, store->offset, record)) >= 0) {
        store->newest[record[0]] = store->offset;
        store->offset += record_size((size_t)size);
    }
    /* Behind a torn record nothing is written: the sector counts as full. */
    if (!blank(store, store->sector, store->offset))
        store->offset = store->flash->sector_size;
}

int mcu_store_mount(struct mcu_store *store, const struct board_flash *flash, void *context,
                    uint32_t address, uint32_t sectors)
{
    bool found = false;
    int result = 0;
    assert(sectors >= 2 && address % flash->sector_size == 0);
    *store = (struct mcu_store){
        .flash = flash, .context = context, .address = address, .sectors = sectors};
    for (uint32_t sector = 0; sector < sectors; sector++) {
        uint32_t generation;
        if (!read_header(store, sector, &generation, &result))
            continue;
        if (!found || (int32_t)(generation - store->generation) > 0) {
            store->sector = sector;
            store->generation = generation;
        }
        found = true;
    }
    if (result == 0 && !found && (!erase(store, 0) || !write_header(store, 0, store->generation)))
        result = -1;
    if (result == 0)
        scan(store);
    else
        store->sectors = 0;
    return result;
}

int mcu_store_get(struct mcu_store *store, enum mcu_store_kind kind, void *value, size_t capacity)
{
    uint8_t record[RECORD_MAX];
    assert(kind < MCU_STORE_KINDS);
    if (store->newest[kind] == 0)
        return store->sectors == 0 ? -1 : 0;
    int size = read_record(store, store->newest[kind], record);
    if (size < 0)
        return -1;
    memcpy(value, record + RECORD_HEAD, (size_t)size < capacity ? (size_t)size : capacity);
    return size;
}

/* Copies what else is known into the target, behind the new record; its header comes last. */
static bool rotate(struct mcu_store *store, uint32_t target, const uint8_t *first,
                   size_t first_size)
{
    uint32_t newest[MCU_STORE_KINDS] = {0};
    uint32_t offset = RECORDS_AT;
    uint8_t record[RECORD_MAX];
    if (!erase(store, target) ||
        !program(store, address_of(store, target, offset), first, first_size))
        return false;
    newest[first[0]] = offset;
    offset += record_size(first[1]);
    for (uint8_t kind = 0; kind < MCU_STORE_KINDS; kind++) {
        if (kind == first[0] || store->newest[kind] == 0)
            continue;
        int size = read_record(store, store->newest[kind], record);
        if (size < 0)
            continue; /* rotten since: lost either way */
        if (!program(store, address_of(store, target, offset), record,
                     RECORD_HEAD + (size_t)size + 4u))
            return false;
        newest[kind] = offset;
        offset += record_size((size_t)size);
    }
    if (!write_header(store, target, store->generation + 1u))
        return false;
    store->generation++;
    store->sector = target;
    store->offset = offset;
    memcpy(store->newest, newest, sizeof newest);
    return true;
}

int mcu_store_put(struct mcu_store *store, enum mcu_store_kind kind, const void *value, size_t size)
{
    uint8_t record[RECORD_MAX];
    assert(kind < MCU_STORE_KINDS && size <= MCU_STORE_VALUE_MAX);
    _Static_assert(RECORDS_AT + MCU_STORE_KINDS * ((RECORD_MAX + 3u) & ~3u) <= 4096u,
                   "a sector holds one record of each kind");
    if (store->sectors == 0)
        return -1;
    if (store->newest[kind] != 0 && read_record(store, store->newest[kind], record) == (int)size &&
        memcmp(record + RECORD_HEAD, value, size) == 0)
        return 0;
    size_t length = build_record(record, (uint8_t)kind, value, size);
    bool fits = store->offset + record_size(size) <= store->flash->sector_size;
    if (fits && program(store, address_of(store, store->sector, store->offset), record, length)) {
        store->newest[kind] = store->offset;
        store->offset += record_size(size);
        return store->flash->sync(store->context) == 0 ? 0 : -1;
    }
    store->offset = store->flash->sector_size; /* what failed is not written over */
    /* A sector that does not take it is passed over; the one in use stays what it is meanwhile. */
    for (uint32_t ahead = 1; ahead < store->sectors; ahead++)
        if (rotate(store, (store->sector + ahead) % store->sectors, record, length))
            return store->flash->sync(store->context) == 0 ? 0 : -1;
    return -1;
}
