/* The FN's side of a fiscal job: which commands, which bytes, which tags the register itself must
 * add.
 *
 * What the FN forms and what the register passes by 07h: KKT-FN protocol v1.2.06, appendices 5.3
 * and 5.4 (FFD 1.2), and the real FFD 1.05 documents of the operators' captures. Refusing a tag the
 * FN forms (answer 0Bh) would lose the job, so they are filtered here.
 */
#include "firmware/register_internal.h"

#include <assert.h>
#include <string.h>

static bool in_list(const uint16_t *list, size_t count, uint16_t tag)
{
    for (size_t i = 0; i < count; i++) {
        if (list[i] == tag)
            return true;
    }
    return false;
}

/* Tags of a job's body that reach the FN as parameters of a command, or not at all. */
static bool stays_off_fn(const struct cash_register *reg, uint16_t tag)
{
    static const uint16_t registration[] = {TAG_USER_INN,        TAG_KKT_REGISTRATION_NUMBER,
                                            TAG_TAX_SYSTEMS,     TAG_ENCRYPTION,
                                            TAG_AUTONOMOUS_MODE, TAG_AUTOMATIC_MODE,
                                            TAG_SERVICES,        TAG_BSO_ONLY,
                                            TAG_INTERNET_ONLY,   TAG_FFD_VERSION,
                                            TAG_KKT_SERIAL,      TAG_KKT_VERSION,
                                            TAG_KKT_FFD_VERSION};
    static const uint16_t registration_12[] = {
        TAG_OFD_INN, TAG_EXCISE_GOODS,       TAG_GAMBLING,
        TAG_LOTTERY, TAG_PRINTER_IN_AUTOMAT, TAG_AGENT_FLAGS};
    if (tag >= TAG_PRIVATE_FIRST)
        return true;
    if (reg->job.inner)
        return tag != TAG_CASHIER && tag != TAG_CASHIER_INN;
    if (reg->job.code == LINK_RECEIPT)
        return tag == TAG_SETTLEMENT_KIND || tag == TAG_RECEIPT_TOTAL;
    if (reg->job.code != LINK_REGISTRATION)
        return false;
    if (in_list(registration, sizeof(registration) / sizeof(registration[0]), tag))
        return true;
    return cash_register_ffd(reg) == FFD_1_2 &&
           in_list(registration_12, sizeof(registration_12) / sizeof(registration_12[0]), tag);
}

static void add_setting(const struct cash_register *reg, struct byte_writer *writer, uint16_t tag)
{
    struct tlv tlv;
    if (tlv_find(reg->job.body, reg->job.size, tag, &tlv) == 1)
        return;
    if (settings_find(reg->settings, tag, &tlv)) /* the list holds nothing empty */
        tlv_put_bytes(writer, tag, tlv.value, tlv.length);
}

static void add_cashier(const struct cash_register *reg, struct byte_writer *writer)
{
    struct tlv tlv;
    if (tlv_find(reg->job.body, reg->job.size, TAG_CASHIER, &tlv) == 1)
        return;
    tlv_put_bytes(writer, TAG_CASHIER, reg->state.cashier.name, reg->state.cashier.name_size);
    if (reg->state.cashier.inn_size > 0 &&
        tlv_find(reg->job.body, reg->job.size, TAG_CASHIER_INN, &tlv) != 1)
        tlv_put_padded(writer, TAG_CASHIER_INN, reg->state.cashier.inn, reg->state.cashier.inn_size,
                       12);
}

