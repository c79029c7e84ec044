/* Slips that are owed: where their text comes from, and what happens when it cannot be had. */
#include "tests/unit/register_rig.h"

static uint32_t papers(void)
{
    struct print_head_counters paper;
    print_head_counters(world.head, &paper);
    return paper.slips;
}

/* The text of the newest slip; the world must keep slips. */
static const char *last_paper(void)
{
    static char text[65536];
    char path[160];
    print_head_wait_pictures(world.head);
    snprintf(path, sizeof(path), "%s/paper/%06u.txt", world.folder,
             (unsigned)print_head_last_slip(world.head));
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    text[fread(text, 1, sizeof(text) - 1, file)] = '\0';
    fclose(file);
    return text;
}

static void ready_with_paper(uint8_t ffd)
{
    rig_create(true);
    world_ready(&world, ffd);
    world_run(&world, 5000);
}

/* One line of text as SLIP_TEXT or SLIP_ITEM_TEXT. */
static void put_line(struct byte_writer *writer, uint16_t tag, const char *text)
{
    size_t mark = tlv_begin(writer, tag);
    tlv_put_u8(writer, TAG_SLIP_STYLE, 0);
    put_text(writer, TAG_SLIP_STRING, text);
    tlv_end(writer, mark);
}

/* SLIP_BEFORE or SLIP_AFTER of so many bytes at least, beginning with the line `first`. */
static void put_long_text(struct byte_writer *writer, uint16_t tag, size_t size, const char *first)
{
    char line[101];
    memset(line, 'L', 100);
    line[100] = '\0';
    size_t mark = tlv_begin(writer, tag);
    put_line(writer, TAG_SLIP_TEXT, first);
    for (size_t start = writer->length; writer->length - start < size;)
        put_line(writer, TAG_SLIP_TEXT, line);
    tlv_end(writer, mark);
}

/* The power goes before the slip comes out: it must be made again from FN and journal. */
static void restart_with_owed_slip(void)
{
    assert_int_equal(world_power_on(&world), ERROR_NONE);
    print_head_set_paper(world.head, PRINT_HEAD_PAPER_IN);
    world_run(&world, 10000);
    assert_int_equal(world_status(&world, TAG_SLIPS_OWED), 0);
}

static unsigned count_text(const char *text, const char *what)
{
    unsigned count = 0;
    for (const char *at = strstr(text, what); at != NULL; at = strstr(at + 1, what))
        count++;
    return count;
}

/* ---- Text that only paper needs ---- */

static void test_who_is_the_cashier_of_a_report(void **state)
{
    (void)state;
    rig_create(true);
    assert_int_equal(world_power_on(&world), ERROR_NONE);
    world_run(&world, 3000);
    /* Before the first shift: nobody, or who is named. */
    world_must(bare_job(LINK_X_REPORT, 1));
    world_run(&world, 3000);
    assert_null(strstr(last_paper(), "Petrova"));
    world_must(tag_job(LINK_X_REPORT, 2, TAG_CASHIER, "Petrova", 7));
    world_run(&world, 3000);
    assert_non_null(strstr(last_paper(), "Petrova"));
    assert_int_equal(papers(), 2);
    world_destroy(&world);
}

/* Text too long for the journal does not stop a receipt: it is printed from RAM, and only a slip
 * made again lacks it. A report has no other place for it: refused. */
