/* JSON tasks: good ones give exact bytes, bad ones their own code and the path of the field at
 * fault. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/cp866.h"
#include "proto/error.h"
#include "proto/inn.h"
#include "proto/tags.h"
#include "tools/kkt/atol_error.h"
#include "tools/kkt/json_input.h"
#include "tools/kkt/json_output.h"
#include "tools/kkt/task.h"

static const struct task_environment ffd_12 = {
    .ffd = FFD_1_2, .tax_systems = 1, .serial = "00000000000000000002"};
static const struct task_environment ffd_105 = {
    .ffd = FFD_1_05, .tax_systems = 1, .serial = "00000000000000000002"};

/* ---- Numbers ------------------------------------------------------------------------------- */

/* The whole design rests on it: what stood in the text is what is read, digit by digit. */
static void json_c_keeps_source_text(void **state)
{
    static const char *const numbers[] = {"0.1",
                                          "0.10",
                                          "1.500",
                                          "12345678901.23",
                                          "100",
                                          "0.30000000000000000000004",
                                          "1e2",
                                          "0.453",
                                          "9007199254740993",
                                          "9007199254740993.01"};
    (void)state;
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        char text[80];
        struct json_fault fault;
        struct json_object *value = NULL;
        snprintf(text, sizeof text, "{\"n\": %s}", numbers[i]);
        struct json_object *object = json_input_parse(text, strlen(text), &fault);
        assert_non_null(object);
        assert_true(json_object_object_get_ex(object, "n", &value));
        assert_string_equal(json_object_get_string(value), numbers[i]);
        json_object_put(object);
    }
}

static void json_is_taken_by_the_letter(void **state)
{
    static const struct {
        const char *text;
        unsigned line, column;
    } bad[] = {{"", 1, 1},
               {"{", 1, 2},
               {"{'a': 1}", 1, 2},
               {"{\"a\": 1,}", 1, 9},
               {"[1 2]", 1, 4},
               {"{\"a\": 01}", 1, 9},
               {"{\"a\": 1.}", 1, 9},
               {"{\"a\": .5}", 1, 7},
               {"{\"a\": NaN}", 1, 7},
               {"{\"a\": Infinity}", 1, 7},
               {"{\"a\": -}", 1, 8},
               {"{\"a\": \"\\x\"}", 1, 9},
               {"{\"a\": \"\\ud800\"}", 1, 14},
               {"{\"a\": \"\xC0\xAF\"}", 1, 8},
               {"{\"a\": \"\xED\xA0\x80\"}", 1, 8},
               {"{\"a\": \"\x01\"}", 1, 8},
               {"{\"a\": tru}", 1, 7},
               {"{} {}", 1, 4},
               {"{\"a\" 1}", 1, 6},
               {"{\n\"a\": 1,\n\"a\": 2}", 3, 1},
               {"{\"\\u0061\": 1}", 1, 2},
               {"// x\n{}", 1, 1},
               {"null", 1, 1}};
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct json_fault fault;
        struct json_object *object = json_input_parse(bad[i].text, strlen(bad[i].text), &fault);
        if (object != NULL)
            fail_msg("taken: %s", bad[i].text);
        if (fault.line != bad[i].line || fault.column != bad[i].column)
            fail_msg("%s: fault at %u:%u (%s), not %u:%u", bad[i].text, fault.line, fault.column,
                     fault.text, bad[i].line, bad[i].column);
    }
    char deep[200];
    struct json_fault fault;
    memset(deep, '[', 100);
    memset(deep + 100, ']', 100);
    assert_null(json_input_parse(deep, sizeof deep, &fault));
    assert_non_null(strstr(fault.text, "nested deeper"));
}

/* Every cut of a good text is refused, and no byte of it is read past its end. */
static void every_cut_of_a_text_is_refused(void **state)
{
    static const char text[] =
        "{\"a\": [1.5, true, null, \"\\u0444\xD1\x84\"], \"b\": {\"c\": -0}}";
    (void)state;
    for (size_t length = 0; length < sizeof text - 1; length++) {
        struct json_fault fault;
        char *copy = malloc(length + 1);
        memcpy(copy, text, length);
        assert_null(json_input_parse(copy, length, &fault));
        assert_true(fault.offset <= length);
        free(copy);
    }
}

/* ---- Good tasks ---------------------------------------------------------------------------- */

static void read_good(const char *text, const struct task_environment *environment,
                      struct task_list *list)
{
    kkt_error error;
    if (task_list_read(text, strlen(text), environment, list, &error) != KKT_OK)
        fail_msg("%s: %s (%s)", error.name, error.text, error.field);
    for (size_t i = 0; i < list->count; i++)
        if (list->tasks[i].error.code != 0)
            fail_msg("task %zu: %s: %s (%s)", i, list->tasks[i].error.name,
                     list->tasks[i].error.text, list->tasks[i].error.field);
}

struct expected {
    struct byte_writer writer;
    uint8_t bytes[4096];
};

static void put_string(struct expected *expected, uint16_t tag, const char *text)
{
    uint8_t bytes[512];
    int size = cp866_from_utf8(text, strlen(text), bytes, sizeof bytes, NULL);
    assert_true(size >= 0);
    tlv_put_bytes(&expected->writer, tag, bytes, (size_t)size);
}

