/* registration: organization, device and ofd as the TLV of a registration report, with the
 * operator's address as board settings in the same job. */
#include <stdio.h>
#include <string.h>

#include "proto/inn.h"
#include "proto/tags.h"
#include "tools/kkt/settings_text.h"
#include "tools/kkt/task_build.h"

#define RNM_AUTO "auto"

static const struct field_rule task_fields[] = {TASK_COMMON_FIELDS,
                                                {"operator", FIELD_TAKEN},
                                                {"organization", FIELD_TAKEN},
                                                {"device", FIELD_TAKEN},
                                                {"ofd", FIELD_TAKEN},
                                                {"electronically", FIELD_TAKEN},
                                                {"reason", FIELD_LATER},
                                                {"changeInfoReasons", FIELD_LATER},
                                                {"preItems", FIELD_LATER},
                                                {"postItems", FIELD_LATER},
                                                {NULL, FIELD_TAKEN}};
static const struct field_rule organization_fields[] = {
    {"name", FIELD_TAKEN},   {"vatin", FIELD_TAKEN},
    {"email", FIELD_TAKEN},  {"taxationTypes", FIELD_TAKEN},
    {"agents", FIELD_LATER}, {"address", FIELD_TAKEN},
    {NULL, FIELD_TAKEN}};
static const struct field_rule device_fields[] = {{"paymentsAddress", FIELD_TAKEN},
                                                  {"fnsUrl", FIELD_TAKEN},
                                                  {"registrationNumber", FIELD_TAKEN},
                                                  {"offlineMode", FIELD_TAKEN},
                                                  {"machineInstallation", FIELD_TAKEN},
                                                  {"bso", FIELD_TAKEN},
                                                  {"encryption", FIELD_TAKEN},
                                                  {"autoMode", FIELD_TAKEN},
                                                  {"machineNumber", FIELD_TAKEN},
                                                  {"internet", FIELD_TAKEN},
                                                  {"service", FIELD_TAKEN},
                                                  {"gambling", FIELD_TAKEN},
                                                  {"lottery", FIELD_TAKEN},
                                                  {"excise", FIELD_TAKEN},
                                                  {"defaultTaxationType", FIELD_TAKEN},
                                                  {"ofdChannel", FIELD_IGNORED},
                                                  {"ffdVersion", FIELD_TAKEN},
                                                  {"marking", FIELD_LATER},
                                                  {"pawnShopActivity", FIELD_LATER},
                                                  {"insuranceActivity", FIELD_LATER},
                                                  {NULL, FIELD_TAKEN}};
static const struct field_rule ofd_fields[] = {
    {"name", FIELD_TAKEN},  {"vatin", FIELD_TAKEN}, {"host", FIELD_TAKEN},   {"port", FIELD_TAKEN},
    {"dns", FIELD_IGNORED}, {"tls", FIELD_TAKEN},   {"caFile", FIELD_TAKEN}, {NULL, FIELD_TAKEN}};

static bool put_tax_systems(const struct field_reader *reader, unsigned *systems,
                            struct byte_writer *writer)
{
    struct json_object *array = NULL;
    size_t count = 0;
    *systems = 0;
    if (field_required(reader, "taxationTypes",
                       field_array(reader, "taxationTypes", &array, &count)) == FIELD_BAD)
        return false;
    for (size_t i = 0; i < count; i++) {
        struct json_object *value = json_object_array_get_idx(array, i);
        char step[40];
        unsigned bit;
        snprintf(step, sizeof step, "taxationTypes[%zu]", i);
        if (!json_object_is_type(value, json_type_string)) {
            field_fail(reader, step, ERROR_FIELD_TYPE, TAG_TAX_SYSTEMS, "a string is expected");
            return false;
        }
        if (field_word_of(reader, step, TAG_TAX_SYSTEMS, task_tax_systems,
                          json_object_get_string(value), &bit) == FIELD_BAD)
            return false;
        *systems |= bit;
    }
    if (*systems == 0) {
        field_fail(reader, "taxationTypes", ERROR_TAX_SYSTEM, TAG_TAX_SYSTEMS,
                   "at least one tax system is needed");
        return false;
    }
    tlv_put_u8(writer, TAG_TAX_SYSTEMS, (uint8_t)*systems);
    return true;
}

static bool required_text(const struct field_reader *reader, const char *name, uint16_t tag,
                          struct byte_writer *writer)
{
    return field_required(reader, name, field_put_text(reader, name, tag, writer)) != FIELD_BAD;
}

