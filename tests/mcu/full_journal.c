/* Makes a journal that has gone round its flash: full_journal BYTES FILE, as a board with so much
 * flash would have it after years of sales. */
#undef NDEBUG
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#include "firmware/journal.h"
#include "tests/unit/job_records.h"
#include "tests/unit/ram_flash.h"

#define SECTOR 4096u
#define PAGE   256u

struct shop {
    struct ram_flash flash;
    struct board board;
    struct journal journal;
    struct register_state state;
    struct journal_scratch scratch;
};
static struct shop shop;

static void checkpoint(void *user, struct byte_writer *writer)
{
    (void)user;
    register_state_put(&shop.state, writer);
}

static void append(uint8_t type, const struct byte_writer *payload)
{
    struct journal_record record;
    assert(byte_writer_ok(payload));
    assert(journal_append(&shop.journal, type, payload->data, payload->length, &record) ==
           ERROR_NONE);
    register_state_apply(&shop.state, &record, payload->data);
}

/* INTENT, DONE, PRINTING, PRINTED, as a receipt leaves them. */
static void punch(uint32_t number)
{
    uint8_t bytes[512];
    struct byte_writer writer;
    struct job_intent intent = job_records_intent(number, LINK_RECEIPT, 1);
    struct job_done done = job_records_done(&intent, number + 1);
    byte_writer_init(&writer, bytes, sizeof bytes);
    job_intent_put(&writer, &intent);
    append(JOURNAL_INTENT, &writer);
    byte_writer_init(&writer, bytes, sizeof bytes);
    job_done_put(&writer, &done);
    append(JOURNAL_DONE, &writer);
    byte_writer_init(&writer, bytes, sizeof bytes);
    put_u32le(&writer, number + 1);
    append(JOURNAL_PRINTING, &writer);
    append(JOURNAL_PRINTED, &writer);
    while (journal_maintain(&shop.journal))
        ;
}

int main(int count, char **arguments)
{
    if (count != 3) {
        fputs("usage: full_journal BYTES FILE\n", stderr);
        return 2;
    }
    uint32_t size = (uint32_t)strtoul(arguments[1], NULL, 0);
    ram_flash_init(&shop.flash, size, SECTOR, PAGE, 0xFF);
    ram_flash_board(&shop.flash, &shop.board);
    register_state_init(&shop.state);
    struct journal_region region = {SETTINGS_SECTORS, size / SECTOR - SETTINGS_SECTORS,
                                    &shop.scratch};
    assert(journal_mount(&shop.journal, &shop.board, region, NULL, checkpoint, NULL) == ERROR_NONE);
    for (uint32_t number = 0; shop.journal.head_generation < 2 * shop.journal.sectors; number++)
        punch(number);
    FILE *file = fopen(arguments[2], "wb");
    bool good = file != NULL && fwrite(shop.flash.bytes, 1, size, file) == size;
    good = file != NULL && fclose(file) == 0 && good;
    ram_flash_free(&shop.flash);
    return good ? EXIT_SUCCESS : EXIT_FAILURE;
}