static void assert_body(const struct task *task, const struct expected *expected)
{
    assert_int_equal(task->size, expected->writer.length);
    assert_memory_equal(task->body, expected->bytes, task->size);
}

#define TEA_AND_CHEESE                                                                                         \
    "{\"type\": \"sell\", \"key\": \"order-1\", \"taxationType\": \"osn\","                                    \
    " \"operator\": {\"name\": \"Иванов\", \"vatin\": \"771234567859\"},"                                \
    " \"clientInfo\": {\"emailOrPhone\": \"+79161234567\", \"name\": \"Пётр\"},"                           \
    " \"items\": ["                                                                                            \
    "{\"type\": \"position\", \"name\": \"Чай «Липтон» № 5\", \"price\": 150.1, \"quantity\": 2," \
    " \"amount\": 300.20, \"tax\": {\"type\": \"vat22\"}},"                                                    \
    "{\"type\": \"text\", \"text\": \"акция\", \"alignment\": \"center\"},"                               \
    "{\"type\": \"position\", \"name\": \"Сыр\", \"price\": 799.90, \"quantity\": 0.453,"                   \
    " \"amount\": 362.35, \"infoDiscountAmount\": 40, \"measurementUnit\": \"kilogram\","                      \
    " \"paymentMethod\": \"fullPayment\", \"paymentObject\": \"commodity\","                                   \
    " \"tax\": {\"type\": \"vat10\"}}],"                                                                       \
    " \"payments\": [{\"type\": \"cash\", \"sum\": 1000}, {\"type\": \"electronically\","                      \
    " \"sum\": 62.55}]}"

static void expect_item(struct expected *expected, const char *name, uint64_t price,
                        struct decimal quantity, uint64_t sum, uint8_t rate, int measure,
                        const char *unit)
{
    struct byte_writer *writer = &expected->writer;
    size_t mark = tlv_begin(writer, TAG_ITEM);
    put_string(expected, TAG_ITEM_NAME, name);
    tlv_put_vln(writer, TAG_ITEM_PRICE, price);
    tlv_put_fvln(writer, TAG_ITEM_QUANTITY, quantity);
    tlv_put_vln(writer, TAG_ITEM_SUM, sum);
    tlv_put_u8(writer, TAG_VAT_RATE, rate);
    tlv_put_u8(writer, TAG_ITEM_PAYMENT_METHOD, 4);
    tlv_put_u8(writer, TAG_ITEM_SUBJECT, 1);
    if (measure >= 0)
        tlv_put_u8(writer, TAG_ITEM_MEASURE, (uint8_t)measure);
    if (unit != NULL)
        put_string(expected, TAG_ITEM_UNIT_TEXT, unit);
    tlv_end(writer, mark);
}

static void expect_text(struct expected *expected, uint8_t style, const char *text)
{
    size_t mark = tlv_begin(&expected->writer, TAG_SLIP_ITEM_TEXT);
    tlv_put_u8(&expected->writer, TAG_SLIP_STYLE, style);
    put_string(expected, TAG_SLIP_STRING, text);
    tlv_end(&expected->writer, mark);
}

static void check_tea_and_cheese(const struct task_environment *environment)
{
    struct expected expected;
    struct byte_writer *writer = &expected.writer;
    struct task_list list;
    bool new_format = environment->ffd == FFD_1_2;
    byte_writer_init(writer, expected.bytes, sizeof expected.bytes);
    tlv_put_u8(writer, TAG_SETTLEMENT_KIND, SETTLEMENT_SALE);
    tlv_put_u8(writer, TAG_TAX_SYSTEM, 1);
    put_string(&expected, TAG_CASHIER, "Иванов");
    put_string(&expected, TAG_CASHIER_INN, "771234567859");
    put_string(&expected, TAG_BUYER_CONTACT, "+79161234567");
    size_t mark = new_format ? tlv_begin(writer, TAG_BUYER) : 0;
    put_string(&expected, TAG_BUYER_NAME, "Пётр");
    if (new_format)
        tlv_end(writer, mark);
    expect_item(&expected, "Чай \"Липтон\" № 5", 15010, (struct decimal){2, 0}, 30020, VAT_RATE_22,
                new_format ? 0 : -1, NULL);
    expect_text(&expected, 1, "акция");
    expect_item(&expected, "Сыр", 79990, (struct decimal){453, 3}, 36235, VAT_RATE_10,
                new_format ? 11 : -1, new_format ? NULL : "кг");
    expect_text(&expected, 2, "СКИДКА 40.00");
    tlv_put_vln(writer, TAG_PAID_CASH, 60000);
    tlv_put_vln(writer, TAG_PAID_ELECTRONIC, 6255);
    tlv_put_vln(writer, TAG_CASH_TENDERED, 100000);
    read_good(TEA_AND_CHEESE, environment, &list);
    assert_false(list.array);
    assert_int_equal(list.count, 1);
    assert_int_equal(list.tasks[0].info->job, KKT_JOB_RECEIPT);
    assert_string_equal(list.tasks[0].key, "order-1");
    assert_body(&list.tasks[0], &expected);
    assert_int_equal(list.tasks[0].summary.total_kop, 66255);
    assert_int_equal(list.tasks[0].summary.tendered_kop, 100000);
    task_list_free(&list);
}

