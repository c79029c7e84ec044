/* What the register knows as the sum of the journal's records: every record both ways, cut at every
 * byte, and records that this firmware never writes but a damaged or foreign journal may hold.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "firmware/register_state.h"

static struct register_state known;

static struct job_effect some_effect(uint8_t kind)
{
    struct job_effect effect = {.kind = kind,
                                .total_kop = 1099511627775u,
                                .paid_kop = {1, 0, 3, 0, 1099511627774u},
                                .slip_form = 3,
                                .slip_marks = 1,
                                .drawer = true};
    return effect;
}

static struct job_cashier some_cashier(void)
{
    struct job_cashier cashier = {.name_size = CASHIER_BYTES, .inn_size = 12};
    memset(cashier.name, 'N', sizeof(cashier.name));
    memset(cashier.inn, '7', sizeof(cashier.inn));
    return cashier;
}

static struct job_done some_done(uint8_t job, uint8_t key)
{
    struct job_done done = {.result = {.job = job,
                                       .flags = 0x12,
                                       .document = 77,
                                       .fiscal_sign = 0xA1B2C3D4u,
                                       .time = 1790000000u,
                                       .shift = 5,
                                       .receipt = 6,
                                       .total_kop = 1099511627775u}};
    memset(done.result.key, key, KEY_SIZE);
    memset(done.digest, 0xD1, sizeof(done.digest));
    return done;
}

static void apply(uint8_t type, const uint8_t *payload, size_t size)
{
    struct journal_record record = {
        .address = 0x4000, .sequence = 9, .type = type, .size = (uint16_t)size};
    register_state_apply(&known, &record, payload);
}

static void apply_done(const struct job_done *done)
{
    uint8_t payload[256];
    struct byte_writer writer;
    byte_writer_init(&writer, payload, sizeof(payload));
    job_done_put(&writer, done);
    assert_true(byte_writer_ok(&writer));
    apply(JOURNAL_DONE, payload, writer.length);
}

static void apply_intent(uint8_t key)
{
    uint8_t payload[256];
    struct byte_writer writer;
    struct job_intent intent = {.job = LINK_RECEIPT};
    memset(intent.key, key, KEY_SIZE);
    byte_writer_init(&writer, payload, sizeof(payload));
    job_intent_put(&writer, &intent);
    apply(JOURNAL_INTENT, payload, writer.length);
}

static void apply_slip(uint8_t type, uint32_t id)
{
    const uint8_t payload[4] = {(uint8_t)id, (uint8_t)(id >> 8), 0, 0};
    apply(type, payload, sizeof(payload));
}

/* ---- Records both ways ---- */

static void test_intent_both_ways_and_cut(void **state)
{
    struct job_intent intent = {
        .job = LINK_SHIFT_OPEN, .last_document = 41, .effect = some_effect(SETTLEMENT_SALE)};
    struct job_intent back;
    uint8_t bytes[256];
    struct byte_writer writer;
    (void)state;
    memset(intent.key, 0x11, KEY_SIZE);
    memset(intent.digest, 0x22, DIGEST_SIZE);
    intent.cashier = some_cashier();
    byte_writer_init(&writer, bytes, sizeof(bytes));
    job_intent_put(&writer, &intent);
    assert_true(byte_writer_ok(&writer));
    assert_true(job_intent_get(bytes, writer.length, &back));
    assert_int_equal(back.job, intent.job);
    assert_int_equal(back.last_document, intent.last_document);
    assert_memory_equal(back.effect.paid_kop, intent.effect.paid_kop,
                        sizeof(intent.effect.paid_kop));
    assert_int_equal(back.effect.total_kop, intent.effect.total_kop);
    assert_true(back.effect.drawer);
    assert_memory_equal(&back.cashier, &intent.cashier, sizeof(intent.cashier));
    for (size_t cut = 0; cut < writer.length; cut++)
        assert_false(job_intent_get(bytes, cut, &back));
}

static void test_done_both_ways_and_cut(void **state)
{
    struct job_done done = some_done(LINK_SHIFT_OPEN, 0x33), back;
    uint8_t bytes[256];
    struct byte_writer writer;
    (void)state;
    done.slip = 9;
    done.effect = some_effect(SETTLEMENT_SALE_RETURN);
    done.cashier = some_cashier();
    byte_writer_init(&writer, bytes, sizeof(bytes));
    job_done_put(&writer, &done);
    assert_true(byte_writer_ok(&writer));
    assert_true(job_done_get(bytes, writer.length, &back));
    assert_memory_equal(back.result.key, done.result.key, KEY_SIZE);
    assert_int_equal(back.result.fiscal_sign, done.result.fiscal_sign);
    assert_int_equal(back.slip, 9);
    assert_int_equal(back.effect.kind, SETTLEMENT_SALE_RETURN);
    assert_memory_equal(&back.cashier, &done.cashier, sizeof(done.cashier));
    for (size_t cut = 0; cut < writer.length; cut++)
        assert_false(job_done_get(bytes, cut, &back));
    /* A name longer than any cashier's. */
    size_t name_at = writer.length - 12 - 1 - CASHIER_BYTES - 1;
    assert_int_equal(bytes[name_at], CASHIER_BYTES);
    bytes[name_at] = CASHIER_BYTES + 1;
    assert_false(job_done_get(bytes, writer.length, &back));
    assert_int_equal(back.cashier.name_size, 0);
}

