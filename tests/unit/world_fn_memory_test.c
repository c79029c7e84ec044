/* The emulated FN on the simulated world's memory: cut at every write and sync with every tear, and
 * started again from marks. */
#include "tests/unit/fn_rig.h"

#include "proto/crc.h"
#include "tests/world/fn_memory.h"

#define BASE_DOCUMENTS   4u
#define DICE             60u /* of the tears that need some */
#define RECORD_UNCOVERED 20u /* bytes 20-23 of a record are outside its CRC (STORE.md) */
#define RECORD_HEADER    24u

static struct fn_memory *memory;

static bool same_random(void *context, uint8_t *data, size_t size)
{
    (void)context;
    for (size_t i = 0; i < size; i++)
        data[i] = (uint8_t)(i * 37u + 11u);
    return true;
}

static void start(uint32_t chunk)
{
    memset(&rig, 0, sizeof rig);
    memory = fn_memory_create(chunk);
    assert_non_null(memory);
    rig.options = (struct fnm_options){
        .storage = fn_memory_storage(memory), .serial = RIG_SERIAL, .random = same_random};
    rig.now_ms = 1000;
    rig.clock = RIG_START;
    rig_open(&rig);
}

static void finish(void)
{
    fnm_close(rig.fn);
    fn_memory_destroy(memory);
}

/* Registered, shift open, two receipts; closed, and a mark set. */
static uint32_t start_from_base(uint32_t chunk)
{
    start(chunk);
    rig_register(&rig, FFD_1_05);
    rig_open_shift(&rig);
    rig_receipt(&rig, SETTLEMENT_SALE, 2600);
    rig_receipt(&rig, SETTLEMENT_SALE, 100);
    fnm_close(rig.fn);
    rig.fn = NULL;
    uint32_t mark = fn_memory_save(memory);
    assert_int_not_equal(mark, 0);
    return mark;
}

static uint8_t *copy_bytes(uint64_t *size)
{
    const uint8_t *bytes = fn_memory_bytes(memory, size);
    uint8_t *copy = malloc(*size);
    assert_non_null(copy);
    memcpy(copy, bytes, *size);
    return copy;
}

/* What closes a document, and what an uncut one leaves. */
struct deed {
    int (*close)(void); /* the answer to the closing command */
    uint32_t documents; /* that it adds */
    uint32_t confirmed; /* and takes off the queue */
};

struct uncut {
    uint64_t first, last; /* operations */
    uint64_t start, end;  /* of the record */
    uint8_t *bytes;
    uint64_t size;
};

static int close_receipt(void)
{
    assert_int_equal(rig_time(&rig, FN_RECEIPT_BEGIN, rig.clock), FN_OK);
    assert_int_equal(rig_receipt_data(&rig, 777), FN_OK);
    return rig_receipt_form(&rig, rig.clock, SETTLEMENT_SALE, 777);
}

static int close_shift(void)
{
    assert_int_equal(rig_time(&rig, FN_SHIFT_CLOSE_BEGIN, rig.clock), FN_OK);
    assert_int_equal(rig_cashier(&rig), FN_OK);
    return rig_bare(&rig, FN_SHIFT_CLOSE_FORM);
}

static int take_confirmation(void)
{
    uint8_t message[OFD_BODY_MAX];
    struct rig_confirmation confirmation = rig_good_confirmation(1);
    assert_int_equal(rig_byte(&rig, FN_OFD_TRANSPORT, 1), FN_OK);
    rig_read_message(&rig, message, sizeof message);
    return rig_confirm(&rig, &confirmation);
}

static const struct deed deeds[] = {
    {close_receipt, 1, 0}, {close_shift, 1, 0}, {take_confirmation, 0, 1}};