static bool put_organization(const struct field_reader *reader, unsigned *systems, char inn[13],
                             struct byte_writer *writer)
{
    struct field_reader organization;
    const char *text = "";
    size_t length;
    if (field_required(reader, "organization",
                       field_object(reader, "organization", &organization)) == FIELD_BAD ||
        !field_check_names(&organization, organization_fields) ||
        !required_text(&organization, "name", TAG_USER_NAME, writer) ||
        field_required(&organization, "vatin",
                       field_put_inn(&organization, "vatin", TAG_USER_INN, writer)) == FIELD_BAD ||
        !required_text(&organization, "address", TAG_SETTLEMENT_ADDRESS, writer) ||
        field_put_text(&organization, "email", TAG_SENDER_EMAIL, writer) == FIELD_BAD)
        return false;
    field_string(&organization, "vatin", &text, &length);
    snprintf(inn, 13, "%s", text);
    return put_tax_systems(&organization, systems, writer);
}

static bool put_registration_number(const struct field_reader *device, const char *inn,
                                    struct byte_writer *writer)
{
    const char *text = NULL;
    size_t length = 0;
    char made[RNM_DIGITS + 1] = "";
    const char *serial = device->environment->serial;
    if (field_required(device, "registrationNumber",
                       field_string(device, "registrationNumber", &text, &length)) == FIELD_BAD)
        return false;
    if (strcmp(text, RNM_AUTO) == 0) {
        if (serial[0] == 0 && !device->environment->judging) {
            field_fail(device, "registrationNumber", ERROR_LINK_LOST, TAG_KKT_REGISTRATION_NUMBER,
                       "\"auto\" needs the board's serial number, and no board answers");
            return false;
        }
        rnm_make("0000000001", inn, serial, made);
        made[RNM_DIGITS] = 0;
        text = made;
        length = RNM_DIGITS;
    }
    if (length != RNM_DIGITS || strspn(text, "0123456789") != RNM_DIGITS) {
        field_fail(device, "registrationNumber", ERROR_RNM, TAG_KKT_REGISTRATION_NUMBER,
                   "\"%.30s\" is not 16 digits, and not \"auto\" either", text);
        return false;
    }
    if (serial[0] != 0 && !rnm_valid((const uint8_t *)text, length, inn, serial)) {
        field_fail(device, "registrationNumber", ERROR_RNM, TAG_KKT_REGISTRATION_NUMBER,
                   "%s was not given to INN %s and board %s", text, inn, serial);
        return false;
    }
    return field_put_text_value(device, "registrationNumber", TAG_KKT_REGISTRATION_NUMBER, text,
                                length, writer) == FIELD_GOT;
}

/* "1.05" and "1.2", as a string or a number. */
static bool put_ffd(const struct field_reader *device, struct byte_writer *writer)
{
    static const struct field_word versions[] = {{"1.05", FFD_1_05}, {"1.2", FFD_1_2}, {NULL, 0}};
    struct json_object *value = NULL;
    unsigned version;
    json_object_object_get_ex(device->object, "ffdVersion", &value);
    if (value == NULL) {
        field_required(device, "ffdVersion", FIELD_ABSENT);
        return false;
    }
    if (json_object_is_type(value, json_type_object) ||
        json_object_is_type(value, json_type_array) ||
        json_object_is_type(value, json_type_boolean)) {
        field_fail(device, "ffdVersion", ERROR_FIELD_TYPE, TAG_FFD_VERSION,
                   "\"1.05\" or \"1.2\" is expected");
        return false;
    }
    if (field_word_of(device, "ffdVersion", TAG_FFD_VERSION, versions,
                      json_object_get_string(value), &version) == FIELD_BAD) {
        device->error->code = ERROR_FFD_UNSUPPORTED;
        const struct error_info *info = error_info_find(ERROR_FFD_UNSUPPORTED);
        snprintf(device->error->name, sizeof device->error->name, "%s", info->name);
        snprintf(device->error->cure, sizeof device->error->cure, "%s", info->cure);
        return false;
    }
    tlv_put_u8(writer, TAG_FFD_VERSION, (uint8_t)version);
    return true;
}

