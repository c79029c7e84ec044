/* The emulated flash chip: NOR rules, persistence, locking, and a power cut inside an operation. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "board/posix/posix_flash.h"

#define SIZE (16u * POSIX_FLASH_SECTOR_SIZE)

struct fixture {
    char directory[64];
    int dir_fd;
    struct posix_flash flash;
    char error[160];
};

static int setup(void **state)
{
    struct fixture *fixture = calloc(1, sizeof *fixture);
    if (fixture == NULL)
        return -1;
    strcpy(fixture->directory, "/tmp/posix-flash-XXXXXX");
    if (mkdtemp(fixture->directory) == NULL)
        return -1;
    fixture->dir_fd = open(fixture->directory, O_RDONLY | O_DIRECTORY);
    *state = fixture;
    return posix_flash_open(&fixture->flash, fixture->dir_fd, SIZE, false, fixture->error,
                            sizeof fixture->error)
               ? 0
               : -1;
}

static int teardown(void **state)
{
    struct fixture *fixture = *state;
    posix_flash_close(&fixture->flash);
    unlinkat(fixture->dir_fd, "flash.bin", 0);
    close(fixture->dir_fd);
    int result = rmdir(fixture->directory);
    free(fixture);
    return result;
}

static void reopen(struct fixture *fixture, uint32_t size)
{
    posix_flash_close(&fixture->flash);
    assert_true(posix_flash_open(&fixture->flash, fixture->dir_fd, size, false, fixture->error,
                                 sizeof fixture->error));
}

static void test_new_chip_is_blank(void **state)
{
    struct fixture *fixture = *state;
    uint8_t bytes[512];
    for (uint32_t address = 0; address < SIZE; address += sizeof bytes) {
        assert_int_equal(posix_flash_read(&fixture->flash, address, bytes, sizeof bytes), 0);
        for (size_t i = 0; i < sizeof bytes; i++)
            assert_int_equal(bytes[i], 0xFF);
    }
}

static void test_program_and_erase_survive(void **state)
{
    struct fixture *fixture = *state;
    uint8_t bytes[8];
    assert_int_equal(posix_flash_program(&fixture->flash, 4096, "\xF0\x0F", 2), 0);
    assert_int_equal(posix_flash_program(&fixture->flash, 4096, "\x80\x0F", 2), 0);
    assert_int_equal(posix_flash_program(&fixture->flash, 8192, "ab", 2), 0);
    assert_int_equal(posix_flash_erase(&fixture->flash, 8192), 0);
    reopen(fixture, 0);
    assert_int_equal(fixture->flash.size, SIZE);
    posix_flash_read(&fixture->flash, 4096, bytes, 4);
    assert_memory_equal(bytes, "\x80\x0F\xFF\xFF", 4);
    posix_flash_read(&fixture->flash, 8192, bytes, 2);
    assert_memory_equal(bytes, "\xFF\xFF", 2);
}

static void test_sync_only_when_programmed(void **state)
{
    struct fixture *fixture = *state;
    assert_int_equal(posix_flash_sync(&fixture->flash), 0);
    assert_int_equal(fixture->flash.counters.syncs, 0);
    posix_flash_program(&fixture->flash, 0, "a", 1);
    posix_flash_program(&fixture->flash, 1, "b", 1);
    assert_int_equal(posix_flash_sync(&fixture->flash), 0);
    assert_int_equal(posix_flash_sync(&fixture->flash), 0);
    assert_int_equal(fixture->flash.counters.syncs, 1);
    assert_int_equal(fixture->flash.counters.programs, 2);
    assert_int_equal(fixture->flash.counters.programmed_bytes, 2);
}

/* Runs one operation in a child; its wait status. */
static int in_child(struct fixture *fixture, void (*operation)(struct posix_flash *flash))
{
    int status = 0;
    fflush(NULL);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        int null = open("/dev/null", O_WRONLY);
        dup2(null, STDERR_FILENO);
        signal(SIGABRT, SIG_DFL);
        operation(&fixture->flash);
        _exit(0);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    return status;
}

static void zero_to_one(struct posix_flash *flash)
{
    posix_flash_program(flash, 100, "\x00", 1);
    posix_flash_program(flash, 100, "\x01", 1);
}

static void across_pages(struct posix_flash *flash)
{
    posix_flash_program(flash, 255, "\xFF\xFF", 2);
}

static void erase_inside_sector(struct posix_flash *flash)
{
    posix_flash_erase(flash, 256);
}

static void program_outside(struct posix_flash *flash)
{
    posix_flash_program(flash, SIZE, "\x00", 1);
}

static void read_outside(struct posix_flash *flash)
{
    uint8_t bytes[2];
    posix_flash_read(flash, SIZE - 1, bytes, 2);
}

static void within_the_rules(struct posix_flash *flash)
{
    posix_flash_program(flash, 254, "\x00\x00", 2);
    posix_flash_program(flash, 256, "\x00", 1);
    posix_flash_erase(flash, SIZE - 4096);
}