static void test_long_text(void **state)
{
    (void)state;
    struct byte_writer writer;
    ready_with_paper(FFD_1_05);
    size_t size = world_receipt(body, sizeof(body), SETTLEMENT_SALE, 1, 100);
    byte_writer_init(&writer, body + size, sizeof(body) - size);
    put_long_text(&writer, TAG_SLIP_AFTER, 2500, "GOODBYE");
    tlv_put_vln(&writer, TAG_CASH_TENDERED, 500);
    world_must(world_job(&world, LINK_RECEIPT, 1, body, size + writer.length));
    world_run(&world, 5000);
    assert_non_null(strstr(last_paper(), "GOODBYE"));
    print_head_set_paper_out_after(world.head, 3);
    world_must(world_job(&world, LINK_RECEIPT, 2, body, size + writer.length));
    world_run(&world, 2000);
    restart_with_owed_slip();
    assert_null(strstr(last_paper(), "GOODBYE"));
    assert_non_null(strstr(last_paper(), "an item"));
    byte_writer_init(&writer, body, sizeof(body));
    put_long_text(&writer, TAG_SLIP_AFTER, 1500, "GOODBYE");
    expect_refusal(world_job(&world, LINK_SHIFT_CLOSE, 3, body, writer.length), ERROR_TOO_LARGE, 0);
    assert_int_equal(world_status(&world, TAG_SHIFT_STATE), SHIFT_OPEN);
    byte_writer_init(&writer, body, sizeof(body));
    put_long_text(&writer, TAG_SLIP_AFTER, 300, "GOODBYE");
    world_must(world_job(&world, LINK_SHIFT_CLOSE, 3, body, writer.length));
    world_run(&world, 5000);
    assert_non_null(strstr(last_paper(), "GOODBYE"));
    world_destroy(&world);
}

/* Text before the first item, two under one, and more of it than a slip is cut into or the journal
 * keeps: the receipt from RAM has all, the one made again what was kept, each in its place. */
static void test_text_between_items(void **state)
{
    (void)state;
    for (unsigned each = 1; each <= 41; each += 40) { /* characters a text: many short, few long */
        struct byte_writer writer;
        struct tlv_reader reader;
        struct tlv tlv;
        static uint8_t list[40000];
        char text[64];
        ready_with_paper(FFD_1_05);
        size_t size = world_receipt(list, sizeof(list), SETTLEMENT_SALE, 60, 100);
        byte_writer_init(&writer, body, sizeof(body));
        put_line(&writer, TAG_SLIP_ITEM_TEXT, "FIRST OF ALL");
        tlv_reader_init(&reader, list, size);
        for (unsigned items = 0; tlv_next(&reader, &tlv) == 1;) {
            tlv_put_bytes(&writer, tlv.tag, tlv.value, tlv.length);
            if (tlv.tag != TAG_ITEM)
                continue;
            items++;
            snprintf(text, sizeof(text), "#%*u", (int)each, items);
            put_line(&writer, TAG_SLIP_ITEM_TEXT, text);
            if (items == 2)
                put_line(&writer, TAG_SLIP_ITEM_TEXT, "#SECOND");
        }
        print_head_set_paper_out_after(world.head, 4);
        world_must(world_job(&world, LINK_RECEIPT, 1, body, writer.length));
        world_run(&world, 5000);
        restart_with_owed_slip();
        const char *paper = last_paper();
        assert_int_equal(count_text(paper, "an item"), 60);
        unsigned lines = count_text(paper, "#");
        assert_in_range(lines, 20, 60);
        const char *before = strstr(paper, "FIRST OF ALL"), *item = strstr(paper, "an item");
        const char *second = strstr(paper, "#SECOND");
        assert_true(before != NULL && second != NULL && before < item && item < second);
        world_destroy(&world);
    }
}

/* A cash slip names its sum and what the drawer holds then. */
static void test_cash_slips(void **state)
{
    (void)state;
    ready_with_paper(FFD_1_05);
    world_must(tag_job(LINK_CASH_IN, 1, TAG_CASH_SUM, "\x39\x30", 2));
    world_run(&world, 3000);
    assert_int_equal(count_text(last_paper(), "123.45"), 2);
    world_must(tag_job(LINK_CASH_OUT, 2, TAG_CASH_SUM, "\x64", 1));
    world_run(&world, 3000);
    assert_int_equal(count_text(last_paper(), "1.00"), 1);
    assert_int_equal(count_text(last_paper(), "122.45"), 1);
    world_must(bare_job(LINK_X_REPORT, 3));
    world_run(&world, 3000);
    assert_int_equal(count_text(last_paper(), "122.45"), 1);
    world_destroy(&world);
}

