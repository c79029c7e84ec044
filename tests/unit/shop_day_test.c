/* The shop's day: every file is good for both document formats,
 * and the day adds up to the kopeck. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/money.h"
#include "proto/tags.h"
#include "tools/kkt/task.h"

#define FOLDER "tests/data/shop-day/"

static const char *const day_files[] = {"01-open.json", "02-morning.json", "03-afternoon.json",
                                        "04-close.json"};
#define DAY_FILES (sizeof day_files / sizeof day_files[0])

static void read_file(const char *name, unsigned ffd, struct task_list *list)
{
    static char text[1 << 20];
    struct task_environment environment = {
        .ffd = ffd, .tax_systems = 1, .serial = "00000000000000000002", .folder = FOLDER};
    char path[200];
    kkt_error error;
    snprintf(path, sizeof path, FOLDER "%s", name);
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    size_t size = fread(text, 1, sizeof text, file);
    fclose(file);
    if (task_list_read(text, size, &environment, list, &error) != KKT_OK)
        fail_msg("%s: %s", name, error.text);
    for (size_t i = 0; i < list->count; i++)
        if (list->tasks[i].error.code != 0)
            fail_msg("%s, task %zu: %s at %s", name, i, list->tasks[i].error.text,
                     list->tasks[i].error.field);
}

static void every_file_is_good_in_both_formats(void **state)
{
    static const unsigned formats[] = {FFD_1_05, FFD_1_2};
    (void)state;
    for (unsigned format = 0; format < 2; format++) {
        struct task_list list;
        for (size_t i = 0; i < DAY_FILES; i++) {
            read_file(day_files[i], formats[format], &list);
            task_list_free(&list);
        }
        read_file(format == 0 ? "registration-105.json" : "registration-12.json", 0, &list);
        uint8_t ffd = 0;
        assert_true(tlv_find_u8(list.tasks[0].body, list.tasks[0].size, TAG_FFD_VERSION, &ffd));
        assert_int_equal(ffd, formats[format]);
        task_list_free(&list);
    }
}

/* Figures computed by another program from the goods and prices of the day. */
static void the_day_adds_up(void **state)
{
    struct task_sums sums;
    (void)state;
    memset(&sums, 0, sizeof sums);
    for (size_t i = 0; i < DAY_FILES; i++) {
        struct task_list list;
        read_file(day_files[i], FFD_1_2, &list);
        task_sums_add(&sums, &list);
        task_list_free(&list);
    }
    assert_int_equal(sums.receipts, 44);
    assert_int_equal(sums.kinds[SETTLEMENT_SALE].count, 42);
    assert_int_equal(sums.kinds[SETTLEMENT_SALE_RETURN].count, 2);
    assert_int_equal(sums.fiscal, 44 + 3);
    assert_int_equal(sums.kinds[SETTLEMENT_SALE].total_kop, 20435945);
    assert_int_equal(sums.kinds[SETTLEMENT_SALE].paid_kop[PAYMENT_CASH], 8015657);
    assert_int_equal(sums.kinds[SETTLEMENT_SALE].paid_kop[PAYMENT_ELECTRONIC], 10171288);
    assert_int_equal(sums.kinds[SETTLEMENT_SALE].paid_kop[PAYMENT_PREPAID], 2249000);
    assert_int_equal(sums.kinds[SETTLEMENT_SALE_RETURN].paid_kop[PAYMENT_CASH], 296100);
    assert_int_equal(sums.kinds[SETTLEMENT_SALE_RETURN].paid_kop[PAYMENT_ELECTRONIC], 279000);
    assert_int_equal(sums.cash_in_kop, 1000000);
    assert_int_equal(sums.cash_out_kop, 8210000);
    assert_int_equal(sums.drawer_kop, 509557);
    for (unsigned kind = 1; kind < 5; kind++) {
        uint64_t paid = 0, turnover = 0;
        for (unsigned i = 0; i < PAYMENT_COUNT; i++)
            paid += sums.kinds[kind].paid_kop[i];
        for (unsigned i = 0; i < VAT_RATE_COUNT; i++)
            turnover += sums.kinds[kind].turnover_kop[i];
        assert_int_equal(paid, sums.kinds[kind].total_kop);
        assert_true(turnover >=
                    sums.kinds[kind].total_kop); /* roundings are in the buyer's favour */
    }
    assert_true(sums.kinds[SETTLEMENT_SALE].turnover_kop[VAT_RATE_22] > 0);
    assert_true(sums.kinds[SETTLEMENT_SALE].turnover_kop[VAT_RATE_10] > 0);
    assert_true(sums.kinds[SETTLEMENT_SALE].turnover_kop[VAT_RATE_0] > 0);
    assert_true(sums.kinds[SETTLEMENT_SALE].turnover_kop[VAT_RATE_NONE] > 0);
    assert_int_equal(sums.kinds[SETTLEMENT_SALE].turnover_kop[VAT_RATE_22_122], 2249000);
    assert_true(sums.electronic_only > 0 && sums.change_kop > 0);
}

/* The cash in the drawer never falls below nothing on the way, so the board never has to refuse. */
static void cash_is_always_there(void **state)
{
    struct task_sums sums;
    (void)state;
    memset(&sums, 0, sizeof sums);
    for (size_t i = 0; i < DAY_FILES; i++) {
        struct task_list list;
        read_file(day_files[i], FFD_1_05, &list);
        for (size_t j = 0; j < list.count; j++) {
            struct task_list one = {.tasks = &list.tasks[j], .count = 1};
            task_sums_add(&sums, &one);
            assert_true(sums.drawer_kop >= 0);
        }
        task_list_free(&list);
    }
}

static void orders_and_keys_are_what_the_readme_says(void **state)
{
    bool seen[1100] = {false};
    char keys[64][65];
    unsigned orders = 0, key_count = 0, largest = 0;
    (void)state;
    for (size_t i = 0; i < DAY_FILES; i++) {
        struct task_list list;
        read_file(day_files[i], FFD_1_2, &list);
        for (size_t j = 0; j < list.count; j++) {
            const struct task *task = &list.tasks[j];
            struct tlv property, value;
            if (task->info->job == 0)
                continue;
            assert_string_not_equal(task->key, "");
            for (unsigned k = 0; k < key_count; k++)
                assert_string_not_equal(keys[k], task->key);
            memcpy(keys[key_count++], task->key, sizeof task->key);
            if (task->info->job != KKT_JOB_RECEIPT)
                continue;
            assert_int_equal(tlv_find(task->body, task->size, TAG_USER_PROPERTY, &property), 1);
            assert_int_equal(
                tlv_find(property.value, property.length, TAG_USER_PROPERTY_VALUE, &value), 1);
            assert_true(value.length >= 6);
            char digits[5] = "";
            memcpy(digits, value.value + 2, 4);
            unsigned number = (unsigned)strtoul(digits, NULL, 10);
            assert_in_range(number, 1001, 1040);
            orders += !seen[number];
            seen[number] = true;
            if (task->position_count > largest)
                largest = (unsigned)task->position_count;
        }
        task_list_free(&list);
    }
    assert_int_equal(orders, 40);
    assert_int_equal(largest, 60);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_file_is_good_in_both_formats),
        cmocka_unit_test(the_day_adds_up),
        cmocka_unit_test(cash_is_always_there),
        cmocka_unit_test(orders_and_keys_are_what_the_readme_says),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
