/* The receipt builder: exact sums, the shape of the TLV, its size on the wire, and each refusal
 * with its tag and item. Also keys, device addresses and error texts.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "hostdrv/device_uri.h"
#include "hostdrv/kkt.h"
#include "proto/link_message.h"
#include "proto/receipt.h"
#include "proto/tags.h"
#include "proto/tlv.h"

static void add(kkt_receipt *receipt, const char *name, const char *price, const char *quantity)
{
    assert_int_equal(
        kkt_receipt_item(receipt, name, price, quantity, KKT_VAT_22, KKT_FULL_PAYMENT, KKT_GOODS),
        KKT_OK);
}

static void the_readme_receipt_byte_for_byte(void **state)
{
    (void)state;
    static const uint8_t expected[] = {
        0x1E, 0x04, 1,  0, 1,                /* 1054: sale */
        0x23, 0x04, 40, 0,                   /* 1059 */
        0x06, 0x04, 3,  0, 0x97, 0xA0, 0xA9, /* 1030: "Чай" in CP866 */
        0x37, 0x04, 2,  0, 0x98, 0x3A,       /* 1079: 15000 */
        0xFF, 0x03, 2,  0, 0,    2,          /* 1023: 2 */
        0x13, 0x04, 2,  0, 0x30, 0x75,       /* 1043: 30000 */
        0xAF, 0x04, 1,  0, 11,               /* 1199: 22 % */
        0xBE, 0x04, 1,  0, 4,                /* 1214 */
        0xBC, 0x04, 1,  0, 1,                /* 1212 */
        0x07, 0x04, 2,  0, 0x30, 0x75,       /* 1031: 30000 net */
        0x3A, 0xF2, 2,  0, 0x50, 0xC3,       /* 62010: 50000 given */
    };
    kkt_receipt *receipt = kkt_receipt_new(KKT_SALE);
    const uint8_t *tlv;
    size_t size;
    kkt_error error;
    add(receipt, "Чай", "150.00", "2");
    assert_int_equal(kkt_receipt_pay(receipt, KKT_CASH, "200"), KKT_OK);
    assert_int_equal(kkt_receipt_pay(receipt, KKT_CASH, "300.0"), KKT_OK);
    assert_int_equal(kkt_receipt_encode(receipt, &tlv, &size, &error), KKT_OK);
    assert_int_equal(size, sizeof expected);
    assert_memory_equal(tlv, expected, size);
    /* Asking twice gives the same. */
    assert_int_equal(kkt_receipt_encode(receipt, &tlv, &size, &error), KKT_OK);
    assert_memory_equal(tlv, expected, size);
    kkt_receipt_free(receipt);
}

static void five_items_fit_480_bytes_on_the_wire(void **state)
{
    (void)state;
    kkt_receipt *receipt = kkt_receipt_new(KKT_SALE);
    const uint8_t *tlv;
    size_t size;
    kkt_error error;
    assert_int_equal(kkt_receipt_cashier(receipt, "Иванова И. И.", NULL), KKT_OK);
    assert_int_equal(kkt_receipt_tax_system(receipt, KKT_TAX_OSN), KKT_OK);
    for (unsigned i = 0; i < 5; i++)
        add(receipt,
            "Чайник электрический, 1,7 л №"
            "5",
            "1999.99", "1");
    assert_int_equal(kkt_receipt_pay(receipt, KKT_CASH, "10000"), KKT_OK);
    assert_int_equal(kkt_receipt_encode(receipt, &tlv, &size, &error), KKT_OK);
    uint8_t message[1024], wire[LINK_WIRE_MAX];
    struct byte_writer writer;
    struct link_job job = {.device_tag = 0x11223344, .body = tlv, .size = size};
    memset(job.key, 0xAB, sizeof job.key);
    byte_writer_init(&writer, message, sizeof message);
    link_job_put(&writer, &job);
    assert_true(byte_writer_ok(&writer));
    size_t offset = 0;
    size_t length = link_message_frame(LINK_REQUEST, LINK_RECEIPT, 1, message, writer.length,
                                       &offset, wire, sizeof wire);
    assert_int_equal(offset, writer.length);
    assert_in_range(length, 400, 480);
    kkt_receipt_free(receipt);
}