/* The host is told when the paper ends and when it is back. */
static void test_paper_is_told(void **state)
{
    (void)state;
    ready_with_paper(FFD_1_05);
    (void)world_receive(&world);
    for (unsigned out = 0; out < 2; out++) {
        uint32_t events = world.events;
        print_head_set_paper(world.head, out == 0 ? PRINT_HEAD_PAPER_OUT : PRINT_HEAD_PAPER_IN);
        world_run(&world, 3000);
        assert_int_equal(world_receive(&world), 0);
        assert_true(world.events > events);
    }
    world_destroy(&world);
}

static void test_a_slip_without_text_is_no_slip(void **state)
{
    (void)state;
    ready_with_paper(FFD_1_05);
    uint32_t before = papers();
    world_must(bare_job(LINK_NON_FISCAL, 1));
    world_run(&world, 3000);
    assert_int_equal(world_status(&world, TAG_SLIPS_OWED), 0);
    assert_int_equal(papers(), before);
    world_destroy(&world);
}

/* ---- Reading back ---- */

/* A sale whose slip must be read back, with the paper out. */
static void owe_a_receipt(void)
{
    ready_with_paper(FFD_1_05);
    world_must(sale(1, SETTLEMENT_SALE, 2, 1000));
    world_run(&world, 3000);
    print_head_set_paper_out_after(world.head, 3);
    world_must(sale(2, SETTLEMENT_SALE, 2, 1000));
    world_run(&world, 3000);
    assert_int_equal(world_status(&world, TAG_SLIPS_OWED), 1);
}

/* Silent at any of the questions: the slip stays owed and is printed when the FN is back. */
static void test_fn_silent_while_a_slip_is_read(void **state)
{
    (void)state;
    static const uint8_t commands[] = {FN_FIND_DOCUMENT, FN_READ_DOCUMENT, FN_READ_TLV};
    for (unsigned i = 0; i < sizeof(commands); i++) {
        owe_a_receipt();
        uint32_t before = papers();
        rig_lie(commands[i], FN_OK, NULL, 0)->silent = true;
        restart_with_owed_slip();
        assert_int_equal(rig.lies[0].command, 0);
        assert_int_equal(papers(), before + 2); /* the torn one, and the whole one */
        assert_non_null(strstr(last_paper(), "an item"));
        world_destroy(&world);
    }
}

/* Number 3 of the simulated world's finds. The roll ends in a slip and is changed at once, while
 * the head was last asked for its state just before the slip began: the stop must not pass unseen.
 * */
static void test_a_quick_change_of_the_roll(void **state)
{
    (void)state;
    for (uint32_t wait = 0; wait <= 500; wait += 20) {
        ready_with_paper(FFD_1_05);
        world_run(&world, 3000 + wait);
        print_head_set_paper_out_after(world.head, 8);
        world_must(sale(2, SETTLEMENT_SALE, 2, 1000));
        struct print_head_counters counters = {0};
        uint64_t lines_before = 0;
        print_head_counters(world.head, &counters);
        lines_before = counters.lines;
        for (unsigned turn = 0; turn < 1000 && counters.lines < lines_before + 8; turn++) {
            world_turn(&world);
            print_head_counters(world.head, &counters);
        }
        assert_int_equal(counters.lines, lines_before + 8);
        print_head_set_paper(world.head, PRINT_HEAD_PAPER_IN);
        world_run(&world, 10000);
        assert_int_equal(world_status(&world, TAG_SLIPS_OWED), 0);
        assert_non_null(strstr(last_paper(), "ПРЕДЫДУЩИЙ ЛИСТ НЕДЕЙСТВИТЕЛЕН"));
        assert_non_null(strstr(last_paper(), "[QR t="));
        world_destroy(&world);
    }
}

/* What an FN may say instead of a document's text. */
static const struct {
    uint8_t command, answer;
    const char *data;
    size_t size;
} odd[] = {{FN_FIND_DOCUMENT, FN_NO_DATA, NULL, 0},
           {FN_FIND_DOCUMENT, FN_OK, "\3", 1},
           {FN_READ_DOCUMENT, FN_NO_DATA, NULL, 0},
           {FN_READ_DOCUMENT, FN_OK, "\3\0", 2},
           {FN_READ_TLV, FN_BAD_STATE, NULL, 0},
           {FN_READ_TLV, FN_NO_DATA, NULL, 0},                         /* before there was any */
           {FN_FIND_DOCUMENT, FN_OK, "\3\0\0\0\0\0\0\x63\0\0\0", 11}}; /* document 99 */