/* ---- Applying ---- */

static void test_cash_follows_the_kind(void **state)
{
    (void)state;
    static const struct {
        uint8_t kind;
        uint64_t after;
    } kinds[] = {{SETTLEMENT_SALE, 700},
                 {SETTLEMENT_SALE_RETURN, 600},
                 {SETTLEMENT_PURCHASE_RETURN, 700},
                 {SETTLEMENT_PURCHASE, 600}};
    register_state_init(&known);
    known.cash_kop = 600;
    for (unsigned i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        struct job_done done = some_done(LINK_RECEIPT, (uint8_t)i);
        done.effect.kind = kinds[i].kind;
        done.effect.total_kop = 250;
        done.effect.paid_kop[PAYMENT_CASH] = 100;
        done.effect.paid_kop[PAYMENT_ELECTRONIC] = 150;
        apply_done(&done);
        assert_int_equal(known.cash_kop, kinds[i].after);
        const struct kind_totals *totals = &known.kinds[kinds[i].kind - 1];
        assert_int_equal(totals->count, 1);
        assert_int_equal(totals->sum_kop, 250);
        assert_int_equal(totals->paid_kop[PAYMENT_ELECTRONIC], 150);
    }
    /* Cash never falls below nothing, whatever a journal says. */
    struct job_done done = some_done(LINK_CASH_OUT, 9);
    done.effect.total_kop = 10000;
    apply_done(&done);
    assert_int_equal(known.cash_kop, 0);
    assert_int_equal(known.cash_out_kop, 10000);
}

static void test_receipt_of_no_kind_moves_no_totals(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        struct job_done done = some_done(LINK_RECEIPT, 1);
        done.effect.kind = i == 0 ? 0 : KINDS + 1;
        done.effect.total_kop = 250;
        done.effect.paid_kop[PAYMENT_CASH] = 250;
        register_state_init(&known);
        apply_done(&done);
        assert_int_equal(known.cash_kop, 0);
        for (unsigned kind = 0; kind < KINDS; kind++)
            assert_int_equal(known.kinds[kind].count, 0);
        assert_true(known.has_last); /* it still answers its key */
    }
}

static void test_a_damaged_record_changes_nothing(void **state)
{
    (void)state;
    uint8_t bytes[8] = {0};
    register_state_init(&known);
    struct job_done done = some_done(LINK_CASH_IN, 1);
    done.effect.total_kop = 500;
    apply_done(&done);
    struct register_state before = known;
    apply(JOURNAL_DONE, bytes, sizeof(bytes));
    apply(JOURNAL_PRINTED, bytes, 3);
    apply(JOURNAL_SLIP, bytes, sizeof(bytes)); /* too short for a key and a text */
    apply(JOURNAL_SETTINGS, bytes, sizeof(bytes));
    assert_memory_equal(&known, &before, sizeof(known));
    /* An INTENT that says nothing is none. */
    apply(JOURNAL_INTENT, bytes, sizeof(bytes));
    assert_false(known.has_intent);
    /* A checkpoint that cannot be read: nothing is known. */
    apply(JOURNAL_CHECKPOINT, bytes, sizeof(bytes));
    struct register_state empty;
    register_state_init(&empty);
    assert_memory_equal(&known, &empty, sizeof(known));
}

/* ---- Slips ---- */

static void owe(uint32_t id, uint8_t key)
{
    struct job_done done = some_done(LINK_NON_FISCAL, key);
    done.slip = id;
    done.effect.slip_form = 100;
    apply_done(&done);
}

static void test_slips_are_owed_until_printed(void **state)
{
    (void)state;
    register_state_init(&known);
    owe(1, 1);
    owe(2, 2);
    owe(3, 3);
    assert_int_equal(known.owed_count, 3);
    assert_int_equal(known.next_slip, 4);
    apply_slip(JOURNAL_PRINTING, 2);
    assert_false(known.owed[0].started);
    assert_true(known.owed[1].started);
    apply_slip(JOURNAL_PRINTED, 2);
    assert_int_equal(known.owed_count, 2);
    assert_int_equal(known.owed[0].id, 1);
    assert_int_equal(known.owed[1].id, 3);
    apply_slip(JOURNAL_PRINTED, 2); /* once more: nobody has it */
    assert_int_equal(known.owed_count, 2);
    /* An id given before (a foreign journal) does not bring the numbers back. */
    owe(1, 4);
    assert_int_equal(known.next_slip, 4);
}