static void a_sale_is_these_bytes(void **state)
{
    (void)state;
    check_tea_and_cheese(&ffd_12);
    check_tea_and_cheese(&ffd_105);
}

static void other_jobs_are_these_bytes(void **state)
{
    struct expected expected;
    struct task_list list;
    (void)state;
    read_good(
        "[{\"type\": \"cashIn\", \"cashSum\": 1500.5},"
        " {\"type\": \"setDateTime\", \"dateTime\": \"2026.05.20 09:00:00\"},"
        " {\"type\": \"printLastReceiptCopy\"}, {\"type\": \"openCashDrawer\"},"
        " {\"type\": \"getFnDocument\", \"fiscalDocumentNumber\": 12, \"withRawData\": true},"
        " {\"type\": \"openShift\", \"operator\": {\"name\": \"И\"}, \"electronically\": true}]",
        &ffd_12, &list);
    assert_true(list.array);
    byte_writer_init(&expected.writer, expected.bytes, sizeof expected.bytes);
    tlv_put_vln(&expected.writer, TAG_CASH_SUM, 150050);
    assert_body(&list.tasks[0], &expected);
    byte_writer_init(&expected.writer, expected.bytes, sizeof expected.bytes);
    tlv_put_u32(&expected.writer, TAG_NEW_TIME, 1779267600);
    assert_body(&list.tasks[1], &expected);
    assert_int_equal(list.tasks[2].size, 0);
    assert_int_equal(list.tasks[3].info->job, KKT_JOB_DRAWER_OPEN);
    assert_int_equal(list.tasks[4].info->job, 0);
    assert_int_equal(list.tasks[4].document, 12);
    assert_true(list.tasks[4].with_raw_data);
    byte_writer_init(&expected.writer, expected.bytes, sizeof expected.bytes);
    put_string(&expected, TAG_CASHIER, "И");
    tlv_put_u8(&expected.writer, TAG_ELECTRONICALLY, 1);
    assert_body(&list.tasks[5], &expected);
    task_list_free(&list);
}

#define REGISTRATION(ffd, number)                                                                  \
    "{\"type\": \"registration\", \"operator\": {\"name\": \"И\"}, \"organization\":"             \
    " {\"name\": \"ООО Ромашка\", \"vatin\": \"7701234560\", \"taxationTypes\":"         \
    " [\"osn\", \"patent\"], \"address\": \"Москва\", \"email\": \"a@b.ru\"}, \"device\":"   \
    " {\"paymentsAddress\": \"Лавка\", \"fnsUrl\": \"www.nalog.gov.ru\", \"ffdVersion\": " ffd     \
    ", \"registrationNumber\": " number ", \"service\": true, \"bso\": false}, \"ofd\":"           \
    " {\"name\": \"ОФД\", \"vatin\": \"7704358518\", \"host\": \"127.0.0.1\", \"port\": 7777,"  \
    " \"tls\": false, \"dns\": \"\"}}"

static void a_registration_is_these_bytes(void **state)
{
    struct expected expected;
    struct byte_writer *writer = &expected.writer;
    struct task_list list;
    char number[RNM_DIGITS + 1] = "";
    (void)state;
    byte_writer_init(writer, expected.bytes, sizeof expected.bytes);
    put_string(&expected, TAG_CASHIER, "И");
    put_string(&expected, TAG_USER_NAME, "ООО Ромашка");
    tlv_put_padded(writer, TAG_USER_INN, "7701234560", 10, 12);
    put_string(&expected, TAG_SETTLEMENT_ADDRESS, "Москва");
    put_string(&expected, TAG_SENDER_EMAIL, "a@b.ru");
    tlv_put_u8(writer, TAG_TAX_SYSTEMS, 33);
    put_string(&expected, TAG_SETTLEMENT_PLACE, "Лавка");
    rnm_make("0000000001", "7701234560", ffd_12.serial, number);
    tlv_put_padded(writer, TAG_KKT_REGISTRATION_NUMBER, number, RNM_DIGITS, 20);
    tlv_put_u8(writer, TAG_FFD_VERSION, FFD_1_05);
    put_string(&expected, TAG_FNS_SITE, "www.nalog.gov.ru");
    tlv_put_u8(writer, TAG_SERVICES, 1);
    tlv_put_u8(writer, TAG_EXCISE_GOODS, 0);
    tlv_put_u8(writer, TAG_PRINTER_IN_AUTOMAT, 0);
    put_string(&expected, TAG_OFD_NAME, "ОФД");
    tlv_put_padded(writer, TAG_OFD_INN, "7704358518", 10, 12);
    put_string(&expected, TAG_SETTING_OFD_HOST, "127.0.0.1");
    tlv_put_u16(writer, TAG_SETTING_OFD_PORT, 7777);
    tlv_put_u8(writer, TAG_SETTING_OFD_TLS, 0);
    read_good(REGISTRATION("\"1.05\"", "\"auto\""), &ffd_12, &list);
    assert_body(&list.tasks[0], &expected);
    task_list_free(&list);
    read_good(REGISTRATION("1.05", "\"auto\""), &ffd_12, &list); /* a number is the same */
    assert_body(&list.tasks[0], &expected);
    task_list_free(&list);
}