static void sums_are_exact_and_totals_only_when_they_differ(void **state)
{
    (void)state;
    kkt_receipt *receipt = kkt_receipt_new(KKT_SALE);
    const uint8_t *tlv;
    size_t size;
    kkt_error error;
    struct tlv item;
    uint64_t kop;
    add(receipt, "Сыр", "599.90", "0.333");      /* 199.7667 -> 199.77 */
    add(receipt, "Икра", "10995116.07", "1000"); /* no float survives this */
    assert_int_equal(kkt_receipt_total(receipt, "10995116269.77"), KKT_OK);
    assert_int_equal(kkt_receipt_encode(receipt, &tlv, &size, &error), ERROR_PAYMENT_SHORT);
    assert_int_equal(kkt_receipt_pay(receipt, KKT_ELECTRONIC, "10995116269.77"), KKT_OK);
    assert_int_equal(kkt_receipt_encode(receipt, &tlv, &size, &error), KKT_OK);
    assert_int_equal(tlv_find(tlv, size, TAG_ITEM, &item), 1);
    assert_true(tlv_find_vln(item.value, item.length, TAG_ITEM_SUM, &kop));
    assert_int_equal(kop, 19977);
    assert_int_equal(tlv_find(tlv, size, TAG_RECEIPT_TOTAL, &item), 0);
    assert_int_equal(tlv_find(tlv, size, TAG_PAID_CASH, &item), 0);
    kkt_receipt_free(receipt);
    /* Rounded down to whole rubles in the buyer's favour. */
    receipt = kkt_receipt_new(KKT_SALE);
    add(receipt, "Сыр", "100.77", "1");
    assert_int_equal(kkt_receipt_total(receipt, "100"), KKT_OK);
    assert_int_equal(kkt_receipt_pay(receipt, KKT_CASH, "500"), KKT_OK);
    assert_int_equal(kkt_receipt_encode(receipt, &tlv, &size, &error), KKT_OK);
    assert_true(tlv_find_vln(tlv, size, TAG_RECEIPT_TOTAL, &kop));
    assert_int_equal(kop, 10000);
    assert_true(tlv_find_vln(tlv, size, TAG_PAID_CASH, &kop));
    assert_int_equal(kop, 10000);
    assert_true(tlv_find_vln(tlv, size, TAG_CASH_TENDERED, &kop));
    assert_int_equal(kop, 50000);
    kkt_receipt_free(receipt);
}

/* ---- Refusals ---- */

static void assert_refused(kkt_receipt *receipt, int code, unsigned tag, unsigned item)
{
    const uint8_t *tlv;
    size_t size;
    kkt_error error;
    assert_int_equal(kkt_receipt_encode(receipt, &tlv, &size, &error), code);
    assert_int_equal(error.code, code);
    assert_int_equal(error.tag, tag);
    assert_int_equal(error.item, item);
    assert_true(tag == 0 || error.field[0] != '\0');
    assert_true(error.text[0] != '\0' && error.cure[0] != '\0');
    assert_null(tlv);
    kkt_receipt_free(receipt);
}

static kkt_receipt *with_item(const char *name, const char *price, const char *quantity)
{
    kkt_receipt *receipt = kkt_receipt_new(KKT_SALE);
    kkt_receipt_item(receipt, "Первый", "1.00", "1", KKT_VAT_22, KKT_FULL_PAYMENT, KKT_GOODS);
    kkt_receipt_item(receipt, name, price, quantity, KKT_VAT_22, KKT_FULL_PAYMENT, KKT_GOODS);
    kkt_receipt_pay(receipt, KKT_CASH, "1000000");
    return receipt;
}