static void compose_receipt(struct cash_register *reg, struct byte_writer *writer, uint8_t ffd)
{
    const struct receipt_summary *summary = &reg->summary;
    /* No other receipt is checked before this one has ended. */
    assert(summary->kind == reg->job.effect.kind &&
           summary->total_kop == reg->job.effect.total_kop);
    add_cashier(reg, writer);
    if (summary->tax_system == 0) /* checked: exactly one is registered */
        tlv_put_u8(writer, TAG_TAX_SYSTEM, settings_u8(reg->settings, TAG_TAX_SYSTEMS, 0));
    receipt_complete(writer, reg->job.body, reg->job.size, summary);
    add_setting(reg, writer, TAG_FNS_SITE);
    if (summary->has_contact)
        add_setting(reg, writer, TAG_SENDER_EMAIL);
    if (ffd == FFD_1_2) {
        add_setting(reg, writer, TAG_SETTLEMENT_ADDRESS);
        add_setting(reg, writer, TAG_SETTLEMENT_PLACE);
    }
}

static void compose_registration(struct cash_register *reg, struct byte_writer *writer, uint8_t ffd)
{
    tlv_put_bytes(writer, TAG_KKT_SERIAL, reg->board->serial, strlen(reg->board->serial));
    tlv_put_u8(writer, TAG_KKT_FFD_VERSION, ffd);
    tlv_put_bytes(writer, TAG_KKT_VERSION, OPENKKT_KKT_VERSION, strlen(OPENKKT_KKT_VERSION));
}

void register_fn_compose(struct cash_register *reg)
{
    struct byte_writer writer;
    uint8_t ffd = cash_register_ffd(reg);
    byte_writer_init(&writer, reg->added, sizeof(reg->added));
    switch (reg->job.code) {
    case LINK_RECEIPT:
        compose_receipt(reg, &writer, ffd);
        break;
    case LINK_SHIFT_OPEN:
        tlv_put_bytes(&writer, TAG_KKT_VERSION, OPENKKT_KKT_VERSION, strlen(OPENKKT_KKT_VERSION));
        tlv_put_u8(&writer, TAG_KKT_FFD_VERSION, ffd);
        break;
    case LINK_SHIFT_CLOSE:
        add_cashier(reg, &writer);
        break;
    case LINK_REGISTRATION:
        compose_registration(reg, &writer, ffd);
        break;
    default:
        break;
    }
    if (ffd == FFD_1_05)
        tlv_put_u8(&writer, TAG_FFD_VERSION, ffd);
    assert(byte_writer_ok(&writer));
    reg->added_size = writer.length;
    reg->feed_offset = 0;
}

bool register_fn_fits(struct cash_register *reg)
{
    struct tlv_reader reader;
    struct tlv tlv;
    size_t size = reg->added_size;
    tlv_reader_init(&reader, reg->job.body, reg->job.size);
    while (tlv_next(&reader, &tlv) == 1)
        size += stays_off_fn(reg, tlv.tag) ? 0 : TLV_HEADER_SIZE + (size_t)tlv.length;
    if (size <= RECEIPT_TLV_MAX)
        return true;
    return register_refuse(reg, ERROR_TOO_LARGE, 0, RECEIPT_TLV_MAX);
}

/* ---- Commands -------------------------------------------------------------------------------- */

/* The time of the document: not that of its answer, which may be minutes later. */
static size_t put_now(struct cash_register *reg, uint8_t *data)
{
    reg->document_time = reg->now.calendar;
    bool good = date_time_from_unix(reg->now.calendar, data);
    if (!good)
        memset(data, 0, DATE_TIME_SIZE); /* the FN refuses it as a bad date */
    return DATE_TIME_SIZE;
}

uint8_t register_fn_begin(struct cash_register *reg, uint8_t *data, size_t *size)
{
    *size = 0;
    switch (reg->job.code) {
    case LINK_SHIFT_OPEN:
        *size = put_now(reg, data);
        return FN_SHIFT_OPEN_BEGIN;
    case LINK_SHIFT_CLOSE:
        *size = put_now(reg, data);
        return FN_SHIFT_CLOSE_BEGIN;
    case LINK_STATE_REPORT:
        *size = put_now(reg, data);
        return FN_STATE_BEGIN;
    case LINK_REGISTRATION:
        data[0] = 0; /* registration, not a change of it */
        if (cash_register_ffd(reg) == FFD_1_05) {
            *size = 1;
            return FN_REGISTRATION_BEGIN;
        }
        data[1] = FFD_1_2;
        *size = 2;
        return FN_REGISTRATION_BEGIN_12;
    default:
        assert(reg->job.code == LINK_RECEIPT);
        *size = put_now(reg, data);
        return FN_RECEIPT_BEGIN;
    }
}