#define ODD (sizeof(odd) / sizeof(odd[0]))

/* Number 2 of the simulated world's finds. Said once, it may be noise on the line or an answer that
 * came late: the slip is read again and printed. */
static void test_text_not_found_once(void **state)
{
    (void)state;
    for (unsigned i = 0; i < ODD; i++) {
        owe_a_receipt();
        uint32_t before = papers();
        rig_lie(odd[i].command, odd[i].answer, odd[i].data, odd[i].size);
        restart_with_owed_slip();
        assert_int_equal(rig.lies[0].command, 0);
        assert_int_equal(papers(), before + 2); /* the torn one, and the whole one */
        world_destroy(&world);
    }
}

/* The archive has it no more: that slip is dropped and does not stop the others. */
static void test_text_no_longer_in_the_fn(void **state)
{
    (void)state;
    for (unsigned i = 0; i < ODD; i++) {
        owe_a_receipt();
        rig_lie(odd[i].command, odd[i].answer, odd[i].data, odd[i].size)->for_ever = true;
        assert_int_equal(world_power_on(&world), ERROR_NONE);
        print_head_set_paper(world.head, PRINT_HEAD_PAPER_IN);
        world_run(&world, 1000000);
        rig_no_lies();
        assert_int_equal(world_status(&world, TAG_SLIPS_OWED), 0);
        uint32_t before = papers();
        world_must(sale(3, SETTLEMENT_SALE, 1, 777));
        world_run(&world, 5000);
        assert_int_equal(papers(), before + 1);
        assert_non_null(strstr(last_paper(), "7.77"));
        world_destroy(&world);
    }
}

/* Another FN has another document of that number: it is not printed in the slip's place. */
static void test_no_slip_from_a_foreign_fn(void **state)
{
    (void)state;
    owe_a_receipt();
    struct fn_status status = rig_status();
    status.number[15] ^= 1;
    rig_lie_status(&status);
    print_head_set_paper(world.head, PRINT_HEAD_PAPER_IN);
    assert_int_equal(world_power_on(&world), ERROR_NONE);
    world_run(&world, 10000);
    assert_int_equal(world_status(&world, TAG_BLOCK_REASON), ERROR_FN_FOREIGN);
    assert_int_equal(world_status(&world, TAG_SLIPS_OWED), 1);
    restart_with_owed_slip();
    world_destroy(&world);
}

/* Large documents behind slow paper wait until the spool has room for them. */
static void test_large_slips_wait_for_room(void **state)
{
    (void)state;
    struct print_head_options slow = {.columns = 48, .lines_per_second = 100};
    rig_create(false);
    print_head_close(world.head);
    world.head = print_head_open(&slow);
    assert_non_null(world.head);
    world_ready(&world, FFD_1_05);
    static const unsigned items[] = {250, 250, 250, 420, 60};
    for (uint8_t key = 1; key <= 5; key++) {
        size_t size = world_receipt(body, sizeof(body), SETTLEMENT_SALE, items[key - 1], 100);
        world_must(world_job(&world, LINK_RECEIPT, key, body, size));
    }
    assert_true(world_status(&world, TAG_SLIPS_OWED) >= 3);
    world_run(&world, 300000);
    assert_int_equal(world_status(&world, TAG_SLIPS_OWED), 0);
    assert_int_equal(papers(), 7);
    world_destroy(&world);
}