static void test_breaking_a_rule_aborts(void **state)
{
    void (*const crimes[])(struct posix_flash *) = {zero_to_one, across_pages, erase_inside_sector,
                                                    program_outside, read_outside};
    for (size_t i = 0; i < sizeof crimes / sizeof crimes[0]; i++) {
        int status = in_child(*state, crimes[i]);
        assert_true(WIFSIGNALED(status));
        assert_int_equal(WTERMSIG(status), SIGABRT);
    }
    assert_int_equal(in_child(*state, within_the_rules), 0);
}

static void cut_in_program(struct posix_flash *flash)
{
    posix_flash_cut_at(flash, 2);
    posix_flash_program(flash, 0, "whole", 5);
    posix_flash_program(flash, 512, "halfhalf", 8);
}

static void cut_in_erase(struct posix_flash *flash)
{
    uint8_t page[256] = {0};
    for (uint32_t at = 0; at < 4096; at += sizeof page)
        posix_flash_program(flash, 4096 + at, page, sizeof page);
    posix_flash_cut_at(flash, 1);
    posix_flash_erase(flash, 4096);
}

static void test_power_cut_leaves_half(void **state)
{
    struct fixture *fixture = *state;
    uint8_t bytes[8];
    int status = in_child(fixture, cut_in_program);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), POSIX_POWER_CUT_STATUS);
    status = in_child(fixture, cut_in_erase);
    assert_int_equal(WEXITSTATUS(status), POSIX_POWER_CUT_STATUS);
    reopen(fixture, SIZE);
    posix_flash_read(&fixture->flash, 0, bytes, 5);
    assert_memory_equal(bytes, "whole", 5);
    posix_flash_read(&fixture->flash, 512, bytes, 8);
    assert_memory_equal(bytes, "half\xFF\xFF\xFF\xFF", 8);
    posix_flash_read(&fixture->flash, 4096 + 2047, bytes, 2);
    assert_memory_equal(bytes, "\xFF\x00", 2);
}

static void test_one_process_at_a_time(void **state)
{
    struct fixture *fixture = *state;
    struct posix_flash second;
    assert_false(posix_flash_open(&second, fixture->dir_fd, 0, false, fixture->error,
                                  sizeof fixture->error));
    assert_non_null(strstr(fixture->error, "another board"));
}

static void test_size_cannot_change(void **state)
{
    struct fixture *fixture = *state;
    posix_flash_close(&fixture->flash);
    assert_false(posix_flash_open(&fixture->flash, fixture->dir_fd, SIZE * 2, false, fixture->error,
                                  sizeof fixture->error));
    assert_true(posix_flash_open(&fixture->flash, fixture->dir_fd, 0, false, fixture->error,
                                 sizeof fixture->error));
    unlinkat(fixture->dir_fd, "flash.bin", 0);
    posix_flash_close(&fixture->flash);
    assert_false(posix_flash_open(&fixture->flash, fixture->dir_fd, 5000, false, fixture->error,
                                  sizeof fixture->error));
    assert_true(posix_flash_open(&fixture->flash, fixture->dir_fd, SIZE, false, fixture->error,
                                 sizeof fixture->error));
}

static void test_copy_leaves_the_file_alone(void **state)
{
    struct fixture *fixture = *state;
    struct posix_flash copy;
    uint8_t byte;
    posix_flash_program(&fixture->flash, 7, "x", 1);
    assert_true(posix_flash_open_copy(&copy, fixture->dir_fd, NULL, 0, fixture->error,
                                      sizeof fixture->error));
    posix_flash_read(&copy, 7, &byte, 1);
    assert_int_equal(byte, 'x');
    assert_int_equal(posix_flash_erase(&copy, 0), 0);
    assert_int_equal(posix_flash_program(&copy, 9, "y", 1), 0);
    assert_int_equal(posix_flash_sync(&copy), 0);
    posix_flash_close(&copy);
    reopen(fixture, 0);
    posix_flash_read(&fixture->flash, 7, &byte, 1);
    assert_int_equal(byte, 'x');
    posix_flash_read(&fixture->flash, 9, &byte, 1);
    assert_int_equal(byte, 0xFF);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_new_chip_is_blank, setup, teardown),
        cmocka_unit_test_setup_teardown(test_program_and_erase_survive, setup, teardown),
        cmocka_unit_test_setup_teardown(test_sync_only_when_programmed, setup, teardown),
        cmocka_unit_test_setup_teardown(test_breaking_a_rule_aborts, setup, teardown),
        cmocka_unit_test_setup_teardown(test_power_cut_leaves_half, setup, teardown),
        cmocka_unit_test_setup_teardown(test_one_process_at_a_time, setup, teardown),
        cmocka_unit_test_setup_teardown(test_size_cannot_change, setup, teardown),
        cmocka_unit_test_setup_teardown(test_copy_leaves_the_file_alone, setup, teardown),
    };
    return cmocka_run_group_tests_name("posix_flash", tests, NULL, NULL);
}