static uint8_t flag_bit(const struct cash_register *reg, uint16_t tag, unsigned bit)
{
    uint8_t value = 0;
    (void)tlv_find_u8(reg->job.body, reg->job.size, tag, &value);
    return (uint8_t)(value != 0 ? 1u << bit : 0u);
}

static void put_padded_field(const struct cash_register *reg, struct byte_writer *writer,
                             uint16_t tag, size_t width)
{
    struct tlv tlv = {0};
    (void)tlv_find(reg->job.body, reg->job.size, tag, &tlv);
    size_t length = tlv.length < width ? tlv.length : width;
    put_bytes(writer, tlv.value, length);
    put_fill(writer, ' ', width - length);
}

/* Commands 03h and A3h (KKT-FN protocol 4.2). */
static uint8_t form_registration(struct cash_register *reg, uint8_t *data, size_t *size)
{
    struct byte_writer writer;
    byte_writer_init(&writer, data, FN_DATA_MAX);
    uint8_t now[DATE_TIME_SIZE];
    put_bytes(&writer, now, put_now(reg, now));
    put_padded_field(reg, &writer, TAG_USER_INN, 12);
    put_padded_field(reg, &writer, TAG_KKT_REGISTRATION_NUMBER, 20);
    uint8_t systems = 0, autonomous = flag_bit(reg, TAG_AUTONOMOUS_MODE, 1);
    (void)tlv_find_u8(reg->job.body, reg->job.size, TAG_TAX_SYSTEMS, &systems);
    put_u8(&writer, systems);
    put_u8(&writer,
           (uint8_t)(flag_bit(reg, TAG_ENCRYPTION, 0) | autonomous |
                     flag_bit(reg, TAG_AUTOMATIC_MODE, 2) | flag_bit(reg, TAG_SERVICES, 3) |
                     flag_bit(reg, TAG_BSO_ONLY, 4) | flag_bit(reg, TAG_INTERNET_ONLY, 5)));
    if (cash_register_ffd(reg) == FFD_1_05) {
        *size = writer.length;
        return FN_REGISTRATION_FORM;
    }
    put_u8(&writer,
           (uint8_t)(flag_bit(reg, TAG_EXCISE_GOODS, 0) | flag_bit(reg, TAG_GAMBLING, 1) |
                     flag_bit(reg, TAG_LOTTERY, 2) | flag_bit(reg, TAG_PRINTER_IN_AUTOMAT, 3)));
    if (autonomous != 0)
        put_fill(&writer, '0', 12);
    else
        put_padded_field(reg, &writer, TAG_OFD_INN, 12);
    *size = writer.length;
    return FN_REGISTRATION_FORM_12;
}

uint8_t register_fn_form(struct cash_register *reg, uint8_t *data, size_t *size)
{
    *size = 0;
    switch (reg->job.code) {
    case LINK_SHIFT_OPEN:
        return FN_SHIFT_OPEN_FORM;
    case LINK_SHIFT_CLOSE:
        return FN_SHIFT_CLOSE_FORM;
    case LINK_STATE_REPORT:
        return FN_STATE_FORM;
    case LINK_REGISTRATION:
        return form_registration(reg, data, size);
    default: {
        struct byte_writer writer;
        byte_writer_init(&writer, data, FN_DATA_MAX);
        uint8_t now[DATE_TIME_SIZE];
        put_bytes(&writer, now, put_now(reg, now));
        put_u8(&writer, reg->job.effect.kind);
        put_uint_le(&writer, reg->job.effect.total_kop, 5);
        *size = writer.length;
        return FN_RECEIPT_FORM;
    }
    }
}

