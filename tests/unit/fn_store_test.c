/* The emulated fiscal module's file: power cuts at every byte, damage, other people's files. */
#include "tests/unit/fn_rig.h"

#include <fcntl.h>
#include <sys/stat.h>

#include "board/fn/fnm_store.h"
#include "proto/crc.h"

static uint8_t *file_read(size_t *size)
{
    struct stat status;
    int fd = open(rig.path, O_RDONLY);
    assert_true(fd >= 0 && fstat(fd, &status) == 0);
    *size = (size_t)status.st_size;
    uint8_t *bytes = malloc(*size);
    assert_int_equal(read(fd, bytes, *size), (ssize_t)*size);
    close(fd);
    return bytes;
}

static void file_write(const uint8_t *bytes, size_t size)
{
    int fd = open(rig.path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, bytes, size), (ssize_t)size);
    close(fd);
}

/* End of the last record: bytes that are not zero. */
static size_t used(const uint8_t *bytes, size_t size)
{
    while (size > 0 && bytes[size - 1] == 0)
        size--;
    return size;
}

/* A receipt is committed; then the file as it would be with only `kept` bytes of that commit. */
static void cut_at_every_byte(bool truncate)
{
    size_t before_size, after_size;
    rig_register(&rig, FFD_1_05);
    rig_open_shift(&rig);
    fnm_close(rig.fn);
    uint8_t *before = file_read(&before_size);
    rig_open(&rig);
    rig_receipt(&rig, SETTLEMENT_SALE, 2600);
    fnm_close(rig.fn);
    uint8_t *after = file_read(&after_size);
    size_t start = 0, end = used(after, after_size);
    while (start < before_size && before[start] == after[start])
        start++;
    start = start / 8 * 8;
    assert_true(end > start + 100);
    end = (end + 7) / 8 * 8;
    assert_int_equal(before_size, after_size);
    uint8_t *file = malloc(after_size);
    for (size_t kept = start; kept <= end; kept++) {
        memcpy(file, before, before_size);
        memcpy(file + start, after + start, kept - start);
        file_write(file, truncate ? kept : after_size);
        rig_open(&rig);
        uint32_t count = fnm_document_count(rig.fn);
        bool whole = memcmp(file + start, after + start, end - start) == 0;
        if (truncate ? kept == end : whole)
            assert_int_equal(count, 3);
        if (count != 2)
            assert_int_equal(count, 3);
        if (count == 3)
            assert_true(whole || kept + 8 > end);
        /* Life goes on from there, and what comes next survives. */
        rig_receipt(&rig, SETTLEMENT_SALE, 50);
        assert_int_equal(get_u32le(rig.answer + 2), count + 1);
        rig_reopen(&rig);
        assert_int_equal(fnm_document_count(rig.fn), count + 1);
        fnm_close(rig.fn);
    }
    free(file);
    free(before);
    free(after);
    rig_open(&rig);
}

static void test_truncated_at_every_byte(void **state)
{
    (void)state;
    cut_at_every_byte(true);
}

static void test_prefix_at_every_byte(void **state)
{
    (void)state;
    cut_at_every_byte(false);
}

/* Sectors of one write may reach the disk in any order: the tail without the head. */
static void test_suffix_only(void **state)
{
    (void)state;
    size_t before_size, after_size;
    rig_register(&rig, FFD_1_05);
    rig_open_shift(&rig);
    fnm_close(rig.fn);
    uint8_t *before = file_read(&before_size);
    rig_open(&rig);
    rig_receipt(&rig, SETTLEMENT_SALE, 2600);
    fnm_close(rig.fn);
    uint8_t *after = file_read(&after_size);
    size_t start = (used(before, before_size) + 7) / 8 * 8, end = used(after, after_size);
    for (size_t lost = start + 8; lost < end; lost += 8) {
        memset(after + start, 0, lost - start);
        file_write(after, after_size);
        rig_open(&rig);
        assert_int_equal(fnm_document_count(rig.fn), 2);
        fnm_close(rig.fn);
        size_t size;
        uint8_t *file = file_read(&size);
        assert_true(used(file, size) <= start); /* nothing of it can come back to life */
        free(file);
    }
    free(before);
    free(after);
    rig_open(&rig);
}