static struct uncut do_uncut(const struct deed *deed, uint32_t mark)
{
    struct uncut uncut = {.first = fn_memory_operations(memory) + 1};
    uint64_t before_size;
    uint8_t *before = copy_bytes(&before_size);
    rig_open(&rig);
    assert_int_equal(deed->close(), FN_OK);
    fnm_close(rig.fn);
    rig.fn = NULL;
    uncut.last = fn_memory_operations(memory);
    uncut.bytes = copy_bytes(&uncut.size);
    while (uncut.start < before_size && before[uncut.start] == uncut.bytes[uncut.start])
        uncut.start++;
    uncut.start = uncut.start / 8 * 8;
    uncut.end = uncut.start + RECORD_HEADER + get_u32le(uncut.bytes + uncut.start + 4);
    assert_true(uncut.end <= uncut.size);
    free(before);
    fn_memory_restore(memory, mark);
    return uncut;
}

/* Padding and the bytes outside the CRC do not count. */
static bool record_whole(const struct uncut *uncut)
{
    uint64_t size;
    const uint8_t *bytes = fn_memory_bytes(memory, &size);
    for (uint64_t at = uncut->start; at < uncut->end; at++) {
        uint64_t in_record = at - uncut->start;
        if (in_record >= RECORD_UNCOVERED && in_record < RECORD_HEADER)
            continue;
        if (at >= size || bytes[at] != uncut->bytes[at])
            return false;
    }
    return true;
}

struct tally {
    unsigned cuts, survived, answered;
};

/* One cut. The module comes back with the deed done or not done, never with half of it. */
static void cut_once(const struct deed *deed, const struct uncut *uncut, uint64_t operation,
                     enum fn_memory_tear tear, uint32_t argument, struct tally *tally)
{
    uint32_t waiting, count;
    fn_memory_cut_at(memory, operation, tear, argument);
    rig_open(&rig);
    waiting = fnm_unconfirmed_count(rig.fn);
    bool answered = deed->close() == FN_OK;
    assert_true(fn_memory_is_dead(memory));
    fnm_close(rig.fn);
    bool whole = record_whole(uncut);
    fn_memory_revive(memory);
    rig_open(&rig);
    count = fnm_document_count(rig.fn);
    assert_int_equal(count, BASE_DOCUMENTS + (whole ? deed->documents : 0));
    assert_int_equal(fnm_unconfirmed_count(rig.fn),
                     waiting + (whole ? deed->documents - deed->confirmed : 0));
    assert_false(answered); /* it died inside: nothing was promised */
    tally->cuts++;
    tally->survived += whole;
    /* Life goes on, and what comes next survives. */
    if (deed->close != close_shift || !whole) {
        rig_receipt(&rig, SETTLEMENT_SALE, 50);
        assert_int_equal(get_u32le(rig.answer + 2), count + 1);
        rig_reopen(&rig);
        assert_int_equal(fnm_document_count(rig.fn), count + 1);
    }
    fnm_close(rig.fn);
    rig.fn = NULL;
}

static void cut_everywhere(const struct deed *deed, uint32_t chunk, struct tally *tally)
{
    uint32_t mark = start_from_base(chunk);
    struct uncut uncut = do_uncut(deed, mark);
    uint32_t length = (uint32_t)(uncut.end - uncut.start + 16);
    assert_true(uncut.last > uncut.first && length > 40);
    for (uint64_t operation = uncut.first; operation <= uncut.last; operation++)
        for (int tear = 0; tear < FN_MEMORY_TEARS; tear++) {
            uint32_t arguments = tear <= FN_MEMORY_TEAR_ALL      ? 1
                                 : tear <= FN_MEMORY_TEAR_SUFFIX ? length
                                                                 : DICE;
            for (uint32_t argument = 0; argument < arguments; argument++) {
                cut_once(deed, &uncut, operation, (enum fn_memory_tear)tear, argument, tally);
                fn_memory_restore(memory, mark);
            }
        }
    /* The order was never carried out: the answer is given, and then it must be there. */
    fn_memory_cut_at(memory, uncut.last + 1, FN_MEMORY_TEAR_NOTHING, 0);
    rig_open(&rig);
    assert_int_equal(deed->close(), FN_OK);
    fn_memory_kill(memory, FN_MEMORY_TEAR_NOTHING, 0);
    fnm_close(rig.fn);
    assert_true(record_whole(&uncut));
    fn_memory_revive(memory);
    rig_open(&rig);
    assert_int_equal(fnm_document_count(rig.fn), BASE_DOCUMENTS + deed->documents);
    free(uncut.bytes);
    finish();
}