size_t register_fn_next_chunk(struct cash_register *reg)
{
    size_t length = 0;
    for (;;) {
        bool in_body = reg->feed_offset < reg->job.size;
        const uint8_t *list = in_body ? reg->job.body : reg->added;
        size_t size = in_body ? reg->job.size : reg->added_size;
        struct tlv_reader reader;
        tlv_reader_init(&reader, list, size);
        reader.offset = in_body ? reg->feed_offset : reg->feed_offset - reg->job.size;
        size_t start = reader.offset;
        struct tlv tlv;
        if (tlv_next(&reader, &tlv) != 1)
            return length; /* both lists are well formed: this is the end of `added` */
        size_t step = reader.offset - start;
        if (!stays_off_fn(reg, tlv.tag)) {
            assert(step <= sizeof(reg->chunk)); /* no fiscal tag of the dictionary is as long */
            if (length + step > sizeof(reg->chunk))
                return length;
            memcpy(reg->chunk + length, list + start, step);
            length += step;
        }
        reg->feed_offset += step;
    }
}

/* ---- Answers --------------------------------------------------------------------------------- */

bool register_fn_result(struct cash_register *reg, struct link_result *result)
{
    const uint8_t *data = reg->fn->data;
    size_t size = reg->fn->size;
    size_t at = 0;
    bool numbered = reg->job.code != LINK_REGISTRATION && reg->job.code != LINK_STATE_REPORT;
    if (size < (numbered ? 10u : 8u))
        return false;
    if (numbered) {
        uint16_t number = get_u16le(data);
        at = 2;
        if (reg->job.code == LINK_RECEIPT) {
            result->receipt = number;
            result->shift = reg->state.shift_number;
        } else {
            result->shift = number;
        }
    }
    if (reg->job.code == LINK_SHIFT_CLOSE)
        result->receipt = reg->state.receipts;
    if (reg->job.code == LINK_STATE_REPORT)
        result->shift = reg->state.shift_open ? reg->state.shift_number : 0;
    result->document = get_u32le(data + at);
    result->fiscal_sign = get_u32le(data + at + 4);
    return result->document == reg->facts.status.last_document + 1;
}

static uint8_t expected_form(uint8_t code)
{
    switch (code) {
    case LINK_SHIFT_OPEN:
        return FORM_SHIFT_OPEN;
    case LINK_SHIFT_CLOSE:
        return FORM_SHIFT_CLOSE;
    case LINK_REGISTRATION:
        return FORM_REGISTRATION;
    case LINK_STATE_REPORT:
        return FORM_STATE_REPORT;
    default:
        return FORM_RECEIPT;
    }
}

#define RECORD_HEAD 15u /* type, confirmed, DATE_TIME, FD, FP */

bool register_fn_recovered(struct cash_register *reg, const uint8_t *record, size_t size,
                           struct link_result *result)
{
    const struct job_intent *intent = &reg->state.intent;
    if (size < RECORD_HEAD || (record[0] & 0x3Fu) != expected_form(intent->job))
        return false;
    unix_s time;
    if (!date_time_to_unix(record + 2, &time))
        return false;
    memset(result, 0, sizeof(*result));
    memcpy(result->key, intent->key, KEY_SIZE);
    result->job = intent->job;
    result->flags = LINK_RESULT_RECOVERED;
    result->time = time;
    result->document = get_u32le(record + 7);
    result->fiscal_sign = get_u32le(record + 11);
    result->total_kop = intent->effect.total_kop;
    if (result->document != intent->last_document + 1)
        return false;
    if (intent->job == LINK_RECEIPT) {
        if (size < RECORD_HEAD + 6 || record[RECORD_HEAD] != intent->effect.kind ||
            get_uint_le(record + RECORD_HEAD + 1, 5) != intent->effect.total_kop)
            return false;
    }
    return true;
}