/* Half a request is being received into the buffer a slip would be read into. */
static void test_the_buffer_is_taken(void **state)
{
    (void)state;
    for (unsigned fiscal = 0; fiscal < 2; fiscal++) {
        ready_with_paper(FFD_1_05);
        print_head_set_paper_out_after(world.head, 1);
        if (fiscal != 0)
            world_must(sale(1, SETTLEMENT_SALE, 2, 1000));
        else
            world_must(bare_job(LINK_X_REPORT, 1));
        world_run(&world, 2000);
        print_head_set_paper(world.head, PRINT_HEAD_PAPER_IN);
        assert_int_equal(world_power_on(&world), ERROR_NONE);
        struct link_frame half = {.kind = LINK_REQUEST,
                                  .code = LINK_NON_FISCAL,
                                  .exchange = 77,
                                  .total = 2000,
                                  .payload = body,
                                  .length = 1000};
        for (unsigned i = 0; i < 5; i++) {
            world.to_board_size += link_frame_encode(&half, world.to_board + world.to_board_size,
                                                     WORLD_WIRE - world.to_board_size);
            world_run(&world, 1000);
        }
        assert_int_equal(world.firmware.cash_register.state.owed_count, 1);
        world_run(&world, 10000);
        assert_int_equal(world.firmware.cash_register.state.owed_count, 0);
        world_destroy(&world);
    }
}

/* ---- Flash ---- */

/* PRINTING that cannot be written: the head is given nothing, or the slip would come out twice
 * without a mark. The slip comes when the journal takes records again, or after the next start. */
static void test_printing_that_cannot_be_written(void **state)
{
    (void)state;
    ready_with_paper(FFD_1_05);
    world_must(sale(1, SETTLEMENT_SALE, 2, 1000));
    assert_false(world.firmware.cash_register.state.owed[0].started);
    rig.programs_fail = true;
    uint32_t before = papers();
    world_run(&world, 20000);
    assert_int_equal(papers(), before);
    rig.programs_fail = false;
    world_run(&world, 20000);
    assert_int_equal(papers(), before);
    world_must(sale(2, SETTLEMENT_SALE, 1, 777));
    world_run(&world, 20000);
    assert_int_equal(papers(), before + 2);
    world_must(sale(3, SETTLEMENT_SALE, 1, 555));
    rig.programs_fail = true;
    world_run(&world, 20000);
    assert_int_equal(papers(), before + 2);
    rig.programs_fail = false;
    assert_int_equal(world_power_on(&world), ERROR_NONE);
    world_run(&world, 20000);
    assert_int_equal(papers(), before + 3);
    assert_int_equal(world.firmware.cash_register.state.owed_count, 0);
    world_destroy(&world);
}

/* PRINTED that cannot be written: the next slip's is still its own, and the first comes out again
 * after a restart, marked. */
static void test_printed_that_cannot_be_written(void **state)
{
    (void)state;
    ready_with_paper(FFD_1_05);
    world_must(sale(1, SETTLEMENT_SALE, 2, 1000));
    RIG_UNTIL(world.firmware.cash_register.state.owed[0].started);
    rig.programs_fail = true;
    uint32_t before = papers();
    RIG_UNTIL(papers() > before);
    world_run(&world, 1000);
    rig.programs_fail = false;
    world_must(sale(2, SETTLEMENT_SALE, 1, 777));
    world_run(&world, 5000);
    assert_int_equal(world_status(&world, TAG_SLIPS_OWED), 1);
    assert_int_equal(papers(), before + 2);
    restart_with_owed_slip();
    assert_int_equal(papers(), before + 3);
    world_destroy(&world);
}

/* A slip's text that cannot be read, and flash that cannot write that it is dropped: tried again
 * once a second, not in every turn; started with flash that works it is printed. */
static void test_text_that_cannot_be_read(void **state)
{
    (void)state;
    ready_with_paper(FFD_1_05);
    print_head_set_paper_out_after(world.head, 1);
    world_must(bare_job(LINK_X_REPORT, 1));
    world_run(&world, 3000);
    assert_int_equal(world_power_on(&world), ERROR_NONE);
    rig.reads_fail = rig.programs_fail = true;
    world_run(&world, 20000);
    assert_int_equal(world.firmware.cash_register.state.owed_count, 1);
    rig.programs_fail = rig.reads_fail = false;
    restart_with_owed_slip();
    assert_non_null(strstr(last_paper(), "X"));
    world_destroy(&world);
}