static void test_cut_everywhere(void **state)
{
    /* By records; and chunks so small that a record needs new ones. */
    static const uint32_t chunks[] = {0, 64};
    struct tally tally = {0};
    (void)state;
    for (size_t i = 0; i < sizeof deeds / sizeof deeds[0]; i++)
        for (size_t j = 0; j < sizeof chunks / sizeof chunks[0]; j++)
            cut_everywhere(&deeds[i], chunks[j], &tally);
    assert_true(tally.cuts > 5000);
    assert_true(tally.survived > 15 && tally.survived < tally.cuts / 2);
}

/* Records of a file with a large chunk end where zeros wait for the next one. */
static void test_cut_in_a_large_chunk(void **state)
{
    struct tally tally = {0};
    (void)state;
    cut_everywhere(&deeds[0], 16384, &tally);
    assert_true(tally.cuts > 500);
}

/* A second cut while the first one's torn tail is being blanked. */
static void test_cut_in_recovery(void **state)
{
    uint32_t mark = start_from_base(0);
    struct uncut uncut = do_uncut(&deeds[0], mark);
    char error[256];
    unsigned recoveries = 0;
    (void)state;
    for (uint32_t argument = 0; argument < DICE; argument++) {
        fn_memory_cut_at(memory, uncut.first, FN_MEMORY_TEAR_NOISE, argument);
        rig_open(&rig);
        (void)close_receipt();
        fnm_close(rig.fn);
        fn_memory_revive(memory);
        uint32_t torn = fn_memory_save(memory);
        uint64_t before = fn_memory_operations(memory);
        rig_open(&rig);
        fnm_close(rig.fn);
        uint64_t after = fn_memory_operations(memory);
        for (uint64_t operation = before + 1; operation <= after; operation++)
            for (int tear = 0; tear < FN_MEMORY_TEARS; tear++) {
                fn_memory_restore(memory, torn);
                fn_memory_cut_at(memory, operation, (enum fn_memory_tear)tear, argument * 7);
                assert_null(fnm_open(&rig.options, error, sizeof error));
                fn_memory_revive(memory);
                rig_open(&rig);
                assert_int_equal(fnm_document_count(rig.fn), BASE_DOCUMENTS);
                fnm_close(rig.fn);
                recoveries++;
            }
        fn_memory_restore(memory, mark);
    }
    rig.fn = NULL;
    assert_true(recoveries > 100);
    free(uncut.bytes);
    finish();
}

static void test_birth(void **state)
{
    char error[256] = "";
    (void)state;
    start(0);
    fnm_close(rig.fn);
    for (int tear = 0; tear < FN_MEMORY_TEARS; tear++) {
        uint64_t size;
        fn_memory_format(memory);
        fn_memory_cut_at(memory, 1, (enum fn_memory_tear)tear, 33);
        assert_null(fnm_open(&rig.options, error, sizeof error));
        assert_string_equal(error, "memory: the power is off");
        assert_null(fnm_open(&rig.options, error, sizeof error));
        fn_memory_revive(memory);
        (void)fn_memory_bytes(memory, &size);
        assert_int_equal(size, tear == FN_MEMORY_TEAR_ALL ? 64 : 0);
        rig_open(&rig);
        assert_int_equal(fnm_document_count(rig.fn), 0);
        assert_null(fnm_open(&rig.options, error, sizeof error));
        assert_string_equal(error, "memory: in use by another program");
        /* The failed open let go of what the first one holds. */
        fnm_close(rig.fn);
    }
    rig.fn = NULL;
    finish();
}

/* ---- marks ---- */

