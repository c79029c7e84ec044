/* A workload for journal tests and what must be true of a log made by it.
 *
 * Record i of a workload is a pure function of (i, variant): type, size, payload. The running state
 * is (number of records, hash over them); it is what checkpoints hold. So after any cut the mounted
 * state tells which prefix it is, and the prefix can be compared byte for byte with what was
 * appended.
 */
#ifndef TESTS_JOURNAL_MODEL_H
#define TESTS_JOURNAL_MODEL_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "firmware/journal.h"
#include "proto/bytes.h"
#include "proto/crc.h"
#include "tests/unit/ram_flash.h"

/* For regions of no model: a model has its own, since tests mount a copy in the middle of a call.
 */
static struct journal_scratch test_scratch;

#define MODEL_RECORDS_MAX 60000u

struct model_state {
    uint32_t count;
    uint32_t hash;
};

/* What was appended so far: the variant of each record. */
struct model_log {
    uint32_t count;
    uint8_t variants[MODEL_RECORDS_MAX];
};

struct model {
    struct journal journal;
    struct journal_scratch scratch;
    struct board board;
    struct journal_region region;
    struct model_state state;
    struct model_log log;
    uint32_t size_min, size_max; /* of payloads */
    uint32_t checkpoint_size;
    uint32_t replayed;
    bool replay_broken; /* a replayed record was not the next one */
};

static inline uint32_t model_mix(uint32_t a, uint32_t b)
{
    uint64_t x = ((uint64_t)a << 32 | b) * 0x9E3779B97F4A7C15u;
    x ^= x >> 29;
    x *= 0xBF58476D1CE4E5B9u;
    return (uint32_t)(x >> 32);
}

/* Records 2k and 2k + 1 share a key: INTENT and DONE of one job;
 * every seventh record has no key. */
static inline void model_key(uint32_t job, uint8_t key[KEY_SIZE])
{
    for (uint32_t i = 0; i < 4; i++) {
        uint32_t word = model_mix(job, i + 1000);
        memcpy(key + 4 * i, &word, 4);
    }
}

static inline uint8_t model_type(uint32_t index)
{
    if (index % 7 == 6)
        return JOURNAL_PRINTED;
    return index % 2 == 0 ? JOURNAL_INTENT : JOURNAL_DONE;
}

/* Returns the size. Bytes: key, index, variant, filler (runs of 00 and FF among it). */
static inline uint16_t model_payload(const struct model *model, uint32_t index, uint8_t variant,
                                     uint8_t *out)
{
    uint32_t r = model_mix(index, variant);
    uint32_t size = model->size_min + r % (model->size_max - model->size_min + 1);
    assert_true(size >= KEY_SIZE + 5 && size <= LIMIT_JOURNAL_RECORD_BYTES);
    model_key(index / 2, out);
    memcpy(out + KEY_SIZE, &index, 4);
    out[KEY_SIZE + 4] = variant;
    for (uint32_t i = KEY_SIZE + 5; i < size; i++) {
        uint32_t word = model_mix(r, i / 24);
        uint32_t byte = word >> (i % 4 * 8);
        if (word % 4 < 2)
            byte = word % 4 == 0 ? 0x00 : 0xFF;
        out[i] = (uint8_t)byte;
    }
    return (uint16_t)size;
}

static inline void model_apply(struct model_state *state, uint8_t type, const uint8_t *payload,
                               size_t size)
{
    state->hash = crc32c_update(state->hash, &type, 1);
    state->hash = crc32c_update(state->hash, payload, size);
    state->count++;
}

static inline void model_checkpoint(void *user, struct byte_writer *writer)
{
    const struct model *model = user;
    put_u32le(writer, model->state.count);
    put_u32le(writer, model->state.hash);
    put_fill(writer, 0x5A, model->checkpoint_size - 8);
}

static inline void model_replay(void *user, const struct journal_record *record,
                                const uint8_t *payload)
{
    struct model *model = user;
    model->replayed++;
    if (record->type == JOURNAL_CHECKPOINT) {
        model->state.count = get_u32le(payload);
        model->state.hash = get_u32le(payload + 4);
        return;
    }
    if (record->size < KEY_SIZE + 5 || get_u32le(payload + KEY_SIZE) != model->state.count)
        model->replay_broken = true;
    model_apply(&model->state, record->type, payload, record->size);
}

static inline struct model *model_new(struct ram_flash *flash, struct journal_region region,
                                      uint32_t size_min, uint32_t size_max)
{
    struct model *model = calloc(1, sizeof(*model));
    assert_non_null(model);
    ram_flash_board(flash, &model->board);
    model->region = region;
    model->region.scratch = &model->scratch;
    model->size_min = size_min;
    model->size_max = size_max;
    model->checkpoint_size = 40;
    return model;
}