static void append_done(uint8_t job, uint8_t key, uint32_t slip, uint32_t document, uint16_t form)
{
    uint8_t payload[256];
    struct byte_writer writer;
    struct job_done done = {.result = {.job = job, .document = document},
                            .slip = slip,
                            .effect = {.slip_form = form, .slip_marks = SLIP_MARK_COPY}};
    memset(done.result.key, key, KEY_SIZE);
    byte_writer_init(&writer, payload, sizeof(payload));
    job_done_put(&writer, &done);
    assert_int_equal(
        journal_append(&world.firmware.journal, JOURNAL_DONE, payload, writer.length, NULL),
        ERROR_NONE);
}

/* Texts this firmware never writes: too short, too long to stand beside a document, for an item the
 * document does not have. */
static void test_text_of_another_firmware(void **state)
{
    (void)state;
    static uint8_t text[2000];
    struct byte_writer writer;
    ready_with_paper(FFD_1_05);
    world_must(sale(1, SETTLEMENT_SALE, 2, 1000));
    world_run(&world, 5000);
    uint32_t slip = world.firmware.cash_register.state.next_slip;
    for (unsigned i = 0; i < 4; i++) {
        uint32_t before = papers();
        memset(text, 0, sizeof(text));
        memset(text, (int)(50 + i), KEY_SIZE);
        byte_writer_init(&writer, text + KEY_SIZE + 4, sizeof(text) - KEY_SIZE - 4);
        tlv_put_u16(&writer, TAG_SLIP_AFTER_ITEM, 9);
        put_line(&writer, TAG_SLIP_ITEM_TEXT, "FAR AWAY");
        size_t size = i < 2 ? KEY_SIZE + 2 : i == 2 ? sizeof(text) : KEY_SIZE + 4 + writer.length;
        assert_int_equal(journal_append(&world.firmware.journal, JOURNAL_SLIP, text, size, NULL),
                         ERROR_NONE);
        if (i == 0)
            append_done(LINK_NON_FISCAL, 50, slip, 0, SLIP_NON_FISCAL);
        else
            append_done(LINK_COPY, (uint8_t)(50 + i), slip, 3, FORM_RECEIPT);
        slip++;
        restart_with_owed_slip();
        assert_int_equal(papers(), i == 0 ? before : before + 1);
        if (i == 3)
            assert_non_null(strstr(last_paper(), "FAR AWAY"));
    }
    world_destroy(&world);
}

/* A stated total is printed once. */
static void test_stated_total_on_paper(void **state)
{
    (void)state;
    struct byte_writer writer;
    ready_with_paper(FFD_1_05);
    size_t size = world_receipt(body, sizeof(body), SETTLEMENT_SALE, 1, 77700);
    byte_writer_init(&writer, body + size, sizeof(body) - size);
    tlv_put_vln(&writer, TAG_RECEIPT_TOTAL, 77700);
    world_must(world_job(&world, LINK_RECEIPT, 1, body, size + writer.length));
    world_run(&world, 5000);
    unsigned stated = count_text(last_paper(), "777.00");
    world_must(sale(2, SETTLEMENT_SALE, 1, 77700));
    world_run(&world, 5000);
    assert_int_equal(count_text(last_paper(), "777.00"), stated);
    world_destroy(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_who_is_the_cashier_of_a_report),
        cmocka_unit_test(test_long_text),
        cmocka_unit_test(test_text_between_items),
        cmocka_unit_test(test_cash_slips),
        cmocka_unit_test(test_paper_is_told),
        cmocka_unit_test(test_a_slip_without_text_is_no_slip),
        cmocka_unit_test(test_fn_silent_while_a_slip_is_read),
        cmocka_unit_test(test_a_quick_change_of_the_roll),
        cmocka_unit_test(test_text_not_found_once),
        cmocka_unit_test(test_text_no_longer_in_the_fn),
        cmocka_unit_test(test_no_slip_from_a_foreign_fn),
        cmocka_unit_test(test_large_slips_wait_for_room),
        cmocka_unit_test(test_the_buffer_is_taken),
        cmocka_unit_test(test_printing_that_cannot_be_written),
        cmocka_unit_test(test_printed_that_cannot_be_written),
        cmocka_unit_test(test_text_that_cannot_be_read),
        cmocka_unit_test(test_text_of_another_firmware),
        cmocka_unit_test(test_stated_total_on_paper),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