static void a_certificate_comes_from_its_file(void **state)
{
    static const uint8_t der[] = {0x30, 0x82, 0x00, 0x03, 0x02, 0x01, 0x05};
    char folder[] = "/tmp/kkt-task-test-XXXXXX", path[64], text[1400];
    struct task_environment environment = ffd_12;
    struct task_list list;
    struct tlv tlv;
    (void)state;
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/ca.pem", folder);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs("text before\n-----BEGIN CERTIFICATE-----\nMIIAAwI\nBBQ==\n-----END CERTIFICATE-----\n",
          file);
    fclose(file);
    environment.folder = folder;
    snprintf(text, sizeof text, "%s", REGISTRATION("\"1.2\"", "\"auto\""));
    char *spot = strstr(text, "\"dns\": \"\"");
    assert_non_null(spot);
    memcpy(spot, "\"caFile\":\"ca.pem\"}}", 20);
    read_good(text, &environment, &list);
    assert_int_equal(tlv_find(list.tasks[0].body, list.tasks[0].size, TAG_SETTING_OFD_CA, &tlv), 1);
    assert_int_equal(tlv.length, sizeof der);
    assert_memory_equal(tlv.value, der, sizeof der);
    task_list_free(&list);
    remove(path);
    remove(folder);
}

static void keys_come_from_the_task_or_the_request(void **state)
{
    struct task_list list;
    kkt_key key, again;
    (void)state;
    read_good(
        "{\"uuid\": \"r-1\", \"request\": [{\"type\": \"openCashDrawer\"},"
        " {\"type\": \"getFnInfo\"}, {\"type\": \"openCashDrawer\", \"externalId\": \"own\"}]}",
        &ffd_12, &list);
    assert_true(list.wrapped);
    assert_true(list.array);
    assert_string_equal(list.uuid, "r-1");
    assert_int_equal(kkt_key_parse("r-1/0", &key), KKT_OK);
    assert_int_equal(kkt_key_parse(list.tasks[0].key, &again), KKT_OK);
    assert_memory_equal(key.bytes, again.bytes, sizeof key.bytes);
    assert_string_equal(list.tasks[1].key, "");
    assert_string_equal(list.tasks[2].key, "own");
    task_list_free(&list);
    read_good("{\"uuid\": \"r-1\", \"request\": {\"type\": \"openCashDrawer\"}}", &ffd_12, &list);
    assert_false(list.array);
    assert_string_equal(list.tasks[0].key, "r-1");
    task_list_free(&list);
    read_good("{\"type\": \"openCashDrawer\"}", &ffd_12, &list);
    assert_string_equal(list.tasks[0].key, "");
    task_list_free(&list);
}

/* Positions are counted apart from the texts between them, and refusals find their way back. */
static void refusals_name_the_json_field(void **state)
{
    struct task_list list;
    char path[64];
    (void)state;
    read_good(TEA_AND_CHEESE, &ffd_12, &list);
    task_refusal_path(&list.tasks[0], ERROR_FIELD_VALUE, TAG_ITEM_PRICE, 2, path, sizeof path);
    assert_string_equal(path, "items[2].price");
    task_refusal_path(&list.tasks[0], ERROR_FIELD_VALUE, TAG_BUYER_CONTACT, 0, path, sizeof path);
    assert_string_equal(path, "clientInfo.emailOrPhone");
    task_refusal_path(&list.tasks[0], ERROR_SHIFT_CLOSED, 0, 0, path, sizeof path);
    assert_string_equal(path, "");
    task_list_free(&list);
}

/* ---- Bad input ----------------------------------------------------------------------------- */

struct bad_input {
    const char *text;
    int code;
    const char *field;
    int atol;
};

#define ITEM_HEAD         "{\"type\": \"position\", \"name\": \"Чай\", "
#define ITEM_TAIL         "\"price\": 10, \"quantity\": 1, \"amount\": 10, \"tax\": {\"type\": \"none\"}}"
#define ITEM              ITEM_HEAD ITEM_TAIL
#define PAY               "\"payments\": [{\"type\": \"cash\", \"sum\": 10}]"
#define SELL(items, rest) "{\"type\": \"sell\", \"items\": [" items "], " rest "}"
#define WITH(field)       SELL(ITEM_HEAD field ", " ITEM_TAIL, PAY)

static void check_bad(const struct bad_input *inputs, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const struct bad_input *input = &inputs[i];
        struct task_list list;
        kkt_error error;
        int code = task_list_read(input->text, strlen(input->text), &ffd_12, &list, &error);
        if (code == KKT_OK) {
            error = list.tasks[0].error;
            if (error.code == 0)
                fail_msg("accepted: %s", input->text);
            assert_int_equal(list.faults, 1);
            assert_null(list.tasks[0].body);
            task_list_free(&list);
        }
        if (error.code != input->code || strcmp(error.field, input->field) != 0)
            fail_msg("%s\n%s at \"%s\" (%s), not %s at \"%s\"", input->text, error.name,
                     error.field, error.text, error_info_find((uint16_t)input->code)->name,
                     input->field);
        assert_string_not_equal(error.text, "");
        assert_string_not_equal(error.cure, "");
        if (atol_error_number(error.code) != input->atol)
            fail_msg("%s is %d, not %d", error.name, atol_error_number(error.code), input->atol);
    }
}