/* The same workload on another chip. */
static inline void model_copy(struct model *copy, const struct model *model,
                              struct ram_flash *flash)
{
    copy->region = model->region;
    copy->region.scratch = &copy->scratch;
    copy->size_min = model->size_min;
    copy->size_max = model->size_max;
    copy->checkpoint_size = model->checkpoint_size;
    copy->log.count = model->log.count;
    /* One more: the record in flight. */
    memcpy(copy->log.variants, model->log.variants, model->log.count + 1);
    ram_flash_board(flash, &copy->board);
}

static inline uint16_t model_mount(struct model *model)
{
    memset(&model->state, 0, sizeof(model->state));
    model->replayed = 0;
    model->replay_broken = false;
    return journal_mount(&model->journal, &model->board, model->region, model_replay,
                         model_checkpoint, model);
}

/* Appends the next record; the model keeps it when the journal says so. */
static inline uint16_t model_append(struct model *model, uint8_t variant)
{
    uint8_t payload[LIMIT_JOURNAL_RECORD_BYTES];
    uint32_t index = model->state.count;
    assert_true(index < MODEL_RECORDS_MAX);
    uint16_t size = model_payload(model, index, variant, payload);
    struct journal_record record;
    model->log.variants[index] = variant;
    uint16_t error = journal_append(&model->journal, model_type(index), payload, size, &record);
    if (error != ERROR_NONE)
        return error;
    model_apply(&model->state, model_type(index), payload, size);
    model->log.count = model->state.count;
    return ERROR_NONE;
}

static inline uint32_t model_hash(const struct model *model, uint32_t count)
{
    uint8_t payload[LIMIT_JOURNAL_RECORD_BYTES];
    struct model_state state = {0, 0};
    for (uint32_t i = 0; i < count; i++) {
        uint16_t size = model_payload(model, i, model->log.variants[i], payload);
        model_apply(&state, model_type(i), payload, size);
    }
    return state.hash;
}

struct model_walk {
    const struct model *model;
    uint32_t records, checkpoints;
    uint32_t first, next; /* indexes */
    uint32_t gaps;
    uint64_t last_sequence;
    bool sequence_gap, wrong, newer;
};

static inline bool model_visit(void *user, const struct journal_record *record,
                               const uint8_t *payload)
{
    struct model_walk *walk = user;
    uint8_t wanted[LIMIT_JOURNAL_RECORD_BYTES];
    if (walk->last_sequence != 0 && record->sequence != walk->last_sequence + 1)
        walk->sequence_gap = true;
    walk->last_sequence = record->sequence;
    if (record->type == JOURNAL_CHECKPOINT) {
        walk->checkpoints++;
        return true;
    }
    uint32_t index = record->size >= KEY_SIZE + 5 ? get_u32le(payload + KEY_SIZE) : UINT32_MAX;
    if (index >= walk->model->log.count) {
        walk->newer = true;
        return true;
    }
    if (walk->records == 0)
        walk->first = index;
    else if (index != walk->next)
        walk->gaps++;
    walk->records++;
    walk->next = index + 1;
    uint16_t size = model_payload(walk->model, index, walk->model->log.variants[index], wanted);
    if (record->type != model_type(index) || record->size != size ||
        memcmp(wanted, payload, size) != 0)
        walk->wrong = true;
    return true;
}

static inline struct model_walk model_walk(struct model *model)
{
    struct model_walk walk = {.model = model};
    journal_walk(&model->journal, model_visit, &walk);
    return walk;
}

/* The newest record with the key of job, which must be record `index`. */
static inline void model_check_found(struct model *model, uint32_t index)
{
    uint8_t key[KEY_SIZE];
    uint8_t wanted[LIMIT_JOURNAL_RECORD_BYTES];
    uint8_t payload[LIMIT_JOURNAL_RECORD_BYTES];
    struct journal_record record;
    model_key(index / 2, key);
    int found = journal_find(&model->journal, key, 1u << model_type(index), &record, payload,
                             sizeof(payload));
    assert_int_equal(found, 1);
    uint16_t size = model_payload(model, index, model->log.variants[index], wanted);
    assert_int_equal(record.size, size);
    assert_memory_equal(payload, wanted, size);
    memset(payload, 0, sizeof(payload));
    assert_true(journal_read(&model->journal, &record, payload, sizeof(payload)));
    assert_memory_equal(payload, wanted, size);
}

/* The mounted log is exactly the first log.count records, as far back as it reaches. */
static inline void model_check_log(struct model *model)
{
    assert_false(model->replay_broken);
    assert_int_equal(model->state.count, model->log.count);
    struct model_walk walk = model_walk(model);
    assert_false(walk.wrong);
    assert_false(walk.newer);
    assert_false(walk.sequence_gap);
    assert_int_equal(walk.gaps, 0);
    if (walk.records > 0)
        assert_int_equal(walk.next, model->log.count);
    for (uint32_t back = 1; back <= 3 && back <= walk.records; back++) {
        if (model_type(model->log.count - back) != JOURNAL_PRINTED)
            model_check_found(model, model->log.count - back);
    }
}

#endif