static void bad_items_are_named(void **state)
{
    (void)state;
    char long_name[200];
    memset(long_name, 'x', sizeof long_name);
    long_name[129] = '\0';
    assert_refused(with_item("Чай", "1.234", "1"), ERROR_AMOUNT_PRECISION, TAG_ITEM_PRICE, 2);
    assert_refused(with_item("Чай", "1,23", "1"), ERROR_FIELD_VALUE, TAG_ITEM_PRICE, 2);
    assert_refused(with_item("Чай", "-1", "1"), ERROR_FIELD_VALUE, TAG_ITEM_PRICE, 2);
    assert_refused(with_item("Чай", "1", "1e3"), ERROR_FIELD_VALUE, TAG_ITEM_QUANTITY, 2);
    assert_refused(with_item("Чай", "1", "0.1234567"), ERROR_FIELD_VALUE, TAG_ITEM_QUANTITY, 2);
    assert_refused(with_item("Чай", NULL, "1"), ERROR_FIELD_MISSING, TAG_ITEM_PRICE, 2);
    assert_refused(with_item("Чай", "1", NULL), ERROR_FIELD_MISSING, TAG_ITEM_QUANTITY, 2);
    assert_refused(with_item(NULL, "1", "1"), ERROR_FIELD_MISSING, TAG_ITEM_NAME, 2);
    assert_refused(with_item("\xFF\xFE", "1", "1"), ERROR_TEXT_ENCODING, TAG_ITEM_NAME, 2);
    assert_refused(with_item(long_name, "1", "1"), ERROR_FIELD_LENGTH, TAG_ITEM_NAME, 2);
    assert_refused(with_item("Чай", "10000000000", "10000000000"), ERROR_FIELD_VALUE, TAG_ITEM_SUM,
                   2);
    kkt_receipt *receipt = with_item("Чай", "1", "1");
    kkt_receipt_item_sum(receipt, "Сахар", "10", "3", "30.02", KKT_VAT_22, KKT_FULL_PAYMENT,
                         KKT_GOODS);
    assert_refused(receipt, ERROR_ITEM_SUM, TAG_ITEM_SUM, 3);
    receipt = with_item("Чай", "1", "1");
    kkt_receipt_item(receipt, "Сахар", "10", "3", (enum kkt_vat)13, KKT_FULL_PAYMENT, KKT_GOODS);
    assert_refused(receipt, ERROR_VAT_RATE, TAG_VAT_RATE, 3);
}

static void bad_receipts_are_named(void **state)
{
    (void)state;
    kkt_receipt *receipt = kkt_receipt_new(KKT_SALE);
    assert_refused(receipt, ERROR_NO_ITEMS, TAG_ITEM, 0);
    receipt = kkt_receipt_new(KKT_SALE);
    add(receipt, "Чай", "10", "1");
    kkt_receipt_pay(receipt, KKT_CASH, "9.99");
    const uint8_t *tlv;
    size_t size;
    kkt_error error;
    assert_int_equal(kkt_receipt_encode(receipt, &tlv, &size, &error), ERROR_PAYMENT_SHORT);
    assert_int_equal(error.expected, 1); /* kopecks that lack */
    kkt_receipt_free(receipt);
    receipt = kkt_receipt_new(KKT_SALE);
    add(receipt, "Чай", "10", "1");
    kkt_receipt_pay(receipt, KKT_ELECTRONIC, "10.01");
    assert_int_equal(kkt_receipt_encode(receipt, &tlv, &size, &error), ERROR_PAYMENT_EXCESS);
    kkt_receipt_free(receipt);
    receipt = with_item("Чай", "1", "1");
    kkt_receipt_cashier(receipt, "Иванова", "500100732258");
    assert_refused(receipt, ERROR_INN, TAG_CASHIER_INN, 0);
    receipt = with_item("Чай", "1", "1");
    assert_int_equal(kkt_receipt_tax_system(receipt, (enum kkt_tax_system)3), ERROR_TAX_SYSTEM);
    assert_refused(receipt, ERROR_TAX_SYSTEM, TAG_TAX_SYSTEM, 0);
    receipt = with_item("Чай", "1", "1");
    kkt_receipt_electronically(receipt);
    assert_int_equal(kkt_receipt_encode(receipt, &tlv, &size, &error), ERROR_CONTACT);
    kkt_receipt_free(receipt);
    receipt = kkt_receipt_new(KKT_SALE);
    assert_int_equal(kkt_receipt_item_text(receipt, 1191, "x"), ERROR_NO_ITEMS);
    assert_refused(receipt, ERROR_NO_ITEMS, 1191, 0);
    receipt = with_item("Чай", "1", "1");
    assert_int_equal(kkt_receipt_pay(receipt, (enum kkt_payment)5, "1"), ERROR_FIELD_VALUE);
    assert_refused(receipt, ERROR_FIELD_VALUE, 0, 0);
}

static void the_first_error_stays(void **state)
{
    (void)state;
    kkt_receipt *receipt = kkt_receipt_new(KKT_SALE);
    assert_int_equal(kkt_receipt_pay(receipt, KKT_CREDIT, "1.005"), ERROR_AMOUNT_PRECISION);
    assert_int_equal(kkt_receipt_total(receipt, "x"), ERROR_AMOUNT_PRECISION);
    assert_int_equal(
        kkt_receipt_item(receipt, "Чай", "1", "1", KKT_VAT_22, KKT_FULL_PAYMENT, KKT_GOODS),
        ERROR_AMOUNT_PRECISION);
    assert_refused(receipt, ERROR_AMOUNT_PRECISION, TAG_PAID_CREDIT, 0);
    assert_int_equal(kkt_receipt_pay(NULL, KKT_CASH, "1"), ERROR_INTERNAL);
}