static void wrong_json_and_wrong_tasks(void **state)
{
    static const struct bad_input inputs[] = {
        {"{\"type\": ", ERROR_JSON_MALFORMED, "", 501},
        {"{\"type\": \"sell\", \"type\": \"sell\"}", ERROR_FIELD_REPEATED, "", 501},
        {"5", ERROR_FIELD_TYPE, "", 501},
        {"[]", ERROR_FIELD_VALUE, "", 501},
        {"[5]", ERROR_FIELD_TYPE, "", 501},
        {"{}", ERROR_FIELD_MISSING, "type", 501},
        {"{\"type\": 5}", ERROR_FIELD_TYPE, "type", 501},
        {"{\"type\": \"sold\"}", ERROR_TASK_UNSUPPORTED, "type", 11},
        {"{\"type\": \"buy\"}", ERROR_TASK_UNSUPPORTED, "type", 11},
        {"{\"type\": \"sellCorrection\"}", ERROR_TASK_UNSUPPORTED, "type", 11},
        {"{\"type\": \"getFnInfo\", \"colour\": 1}", ERROR_FIELD_UNKNOWN, "colour", 501},
        {"{\"type\": \"getFnInfo\", \"key\": \"\"}", ERROR_FIELD_LENGTH, "key", 501},
        {"{\"type\": \"getFnInfo\", \"key\": \"a\", \"uuid\": \"b\"}", ERROR_FIELD_REPEATED, "uuid",
         501},
        {"{\"uuid\": \"\", \"request\": []}", ERROR_FIELD_LENGTH, "uuid", 501},
        {"{\"request\": []}", ERROR_FIELD_MISSING, "uuid", 501},
        {"{\"uuid\": \"u\", \"request\": [], \"x\": 1}", ERROR_FIELD_UNKNOWN, "x", 501},
        {"{\"uuid\": \"u\", \"request\": []}", ERROR_FIELD_VALUE, "request", 501},
        {"{\"type\": \"cashIn\"}", ERROR_FIELD_MISSING, "cashSum", 501},
        {"{\"type\": \"cashIn\", \"cashSum\": 0}", ERROR_FIELD_VALUE, "cashSum", 501},
        {"{\"type\": \"cashIn\", \"cashSum\": \"5\"}", ERROR_FIELD_TYPE, "cashSum", 501},
        {"{\"type\": \"cashIn\", \"cashSum\": 1.005}", ERROR_AMOUNT_PRECISION, "cashSum", 501},
        {"{\"type\": \"cashIn\", \"cashSum\": -1}", ERROR_FIELD_VALUE, "cashSum", 501},
        {"{\"type\": \"cashIn\", \"cashSum\": 1e2}", ERROR_FIELD_VALUE, "cashSum", 501},
        {"{\"type\": \"cashIn\", \"cashSum\": 99999999999999999999999}", ERROR_FIELD_VALUE,
         "cashSum", 501},
        {"{\"type\": \"setDateTime\", \"dateTime\": \"tomorrow\"}", ERROR_FIELD_VALUE, "dateTime",
         501},
        {"{\"type\": \"getFnDocument\", \"fiscalDocumentNumber\": 1.5}", ERROR_FIELD_VALUE,
         "fiscalDocumentNumber", 501},
        {"{\"type\": \"nonFiscal\", \"items\": []}", ERROR_NO_ITEMS, "items", 8},
        {"{\"type\": \"nonFiscal\", \"items\": [{\"type\": \"barcode\", \"barcode\": \"1\","
         " \"barcodeType\": \"EAN13\"}]}",
         ERROR_FIELD_VALUE, "items[0].barcodeType", 501},
        {"{\"type\": \"nonFiscal\", \"items\": [{\"type\": \"text\", \"text\": \"a\\u0007\"}]}",
         ERROR_TEXT_ENCODING, "items[0].text", 501},
        {"{\"type\": \"openShift\", \"operator\": {\"name\": \"И\", \"vatin\": \"771234567858\"}}",
         ERROR_INN, "operator.vatin", 5},
        {"{\"type\": \"openShift\", \"operator\": {\"vatin\": \"771234567859\"}}",
         ERROR_FIELD_MISSING, "operator.name", 501},
    };
    (void)state;
    check_bad(inputs, sizeof inputs / sizeof inputs[0]);
}