/* A record that was whole and is damaged, with good ones behind it, is an error and not a loss. */
static void test_damage_in_the_middle(void **state)
{
    (void)state;
    size_t size;
    char error[256];
    rig_register(&rig, FFD_1_05);
    fnm_close(rig.fn);
    uint8_t *file = file_read(&size);
    size_t first_end = used(file, size);
    free(file);
    rig_open(&rig);
    rig_open_shift(&rig);
    rig_receipt(&rig, SETTLEMENT_SALE, 2600);
    fnm_close(rig.fn);
    file = file_read(&size);
    for (size_t at = FNM_STORE_HEADER_SIZE; at < first_end; at++) {
        if (at >= FNM_STORE_HEADER_SIZE + 20 && at < FNM_STORE_HEADER_SIZE + 24)
            continue; /* padding outside the CRC */
        file[at] ^= 0x10;
        file_write(file, size);
        error[0] = 0;
        assert_null(fnm_open(&rig.options, error, sizeof error));
        assert_non_null(strstr(error, "damaged"));
        file[at] ^= 0x10;
    }
    file_write(file, size);
    free(file);
    rig_open(&rig);
    assert_int_equal(fnm_document_count(rig.fn), 3);
}

static void assert_refused(const char *why)
{
    char error[256] = "";
    assert_null(fnm_open(&rig.options, error, sizeof error));
    if (strstr(error, why) == NULL)
        fail_msg("\"%s\" does not say \"%s\"", error, why);
}

static void test_foreign_files(void **state)
{
    (void)state;
    size_t size;
    assert_refused("in use");
    rig.options.serial = "9999078900005489";
    fnm_close(rig.fn);
    assert_refused("holds module 9999078900005488");
    rig.options.serial = "123";
    assert_refused("16 digits");
    rig.options.serial = NULL;
    uint8_t *file = file_read(&size);
    for (size_t at = 0; at < FNM_STORE_HEADER_SIZE; at++) {
        file[at] ^= 0x01;
        file_write(file, size);
        assert_refused("");
        file[at] ^= 0x01;
    }
    file[8] = 2; /* a version to come */
    file_write(file, size);
    assert_refused("newer");
    file[8] = 1;
    file_write(file, 10);
    assert_refused("too short");
    file_write(
        (const uint8_t *)"{\"this\": \"is something else, long enough to be a header, or so\"}\n",
        66);
    assert_refused("not a fiscal module's store");
    file_write(file, size);
    free(file);
    rig_open(&rig);
}

static void test_one_write_one_sync(void **state)
{
    (void)state;
    rig.options.no_sync = false;
    rig_reopen(&rig);
    rig_register(&rig, FFD_1_05);
    rig_open_shift(&rig);
    struct fnm_counters before = *fnm_counters(rig.fn);
    struct stat old, new;
    stat(rig.path, &old);
    for (int i = 0; i < 50; i++)
        rig_receipt(&rig, SETTLEMENT_SALE, 2600);
    const struct fnm_counters *after = fnm_counters(rig.fn);
    assert_int_equal(after->syncs - before.syncs, 50);
    assert_int_equal(after->writes - before.writes, 50);
    assert_int_equal(after->commands - before.commands, 150);
    stat(rig.path, &new);
    assert_int_equal(new.st_size, old.st_size); /* no metadata in those syncs */
}

/* Growth over a chunk, an index over its first size, and everything still there. */
static void test_many_documents(void **state)
{
    (void)state;
    rig_register(&rig, FFD_1_05);
    rig_open_shift(&rig);
    for (uint32_t i = 0; i < 1500; i++)
        rig_receipt(&rig, SETTLEMENT_SALE, 100 + i);
    rig_reopen(&rig);
    assert_int_equal(fnm_document_count(rig.fn), 1502);
    struct fnm_document document;
    uint8_t stlv[1024];
    for (uint32_t i = 0; i < 1500; i++) {
        assert_true(fnm_document_get(rig.fn, i + 3, &document));
        assert_int_equal(document.total_kop, 100 + i);
        assert_int_equal(document.receipt, i + 1);
        assert_int_equal(fnm_document_read(rig.fn, i + 3, stlv, sizeof stlv), document.stlv_size);
    }
    assert_int_equal(fnm_document_read(rig.fn, 3, stlv, 10), 0);
    rig_receipt(&rig, SETTLEMENT_SALE, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_truncated_at_every_byte, rig_setup, rig_teardown),
        cmocka_unit_test_setup_teardown(test_prefix_at_every_byte, rig_setup, rig_teardown),
        cmocka_unit_test_setup_teardown(test_suffix_only, rig_setup, rig_teardown),
        cmocka_unit_test_setup_teardown(test_damage_in_the_middle, rig_setup, rig_teardown),
        cmocka_unit_test_setup_teardown(test_foreign_files, rig_setup, rig_teardown),
        cmocka_unit_test_setup_teardown(test_one_write_one_sync, rig_setup, rig_teardown),
        cmocka_unit_test_setup_teardown(test_many_documents, rig_setup, rig_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