/* A morning of commands; CRC over every answer, byte for byte. */
static uint32_t morning(void)
{
    uint32_t crc = CRC32C_INIT;
    uint64_t now_ms = rig.now_ms;
    unix_s clock = rig.clock;
    rig_open(&rig);
    for (uint32_t i = 0; i < 12; i++) {
        int code = i % 4 == 0   ? rig_bare(&rig, FN_STATUS)
                   : i % 4 == 1 ? close_receipt()
                   : i % 4 == 2 ? rig_number(&rig, FN_FIND_DOCUMENT, i)
                                : rig_bare(&rig, FN_OFD_STATUS);
        rig_pass(&rig, 60);
        crc = crc32c_update(crc, &code, sizeof code);
        crc = crc32c_update(crc, rig.answer, rig.size);
    }
    uint8_t message[OFD_BODY_MAX];
    assert_int_equal(rig_byte(&rig, FN_OFD_TRANSPORT, 1), FN_OK);
    size_t size = rig_read_message(&rig, message, sizeof message);
    crc = crc32c_update(crc, message, size);
    rig_close_shift(&rig);
    crc = crc32c_update(crc, rig.answer, rig.size);
    fnm_close(rig.fn);
    rig.fn = NULL;
    rig.now_ms = now_ms;
    rig.clock = clock;
    return crc;
}

static void test_the_same_again(void **state)
{
    static const uint32_t chunks[] = {0, 64, 16384};
    uint32_t first = 0;
    (void)state;
    for (size_t i = 0; i < sizeof chunks / sizeof chunks[0]; i++) {
        uint32_t mark = start_from_base(chunks[i]);
        uint32_t before = fn_memory_digest(memory);
        uint64_t operations = fn_memory_operations(memory);
        uint32_t crc = morning();
        uint32_t after = fn_memory_digest(memory);
        assert_int_not_equal(before, after);
        if (i == 0)
            first = crc;
        assert_int_equal(crc, first); /* the storage does not show in the answers */
        for (unsigned round = 0; round < 3; round++) {
            fn_memory_restore(memory, mark);
            assert_int_equal(fn_memory_digest(memory), before);
            assert_int_equal(fn_memory_operations(memory), operations);
            assert_int_equal(morning(), crc);
            assert_int_equal(fn_memory_digest(memory), after);
        }
        /* From nothing: the key is the same as well. */
        fn_memory_format(memory);
        rig_open(&rig);
        rig_register(&rig, FFD_1_05);
        rig_open_shift(&rig);
        rig_receipt(&rig, SETTLEMENT_SALE, 2600);
        rig_receipt(&rig, SETTLEMENT_SALE, 100);
        fnm_close(rig.fn);
        assert_int_equal(fn_memory_digest(memory), before);
        assert_int_equal(morning(), crc);
        finish();
    }
}

static void test_marks_on_marks(void **state)
{
    uint32_t marks[6], digests[6];
    (void)state;
    marks[0] = start_from_base(64);
    digests[0] = fn_memory_digest(memory);
    for (uint32_t i = 1; i < 6; i++) {
        rig_open(&rig);
        rig_receipt(&rig, SETTLEMENT_SALE, 100 * i);
        fnm_close(rig.fn);
        marks[i] = fn_memory_save(memory);
        digests[i] = fn_memory_digest(memory);
    }
    for (uint32_t i = 6; i-- > 0;) {
        fn_memory_restore(memory, marks[i]);
        assert_int_equal(fn_memory_digest(memory), digests[i]);
        rig_open(&rig);
        assert_int_equal(fnm_document_count(rig.fn), BASE_DOCUMENTS + i);
        rig_receipt(&rig, SETTLEMENT_SALE, 5);
        fnm_close(rig.fn);
    }
    /* A dropped mark's number is given again; without marks nothing is kept. */
    assert_int_equal(fn_memory_save(memory), marks[1]);
    fn_memory_release(memory);
    assert_int_equal(fn_memory_save(memory), marks[0]);
    rig.fn = NULL;
    finish();
}