static void wrong_receipts(void **state)
{
    static const struct bad_input inputs[] = {
        {"{\"type\": \"sell\", " PAY "}", ERROR_FIELD_MISSING, "items", 501},
        {SELL("", PAY), ERROR_NO_ITEMS, "items", 8},
        {SELL(ITEM, "\"x\": 1"), ERROR_FIELD_UNKNOWN, "x", 501},
        {SELL(ITEM, "\"payment\": []"), ERROR_FIELD_UNKNOWN, "payment", 501},
        {"{\"type\": \"sell\", \"items\": [" ITEM "]}", ERROR_FIELD_MISSING, "payments", 501},
        {SELL(ITEM, "\"payments\": {}"), ERROR_FIELD_TYPE, "payments", 501},
        {SELL(ITEM, "\"payments\": [{\"type\": \"cash\", \"sum\": 9.99}]"), ERROR_PAYMENT_SHORT,
         "payments", 66},
        {SELL(ITEM, "\"payments\": []"), ERROR_PAYMENT_SHORT, "payments", 66},
        {SELL(ITEM, "\"payments\": [{\"type\": \"electronically\", \"sum\": 11}]"),
         ERROR_PAYMENT_EXCESS, "payments", 5},
        {SELL(ITEM,
              "\"payments\": [{\"type\": \"electronically\", \"sum\": 10}, {\"type\": \"cash\","
              " \"sum\": 5}]"),
         ERROR_PAYMENT_EXCESS, "payments", 5},
        {SELL(ITEM, "\"payments\": [{\"type\": \"cheque\", \"sum\": 10}]"), ERROR_FIELD_VALUE,
         "payments[0].type", 501},
        {SELL(ITEM, PAY ", \"total\": 12"), ERROR_TOTAL_SUM, "total", 5},
        {SELL(ITEM, PAY ", \"taxationType\": \"ussr\""), ERROR_TAX_SYSTEM, "taxationType", 13},
        {SELL(ITEM, PAY ", \"taxationType\": \"patent\""), ERROR_TAX_SYSTEM, "taxationType", 13},
        {SELL(ITEM, PAY ", \"electronically\": true"), ERROR_CONTACT, "clientInfo.emailOrPhone", 5},
        {SELL(ITEM, PAY ", \"clientInfo\": {\"emailOrPhone\": \"me\"}"), ERROR_CONTACT,
         "clientInfo.emailOrPhone", 5},
        {SELL(ITEM, PAY ", \"clientInfo\": {\"vatin\": \"7701234561\"}"), ERROR_INN,
         "clientInfo.vatin", 5},
        {SELL(ITEM, PAY ", \"taxes\": [{\"type\": \"vat20\", \"sum\": 5}]"), ERROR_VAT_SUM, "taxes",
         5},
        {SELL(ITEM, PAY ", \"agentInfo\": {}"), ERROR_FIELD_NOT_ALLOWED, "agentInfo", 501},
        {SELL(ITEM, PAY ", \"correctionType\": \"self\""), ERROR_FIELD_NOT_ALLOWED,
         "correctionType", 501},
        {SELL(ITEM, PAY ", \"useVAT18\": true"), ERROR_FIELD_NOT_ALLOWED, "useVAT18", 501},
        {SELL(ITEM ", {\"type\": \"pixels\"}", PAY), ERROR_FIELD_VALUE, "items[1].type", 501},
    };
    (void)state;
    check_bad(inputs, sizeof inputs / sizeof inputs[0]);
}

static void wrong_positions(void **state)
{
    static const struct bad_input inputs[] = {
        {WITH("\"colour\": 1"), ERROR_FIELD_UNKNOWN, "items[0].colour", 501},
        {WITH("\"markingCode\": {}"), ERROR_FIELD_NOT_ALLOWED, "items[0].markingCode", 501},
        {WITH("\"imcParams\": {}"), ERROR_FIELD_NOT_ALLOWED, "items[0].imcParams", 501},
        {WITH("\"productCodes\": []"), ERROR_FIELD_NOT_ALLOWED, "items[0].productCodes", 501},
        {WITH("\"paymentMethod\": \"gift\""), ERROR_FIELD_VALUE, "items[0].paymentMethod", 501},
        {WITH("\"paymentObject\": 99"), ERROR_FIELD_VALUE, "items[0].paymentObject", 501},
        {WITH("\"measurementUnit\": \"pood\""), ERROR_FIELD_VALUE, "items[0].measurementUnit", 501},
        {WITH("\"measurementUnit\": 5"), ERROR_FIELD_VALUE, "items[0].measurementUnit", 501},
        {WITH("\"piece\": true, \"measurementUnit\": \"gram\""), ERROR_FIELD_VALUE,
         "items[0].piece", 501},
        {WITH("\"countryCode\": \"RU\""), ERROR_FIELD_VALUE, "items[0].countryCode", 501},
        {WITH("\"agentInfo\": {\"agents\": [\"spy\"]}"), ERROR_FIELD_VALUE,
         "items[0].agentInfo.agents[0]", 501},
        {WITH("\"agentInfo\": {\"agents\": [\"another\"]}"), ERROR_FIELD_MISSING,
         "items[0].supplierInfo.vatin", 501},
        {WITH("\"supplierInfo\": {\"vatin\": \"1234567890\"}"), ERROR_INN,
         "items[0].supplierInfo.vatin", 5},
        {WITH("\"supplierInfo\": {\"phones\": [\"112\"]}"), ERROR_CONTACT,
         "items[0].supplierInfo.phones[0]", 5},
        {SELL("{\"type\": \"text\", \"text\": \"\"}, " ITEM_HEAD
              "\"price\": 10.005, \"quantity\": 1, \"amount\": 10, \"tax\": {\"type\": \"none\"}}",
              PAY),
         ERROR_AMOUNT_PRECISION, "items[1].price", 501},
        {SELL(ITEM_HEAD
              "\"price\": 10, \"quantity\": 0, \"amount\": 0, \"tax\": {\"type\": \"none\"}}",
              PAY),
         ERROR_FIELD_VALUE, "items[0].quantity", 501},
        {SELL(ITEM_HEAD "\"price\": 10, \"quantity\": 1.1234567, \"amount\": 11.23, \"tax\": {}}",
              PAY),
         ERROR_FIELD_VALUE, "items[0].quantity", 501},
        {SELL(ITEM_HEAD "\"price\": 10, \"quantity\": 3, \"amount\": 29.98, \"tax\": {}}", PAY),
         ERROR_ITEM_SUM, "items[0].amount", 5},
        {SELL(ITEM_HEAD "\"price\": 10, \"quantity\": 1, \"tax\": {\"type\": \"none\"}}", PAY),
         ERROR_FIELD_MISSING, "items[0].amount", 501},
        {SELL(ITEM_HEAD "\"price\": 10, \"quantity\": 1, \"amount\": 10}", PAY),
         ERROR_FIELD_MISSING, "items[0].tax", 501},
        {SELL(ITEM_HEAD
              "\"price\": 10, \"quantity\": 1, \"amount\": 10, \"tax\": {\"type\": \"vat21\"}}",
              PAY),
         ERROR_VAT_RATE, "items[0].tax.type", 13},
        {SELL(ITEM_HEAD
              "\"price\": 10, \"quantity\": 1, \"amount\": 10, \"tax\": {\"type\": \"vat18\"}}",
              PAY),
         ERROR_VAT_RATE, "items[0].tax.type", 13},
        {SELL(ITEM_HEAD
              "\"price\": 10, \"quantity\": 1, \"amount\": 10, \"tax\": {\"type\": \"vat20\","
              " \"sum\": 9}}",
              PAY),
         ERROR_VAT_SUM, "items[0].tax.sum", 5},
        {SELL(ITEM_HEAD "\"price\": 10995116277.76, \"quantity\": 1, \"amount\": 1, \"tax\": {}}",
              PAY),
         ERROR_FIELD_VALUE, "items[0].price", 501},
    };
    (void)state;
    check_bad(inputs, sizeof inputs / sizeof inputs[0]);
}