static bool put_device(const struct field_reader *reader, unsigned systems, const char *inn,
                       bool *offline, struct byte_writer *writer)
{
    /* What the FN forms itself from the mode byte is told only when it is set; 1207 and 1221 the
     * register sends also as 0 (fiscal.md 4.4). */
    static const struct {
        const char *name;
        uint16_t tag;
        bool always;
    } flags[] = {{"autoMode", TAG_AUTOMATIC_MODE, false},
                 {"offlineMode", TAG_AUTONOMOUS_MODE, false},
                 {"encryption", TAG_ENCRYPTION, false},
                 {"internet", TAG_INTERNET_ONLY, false},
                 {"service", TAG_SERVICES, false},
                 {"bso", TAG_BSO_ONLY, false},
                 {"gambling", TAG_GAMBLING, false},
                 {"lottery", TAG_LOTTERY, false},
                 {"excise", TAG_EXCISE_GOODS, true},
                 {"machineInstallation", TAG_PRINTER_IN_AUTOMAT, true}};
    struct field_reader device;
    bool automatic = false;
    unsigned standard = 0;
    if (field_required(reader, "device", field_object(reader, "device", &device)) == FIELD_BAD ||
        !field_check_names(&device, device_fields) ||
        !required_text(&device, "paymentsAddress", TAG_SETTLEMENT_PLACE, writer) ||
        !put_registration_number(&device, inn, writer) || !put_ffd(&device, writer) ||
        field_put_text(&device, "fnsUrl", TAG_FNS_SITE, writer) == FIELD_BAD)
        return false;
    for (unsigned i = 0; i < sizeof flags / sizeof flags[0]; i++) {
        bool set = false;
        if (field_bool(&device, flags[i].name, &set) == FIELD_BAD)
            return false;
        if (set || flags[i].always)
            tlv_put_u8(writer, flags[i].tag, set);
    }
    *offline = false;
    field_bool(&device, "offlineMode", offline);
    field_bool(&device, "autoMode", &automatic);
    int got = field_put_text(&device, "machineNumber", TAG_AUTOMAT_NUMBER, writer);
    if (got == FIELD_BAD)
        return false;
    if (automatic && got == FIELD_ABSENT) {
        field_fail(&device, "machineNumber", ERROR_FIELD_MISSING, TAG_AUTOMAT_NUMBER,
                   "autoMode needs the number of the automatic device");
        return false;
    }
    got = field_word(&device, "defaultTaxationType", TAG_TAX_SYSTEM, task_tax_systems, &standard);
    if (got == FIELD_GOT && (systems & standard) == 0)
        field_fail(&device, "defaultTaxationType", ERROR_TAX_SYSTEM, TAG_TAX_SYSTEM,
                   "it is not among organization.taxationTypes");
    return got != FIELD_BAD && (got == FIELD_ABSENT || (systems & standard) != 0);
}

static bool put_ca(const struct field_reader *ofd, struct byte_writer *writer)
{
    uint8_t der[4096];
    char path[1024];
    const char *name;
    size_t length;
    int got = field_string(ofd, "caFile", &name, &length);
    if (got != FIELD_GOT)
        return got == FIELD_ABSENT;
    const char *folder = name[0] == '/' ? NULL : ofd->environment->folder;
    snprintf(path, sizeof path, "%s%s%s", folder == NULL ? "" : folder, folder == NULL ? "" : "/",
             name);
    size_t size = settings_certificate_read(path, der, sizeof der);
    const struct tag_info *info = tag_info_find(TAG_SETTING_OFD_CA);
    if (size == 0 || size > info->max_length) {
        field_fail(ofd, "caFile", ERROR_FIELD_VALUE, TAG_SETTING_OFD_CA,
                   "%.150s is not one certificate of at most %u bytes, in PEM or DER", path,
                   (unsigned)info->max_length);
        return false;
    }
    tlv_put_bytes(writer, TAG_SETTING_OFD_CA, der, size);
    return true;
}

static bool put_ofd(const struct field_reader *reader, bool offline, struct byte_writer *writer)
{
    struct field_reader ofd;
    uint64_t port = 0;
    bool tls = false;
    int got = field_object(reader, "ofd", &ofd);
    if (got == FIELD_ABSENT && offline)
        return true;
    if (field_required(reader, "ofd", got) == FIELD_BAD || !field_check_names(&ofd, ofd_fields))
        return false;
    if (!required_text(&ofd, "name", TAG_OFD_NAME, writer) ||
        field_required(&ofd, "vatin", field_put_inn(&ofd, "vatin", TAG_OFD_INN, writer)) ==
            FIELD_BAD ||
        field_put_text(&ofd, "host", TAG_SETTING_OFD_HOST, writer) == FIELD_BAD)
        return false;
    got = field_number(&ofd, "port", 65535, &port);
    if (got == FIELD_GOT)
        tlv_put_u16(writer, TAG_SETTING_OFD_PORT, (uint16_t)port);
    if (got == FIELD_BAD)
        return false;
    got = field_bool(&ofd, "tls", &tls);
    if (got == FIELD_GOT)
        tlv_put_u8(writer, TAG_SETTING_OFD_TLS, tls);
    return got != FIELD_BAD && put_ca(&ofd, writer);
}

bool task_build_registration(const struct field_reader *reader, struct byte_writer *writer)
{
    unsigned systems;
    char inn[13];
    bool offline, ignored;
    if (!field_check_names(reader, task_fields))
        return false;
    if (field_bool(reader, "electronically", &ignored) == FIELD_BAD ||
        field_required(reader, "operator", task_put_operator(reader, writer)) == FIELD_BAD)
        return false;
    return put_organization(reader, &systems, inn, writer) &&
           put_device(reader, systems, inn, &offline, writer) && put_ofd(reader, offline, writer);
}