static void test_a_full_table_loses_its_oldest(void **state)
{
    (void)state;
    register_state_init(&known);
    for (uint32_t id = 1; id <= OWED_SLIPS_MAX + 1; id++)
        owe(id, (uint8_t)id);
    assert_int_equal(known.owed_count, OWED_SLIPS_MAX);
    assert_int_equal(known.owed[0].id, 2);
    assert_int_equal(known.owed[OWED_SLIPS_MAX - 1].id, OWED_SLIPS_MAX + 1);
}

/* The text kept before a job belongs to that job only. */
static void test_text_belongs_to_its_key(void **state)
{
    (void)state;
    uint8_t text[40];
    memset(text, 5, sizeof(text));
    register_state_init(&known);
    apply(JOURNAL_SLIP, text, sizeof(text));
    owe(1, 5);
    assert_int_equal(known.owed[0].extra.size, sizeof(text));
    assert_int_equal(known.owed[0].extra.address, 0x4000);
    assert_int_equal(known.pending_extra.size, 0);
    apply(JOURNAL_SLIP, text, sizeof(text));
    owe(2, 6);
    assert_int_equal(known.owed[1].extra.size, 0);
    apply(JOURNAL_SLIP, text, sizeof(text));
    apply_intent(5);
    apply(JOURNAL_ABORTED, text, KEY_SIZE);
    assert_int_equal(known.pending_extra.size, 0);
    assert_false(known.has_intent);
}

/* ---- Checkpoint ---- */

static size_t checkpoint(uint8_t *bytes, size_t capacity)
{
    struct byte_writer writer;
    byte_writer_init(&writer, bytes, capacity);
    register_state_put(&known, &writer);
    assert_true(byte_writer_ok(&writer));
    return writer.length;
}

static void test_checkpoint_both_ways_and_cut(void **state)
{
    static struct register_state back;
    static uint8_t bytes[2048];
    uint8_t text[40];
    (void)state;
    memset(text, 5, sizeof(text));
    register_state_init(&known);
    size_t empty = checkpoint(bytes, sizeof(bytes));
    assert_true(register_state_get(bytes, empty, &back));
    assert_false(back.shift_open || back.has_last || back.has_intent);
    assert_int_equal(back.owed_count, 0);
    assert_int_equal(back.next_slip, 1);

    struct job_done opened = some_done(LINK_SHIFT_OPEN, 1);
    opened.cashier = some_cashier();
    apply_done(&opened);
    struct job_done receipt = some_done(LINK_RECEIPT, 2);
    receipt.effect = some_effect(SETTLEMENT_SALE);
    receipt.slip = 1;
    apply_done(&receipt);
    apply(JOURNAL_SLIP, text, sizeof(text));
    owe(2, 5);
    apply_slip(JOURNAL_PRINTING, 1);
    apply(JOURNAL_SLIP, text, sizeof(text));
    apply_intent(7);
    size_t size = checkpoint(bytes, sizeof(bytes));
    assert_true(register_state_get(bytes, size, &back));
    assert_true(back.shift_open && back.has_last && back.has_intent);
    assert_int_equal(back.owed_count, 2);
    assert_true(back.owed[0].started);
    assert_false(back.owed[1].started);
    assert_int_equal(back.owed[1].extra.address, 0x4000);
    assert_int_equal(back.pending_extra.size, sizeof(text));
    assert_memory_equal(back.kinds, known.kinds, sizeof(known.kinds));
    assert_memory_equal(back.intent.key, known.intent.key, KEY_SIZE);
    assert_int_equal(back.drawer_openings, 1);
    /* Written again it is the same, byte for byte. */
    static uint8_t again[2048];
    known = back;
    assert_int_equal(checkpoint(again, sizeof(again)), size);
    assert_memory_equal(again, bytes, size);
    for (size_t cut = 0; cut < size; cut++)
        assert_false(register_state_get(bytes, cut, &back));
    bytes[0]++;
    assert_false(register_state_get(bytes, size, &back)); /* a newer version */
}

static void test_checkpoint_that_owes_too_much(void **state)
{
    static struct register_state back;
    static uint8_t bytes[4096];
    (void)state;
    register_state_init(&known);
    size_t size = checkpoint(bytes, sizeof(bytes));
    size_t count_at = size - KEY_SIZE - 14 - 1; /* pending_extra and its key stand behind it */
    assert_int_equal(bytes[count_at], 0);
    bytes[count_at] = OWED_SLIPS_MAX + 1;
    assert_false(register_state_get(bytes, sizeof(bytes), &back));
    assert_int_equal(back.owed_count, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_intent_both_ways_and_cut),
        cmocka_unit_test(test_done_both_ways_and_cut),
        cmocka_unit_test(test_cash_follows_the_kind),
        cmocka_unit_test(test_receipt_of_no_kind_moves_no_totals),
        cmocka_unit_test(test_a_damaged_record_changes_nothing),
        cmocka_unit_test(test_slips_are_owed_until_printed),
        cmocka_unit_test(test_a_full_table_loses_its_oldest),
        cmocka_unit_test(test_text_belongs_to_its_key),
        cmocka_unit_test(test_checkpoint_both_ways_and_cut),
        cmocka_unit_test(test_checkpoint_that_owes_too_much),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