static void a_name_has_128_bytes(void **state)
{
    char name[300], text[600];
    struct task_list list;
    kkt_error error;
    (void)state;
    for (unsigned letters = 128; letters <= 129; letters++) {
        for (unsigned i = 0; i < letters; i++)
            memcpy(name + 2 * i, "ы", 2);
        name[2 * letters] = 0;
        snprintf(text, sizeof text,
                 "{\"type\": \"sell\", \"items\": [{\"type\": \"position\", \"name\":"
                 " \"%s\", " ITEM_TAIL "], " PAY "}",
                 name);
        assert_int_equal(task_list_read(text, strlen(text), &ffd_12, &list, &error), KKT_OK);
        if (letters == 128) {
            assert_int_equal(list.faults, 0);
        } else {
            assert_int_equal(list.tasks[0].error.code, ERROR_FIELD_LENGTH);
            assert_string_equal(list.tasks[0].error.field, "items[0].name");
            assert_int_equal(list.tasks[0].error.expected, 128);
        }
        task_list_free(&list);
    }
}

static void a_receipt_of_over_30_kib_is_refused(void **state)
{
    size_t capacity = 1 << 20, length = 0;
    char *text = malloc(capacity);
    struct task_list list;
    kkt_error error;
    (void)state;
    length += (size_t)snprintf(text, capacity, "{\"type\": \"sell\", \"items\": [");
    for (unsigned i = 0; i < 700; i++)
        length +=
            (size_t)snprintf(text + length, capacity - length, "%s%s", i == 0 ? "" : ", ", ITEM);
    snprintf(text + length, capacity - length, "], \"payments\": []}");
    assert_int_equal(task_list_read(text, strlen(text), &ffd_12, &list, &error), KKT_OK);
    assert_int_equal(list.tasks[0].error.code, ERROR_TOO_LARGE);
    assert_memory_equal(list.tasks[0].error.field, "items[", 6);
    task_list_free(&list);
    free(text);
}