static void a_receipt_that_is_too_large_is_told(void **state)
{
    (void)state;
    kkt_receipt *receipt = kkt_receipt_new(KKT_SALE);
    int result = KKT_OK;
    char name[129];
    memset(name, 'x', 128);
    name[128] = '\0';
    unsigned items = 0;
    while (result == KKT_OK && items < 1000) {
        result = kkt_receipt_item(receipt, name, "1", "1", KKT_VAT_22, KKT_FULL_PAYMENT, KKT_GOODS);
        items++;
    }
    assert_int_equal(result, ERROR_TOO_LARGE);
    assert_refused(receipt, ERROR_TOO_LARGE, TAG_ITEM, items);
}

static void item_tags_go_to_the_last_item(void **state)
{
    (void)state;
    kkt_receipt *receipt = with_item("Чай", "1", "1");
    const uint8_t *tlv;
    size_t size;
    kkt_error error;
    uint8_t measure = 0;
    assert_int_equal(kkt_receipt_item_tag(receipt, 2108, &measure, 1), KKT_OK);
    assert_int_equal(kkt_receipt_item_text(receipt, 1191, "дополнение"), KKT_OK);
    assert_int_equal(kkt_receipt_buyer_contact(receipt, "ivan@example.ru"), KKT_OK);
    assert_int_equal(kkt_receipt_encode(receipt, &tlv, &size, &error), KKT_OK);
    struct tlv_reader reader;
    struct tlv element, inner;
    unsigned items = 0;
    tlv_reader_init(&reader, tlv, size);
    while (tlv_next(&reader, &element) == 1) {
        if (element.tag != TAG_ITEM)
            continue;
        items++;
        assert_true(tlv_valid(element.value, element.length));
        assert_int_equal(tlv_find(element.value, element.length, 1191, &inner), items == 2);
        assert_int_equal(tlv_find(element.value, element.length, 2108, &inner), items == 2);
    }
    assert_int_equal(items, 2);
    kkt_receipt_free(receipt);
}

/* ---- Keys, addresses, texts ---- */

static void keys(void **state)
{
    (void)state;
    kkt_key key, other;
    char text[37];
    assert_int_equal(kkt_key_parse("0f8fad5b-d9cb-469f-a165-70867728950e", &key), KKT_OK);
    kkt_key_format(&key, text);
    assert_string_equal(text, "0f8fad5b-d9cb-469f-a165-70867728950e");
    assert_int_equal(kkt_key_parse("0F8FAD5BD9CB469FA16570867728950E", &other), KKT_OK);
    assert_memory_equal(key.bytes, other.bytes, 16);
    /* SHA-256 of "abc" begins so. */
    assert_int_equal(kkt_key_parse("abc", &key), KKT_OK);
    kkt_key_format(&key, text);
    assert_string_equal(text, "ba7816bf-8f01-cfea-4141-40de5dae2223");
    /* Dashes elsewhere: a text of its own. */
    assert_int_equal(kkt_key_parse("0f8fad5bd-9cb-469f-a165-70867728950e", &other), KKT_OK);
    assert_memory_not_equal(key.bytes, other.bytes, 16);
    assert_int_equal(kkt_key_parse("", &key), ERROR_FIELD_MISSING);
    char long_text[66];
    memset(long_text, 'a', 65);
    long_text[65] = '\0';
    assert_int_equal(kkt_key_parse(long_text, &key), ERROR_FIELD_LENGTH);
    long_text[64] = '\0';
    assert_int_equal(kkt_key_parse(long_text, &key), KKT_OK);
    assert_int_equal(kkt_key_random(&key), KKT_OK);
    assert_int_equal(kkt_key_random(&other), KKT_OK);
    assert_memory_not_equal(key.bytes, other.bytes, 16);
    assert_int_equal(key.bytes[6] >> 4, 4);
    assert_int_equal(key.bytes[8] >> 6, 2);
}

static void assert_uri_fault(const char *uri, const char *part)
{
    struct device_uri parsed;
    kkt_error error;
    kkt *device = NULL;
    assert_int_equal(device_uri_parse(uri, &parsed, &error), ERROR_DEVICE_URI);
    assert_string_equal(error.field, part);
    assert_non_null(strstr(error.text, part[0] != '\0' ? uri : ""));
    assert_int_equal(kkt_open_lazy(uri, NULL, &device, &error), ERROR_DEVICE_URI);
    assert_null(device);
}