/* A mark in the middle of what nobody synced; torn afterwards, it comes back whole. */
static void test_mark_before_a_tear(void **state)
{
    const struct fnm_storage *storage;
    const char *fault;
    (void)state;
    for (int tear = 0; tear < FN_MEMORY_TEARS; tear++) {
        memory = fn_memory_create(0);
        storage = fn_memory_storage(memory);
        assert_true(
            storage->create(storage->context, (const uint8_t *)"0123456789", 10, 20, &fault));
        assert_true(storage->write(storage->context, 4, "abcdef", 6));
        assert_true(storage->zero(storage->context, 15, 60));
        assert_true(storage->write(storage->context, 30, "ghijkl", 6));
        assert_true(storage->write(storage->context, 62, "mnopqr", 6));
        uint32_t mark = fn_memory_save(memory);
        uint32_t digest = fn_memory_digest(memory);
        for (uint32_t argument = 0; argument < 50; argument++) {
            uint64_t size;
            fn_memory_kill(memory, (enum fn_memory_tear)tear, argument);
            const uint8_t *bytes = fn_memory_bytes(memory, &size);
            assert_in_range(size, 20, 68);
            assert_memory_equal(bytes, "0123", 4); /* synced */
            assert_int_equal(fn_memory_save(memory), 0);
            fn_memory_restore(memory, mark);
            assert_false(fn_memory_is_dead(memory));
            assert_int_equal(fn_memory_digest(memory), digest);
        }
        fn_memory_kill(memory, FN_MEMORY_TEAR_NOTHING, 0);
        uint64_t size;
        assert_memory_equal(fn_memory_bytes(memory, &size), "0123456789\0\0\0\0\0\0\0\0\0\0", 20);
        assert_int_equal(size, 20);
        fn_memory_destroy(memory);
    }
}

/* The check can fail: a module that does not sync loses what it answered. */
static void test_without_sync_it_is_lost(void **state)
{
    (void)state;
    for (int synced = 0; synced < 2; synced++) {
        start(0);
        fnm_close(rig.fn);
        rig.options.no_sync = synced == 0;
        rig_open(&rig);
        rig_register(&rig, FFD_1_05);
        rig_open_shift(&rig);
        rig_receipt(&rig, SETTLEMENT_SALE, 100);
        fn_memory_kill(memory, FN_MEMORY_TEAR_NOTHING, 0);
        assert_int_not_equal(close_receipt(), FN_OK);
        fnm_close(rig.fn);
        fn_memory_revive(memory);
        rig_open(&rig);
        assert_int_equal(fnm_document_count(rig.fn), synced == 0 ? 0 : 3);
        finish();
    }
}

/* Signs of a wiped life do not come again, and the run repeats all the same. */
static bool counting_random(void *context, uint8_t *data, size_t size)
{
    uint8_t *count = context;
    memset(data, ++*count, size);
    return true;
}

static bool no_random(void *context, uint8_t *data, size_t size)
{
    (void)context;
    (void)data;
    (void)size;
    return false;
}

static void test_random(void **state)
{
    uint8_t count = 0;
    uint32_t digests[2];
    char error[256];
    (void)state;
    start(0);
    rig.options.random = counting_random;
    rig.options.random_context = &count;
    for (unsigned i = 0; i < 2; i++) {
        uint64_t size;
        fnm_close(rig.fn);
        fn_memory_format(memory);
        count = 0;
        rig_open(&rig);
        rig_register(&rig, FFD_1_05);
        assert_int_equal(rig_byte(&rig, FN_DEBUG_RESET, 22), FN_OK);
        assert_int_equal(count, 2);
        rig_register(&rig, FFD_1_05);
        digests[i] = fn_memory_digest(memory);
        assert_memory_equal(fn_memory_bytes(memory, &size) + 28, "\1\1\1\1", 4);
    }
    assert_int_equal(digests[0], digests[1]);
    fnm_close(rig.fn);
    rig.options.random = no_random;
    assert_null(fnm_open(&rig.options, error, sizeof error));
    rig.fn = NULL;
    finish();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cut_everywhere),
        cmocka_unit_test(test_cut_in_a_large_chunk),
        cmocka_unit_test(test_cut_in_recovery),
        cmocka_unit_test(test_birth),
        cmocka_unit_test(test_the_same_again),
        cmocka_unit_test(test_marks_on_marks),
        cmocka_unit_test(test_mark_before_a_tear),
        cmocka_unit_test(test_without_sync_it_is_lost),
        cmocka_unit_test(test_random),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