static void wrong_registrations(void **state)
{
    static const struct {
        const char *from, *to;
        int code;
        const char *field;
    } edits[] = {
        {"\"7701234560\"", "\"7701234561\"", ERROR_INN, "organization.vatin"},
        {"\"7704358518\"", "\"7704358519\"", ERROR_INN, "ofd.vatin"},
        {"\"patent\"", "\"tithes\"", ERROR_TAX_SYSTEM, "organization.taxationTypes[1]"},
        {"\"1.2\"", "\"1.1\"", ERROR_FFD_UNSUPPORTED, "device.ffdVersion"},
        {"\"auto\"", "\"0001\"", ERROR_RNM, "device.registrationNumber"},
        {"\"auto\"", "\"0000000001000000\"", ERROR_RNM, "device.registrationNumber"},
        {"\"bso\"", "\"bse\"", ERROR_FIELD_UNKNOWN, "device.bse"},
        {"7777", "77777", ERROR_FIELD_VALUE, "ofd.port"},
        {"\"service\": true", "\"service\": 1", ERROR_FIELD_TYPE, "device.service"},
        {"\"service\": true", "\"autoMode\": true", ERROR_FIELD_MISSING, "device.machineNumber"},
        {"\"dns\": \"\"", "\"caFile\": \"/none\"", ERROR_FIELD_VALUE, "ofd.caFile"},
        {"\"operator\": {\"name\": \"И\"}, ", "", ERROR_FIELD_MISSING, "operator"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof edits / sizeof edits[0]; i++) {
        const char *good = REGISTRATION("\"1.2\"", "\"auto\"");
        char text[1400];
        const char *spot = strstr(good, edits[i].from);
        struct task_list list;
        kkt_error error;
        assert_non_null(spot);
        snprintf(text, sizeof text, "%.*s%s%s", (int)(spot - good), good, edits[i].to,
                 spot + strlen(edits[i].from));
        assert_int_equal(task_list_read(text, strlen(text), &ffd_12, &list, &error), KKT_OK);
        error = list.tasks[0].error;
        if (error.code != edits[i].code || strcmp(error.field, edits[i].field) != 0)
            fail_msg("%s: %s at \"%s\" (%s)", edits[i].to, error.name, error.field, error.text);
        task_list_free(&list);
    }
}

static void one_key_is_for_one_content(void **state)
{
    struct task_list list;
    kkt_error error;
    static const char other[] = "[{\"type\": \"cashIn\", \"cashSum\": 1, \"key\": \"k\"},"
                                " {\"type\": \"cashIn\", \"cashSum\": 2, \"key\": \"k\"}]";
    static const char same[] = "[{\"type\": \"cashIn\", \"cashSum\": 1, \"key\": \"k\"},"
                               " {\"type\": \"cashIn\", \"cashSum\": 1.00, \"key\": \"k\"}]";
    (void)state;
    assert_int_equal(task_list_read(other, strlen(other), &ffd_12, &list, &error), KKT_OK);
    assert_int_equal(list.tasks[0].error.code, 0);
    assert_int_equal(list.tasks[1].error.code, ERROR_KEY_CONFLICT);
    task_list_free(&list);
    assert_int_equal(task_list_read(same, strlen(same), &ffd_12, &list, &error), KKT_OK);
    assert_int_equal(list.faults, 0);
    task_list_free(&list);
}

static void every_error_of_ours_has_a_number_of_theirs(void **state)
{
    static char manual[65536];
    FILE *file = fopen("tools/kkt/JSON.md", "rb");
    (void)state;
    assert_non_null(file);
    manual[fread(manual, 1, sizeof manual - 1, file)] = 0;
    fclose(file);
    for (int code = 1; code < 700; code++) {
        const struct error_info *info = error_info_find((uint16_t)code);
        if (info->code != code)
            continue;
        assert_true(atol_error_number(code) > 0);
        if (strstr(manual, info->name) == NULL)
            fail_msg("JSON.md does not list %s", info->name);
    }
    assert_int_equal(atol_error_number(0), 0);
    assert_int_equal(atol_error_number(ERROR_SHIFT_CLOSED), 73);
    assert_int_equal(atol_error_number(ERROR_SHIFT_EXPIRED), 68);
    assert_int_equal(atol_error_number(ERROR_PAPER_OUT), 44);
    assert_int_equal(atol_error_number(ERROR_OFD_OVERDUE), 139);
}

static void answers_write_money_exactly(void **state)
{
    static const struct {
        int64_t kop;
        const char *text;
    } rows[] = {{0, "{\"n\":0.00}"},
                {5, "{\"n\":0.05}"},
                {-12345, "{\"n\":-123.45}"},
                {1099511627775, "{\"n\":10995116277.75}"},
                {10, "{\"n\":0.10}"}};
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct json_object *object = json_object_new_object();
        json_add_money(object, "n", rows[i].kop);
        assert_string_equal(json_object_to_json_string_ext(object, JSON_C_TO_STRING_PLAIN),
                            rows[i].text);
        json_object_put(object);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(json_c_keeps_source_text),
        cmocka_unit_test(json_is_taken_by_the_letter),
        cmocka_unit_test(every_cut_of_a_text_is_refused),
        cmocka_unit_test(a_sale_is_these_bytes),
        cmocka_unit_test(other_jobs_are_these_bytes),
        cmocka_unit_test(a_registration_is_these_bytes),
        cmocka_unit_test(a_certificate_comes_from_its_file),
        cmocka_unit_test(keys_come_from_the_task_or_the_request),
        cmocka_unit_test(refusals_name_the_json_field),
        cmocka_unit_test(wrong_json_and_wrong_tasks),
        cmocka_unit_test(wrong_receipts),
        cmocka_unit_test(wrong_positions),
        cmocka_unit_test(a_name_has_128_bytes),
        cmocka_unit_test(a_receipt_of_over_30_kib_is_refused),
        cmocka_unit_test(wrong_registrations),
        cmocka_unit_test(one_key_is_for_one_content),
        cmocka_unit_test(every_error_of_ours_has_a_number_of_theirs),
        cmocka_unit_test(answers_write_money_exactly),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