static void addresses(void **state)
{
    (void)state;
    struct device_uri uri;
    assert_int_equal(device_uri_parse("tcp:shop.local:7779", &uri, NULL), KKT_OK);
    assert_int_equal(uri.scheme, DEVICE_URI_TCP);
    assert_string_equal(uri.place, "shop.local");
    assert_string_equal(uri.port, "7779");
    assert_int_equal(device_uri_parse("tcp:[::1]:65535", &uri, NULL), KKT_OK);
    assert_string_equal(uri.place, "::1");
    assert_int_equal(device_uri_parse("serial:/dev/ttyACM0", &uri, NULL), KKT_OK);
    assert_int_equal(uri.baud, 115200);
    assert_int_equal(device_uri_parse("serial:/dev/ttyUSB0?baud=9600", &uri, NULL), KKT_OK);
    assert_int_equal(uri.baud, 9600);
    assert_string_equal(uri.place, "/dev/ttyUSB0");
    assert_int_equal(device_uri_parse("usb:00000000000000000002", &uri, NULL), KKT_OK);
    assert_string_equal(uri.place, "00000000000000000002");
    assert_uri_fault("tpc:host:1", "scheme");
    /* A bare serial number; nothing that looks like an address or a path. */
    assert_int_equal(device_uri_parse("KKT000042", &uri, NULL), KKT_OK);
    assert_int_equal(uri.scheme, DEVICE_URI_NUMBER);
    assert_string_equal(uri.place, "KKT000042");
    assert_uri_fault("127.0.0.1", "scheme");
    assert_uri_fault("/dev/ttyACM0", "scheme");
    assert_uri_fault("number with blanks", "scheme");
    assert_uri_fault("123456789012345678901", "scheme");
    assert_uri_fault("tcp:", "host");
    assert_uri_fault("tcp:host", "port");
    assert_uri_fault("tcp:host:", "port");
    assert_uri_fault("tcp:host:0", "port");
    assert_uri_fault("tcp:host:65536", "port");
    assert_uri_fault("tcp:host:12x", "port");
    assert_uri_fault("tcp://host:1", "host");
    assert_uri_fault("tcp:::1:7", "host");
    assert_uri_fault("tcp:[::1:7", "host");
    assert_uri_fault("serial:", "path");
    assert_uri_fault("serial:COM3", "path");
    assert_uri_fault("serial:/dev/ttyS0?speed=9600", "option");
    assert_uri_fault("serial:/dev/ttyS0?baud=fast", "baud");
    assert_uri_fault("serial:/dev/ttyS0?baud=0", "baud");
    assert_uri_fault("usb:", "serial");
    assert_uri_fault("usb:123456789012345678901", "serial");
    assert_int_equal(device_uri_parse("", &uri, NULL), ERROR_DEVICE_URI);
    assert_int_equal(device_uri_parse(NULL, &uri, NULL), ERROR_DEVICE_URI);
}

static void errors_are_described(void **state)
{
    (void)state;
    kkt_error error;
    kkt_error_describe(ERROR_PAYMENT_SHORT, &error);
    assert_int_equal(error.code, ERROR_PAYMENT_SHORT);
    assert_string_equal(error.name, "PAYMENT_SHORT");
    assert_true(error.cure[0] != '\0');
    kkt_error_describe(-5, &error);
    assert_int_equal(error.code, -5);
    assert_string_equal(error.name, "INTERNAL");
    kkt_error_describe(70000, &error);
    assert_string_equal(error.name, "INTERNAL");
    assert_string_equal(kkt_error_name(ERROR_LINK_LOST), "LINK_LOST");
    assert_true(kkt_version()[0] != '\0');
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_readme_receipt_byte_for_byte),
        cmocka_unit_test(five_items_fit_480_bytes_on_the_wire),
        cmocka_unit_test(sums_are_exact_and_totals_only_when_they_differ),
        cmocka_unit_test(bad_items_are_named),
        cmocka_unit_test(bad_receipts_are_named),
        cmocka_unit_test(the_first_error_stays),
        cmocka_unit_test(a_receipt_that_is_too_large_is_told),
        cmocka_unit_test(item_tags_go_to_the_last_item),
        cmocka_unit_test(keys),
        cmocka_unit_test(addresses),
        cmocka_unit_test(errors_are_described),
    };
    return cmocka_run_group_tests_name("kkt_receipt", tests, NULL, NULL);
}
