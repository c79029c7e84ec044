/* 07h: the register's TLVs, checked as far as the FN checks (KKT-FN 1.2.06, 4.3.3 and
 * appendices 5.3, 5.4).
 *
 * The whole list of one command is taken or refused. Refusals 0Bh, 0Ch and 3Ch carry the tag; the
 * others carry nothing.
 */
#include "board/fn/fnm_internal.h"

#include <assert.h>
#include <string.h>

#include "proto/tlv.h"

#define SUBJECT_EXCISE  2u
#define AGENT_ITEMS_MAX 10u /* items an autonomous FN keeps with their codes or suppliers */
#define DEPTH_MAX       3u  /* 1059 > 1223 > 1073 */

/* Formed by the FN and refused in 07h: FFD 1.2, appendix 5.4. Ascending. */
static const uint16_t fn_tags_12[] = {
    1001, 1002, 1012, 1017, 1018, 1020, 1037, 1038, 1040, 1041, 1042, 1050, 1051, 1052, 1053,
    1054, 1056, 1062, 1077, 1097, 1098, 1111, 1116, 1118, 1129, 1130, 1131, 1132, 1133, 1134,
    1135, 1136, 1138, 1139, 1140, 1141, 1142, 1143, 1144, 1145, 1146, 1157, 1158, 1183, 1190,
    1194, 1201, 1205, 1206, 1209, 1213, 1218, 1219, 1220, 1232, 1233, 1290, 2104, 2106, 2116};
/* FFD 1.1 has these as well, and not the ones of 1.2 only (1290, 2104, 2106, 2116). */
static const uint16_t fn_tags_11_more[] = {1109, 1110, 1126, 1193, 1207, 1221};
/* FFD 1.05: in every document; in documents about settlements; in registration reports. */
static const uint16_t fn_tags_105[] = {1012, 1018, 1037, 1040, 1041, 1077};
static const uint16_t fn_tags_105_receipt[] = {1020, 1038, 1042, 1054};
static const uint16_t fn_tags_105_registration[] = {1001, 1002, 1056, 1062, 1101, 1108, 1109, 1110};

static const uint16_t repeatable[] = {1059, 1073, 1074, 1075, 1171, 1260, 1261, 2107};

static const uint16_t item_tags_11[] = {1023, 1030, 1043, 1079, 1162, 1191, 1197, 1198, 1199, 1200,
                                        1212, 1214, 1222, 1223, 1224, 1226, 1229, 1230, 1231};
static const uint16_t item_tags_12[] = {1023, 1030, 1043, 1079, 1163, 1191, 1198, 1199,
                                        1200, 1212, 1214, 1222, 1223, 1224, 1226, 1229,
                                        1230, 1231, 1260, 1291, 2102, 2108, 2115};
static const uint16_t item_mandatory_11[] = {1023, 1030, 1043, 1079};
static const uint16_t item_mandatory_12[] = {1023, 1043, 1079};

#define LISTED(tag, list) listed(tag, list, sizeof(list) / sizeof((list)[0]))

static bool listed(uint16_t tag, const uint16_t *list, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (list[i] == tag)
            return true;
    return false;
}

static uint8_t refuse(struct byte_writer *out, uint8_t code, uint16_t tag)
{
    put_u16le(out, tag);
    return code;
}

static bool is_settlement(uint8_t state)
{
    return state == FN_DOCUMENT_RECEIPT || state == FN_DOCUMENT_CORRECTION ||
           state == FNM_DOCUMENT_BSO || state == FNM_DOCUMENT_BSO_CORRECTION;
}

static bool is_registration(uint8_t state)
{
    return state == FN_DOCUMENT_REGISTRATION || state == FN_DOCUMENT_CHANGE_FN ||
           state == FN_DOCUMENT_CHANGE;
}

static bool fn_forms(const struct fnm_draft *draft, uint16_t tag)
{
    if (draft->ffd == FFD_1_2)
        return LISTED(tag, fn_tags_12);
    if (draft->ffd == FFD_1_1)
        return (LISTED(tag, fn_tags_12) && tag < TAG_USE_CONDITIONS) ||
               LISTED(tag, fn_tags_11_more);
    if (LISTED(tag, fn_tags_105))
        return true;
    if (tag == TAG_SHIFT_NUMBER && !is_registration(draft->state))
        return draft->state != FN_DOCUMENT_FN_CLOSE;
    if (is_settlement(draft->state))
        return LISTED(tag, fn_tags_105_receipt);
    return is_registration(draft->state) && LISTED(tag, fn_tags_105_registration);
}

static bool length_fits(const struct tag_info *info, uint16_t length)
{
    switch ((enum tag_type)info->type) {
    case TAG_TYPE_BYTE:
    case TAG_TYPE_U16:
    case TAG_TYPE_U32:
    case TAG_TYPE_TIME:
        return length == info->max_length;
    case TAG_TYPE_VLN:
        return length >= 1 && length <= info->max_length;
    case TAG_TYPE_FVLN:
        return length >= 2 && length <= info->max_length;
    case TAG_TYPE_STRING:
        return info->fixed ? length == info->max_length : length >= 1 && length <= info->max_length;
    case TAG_TYPE_BYTES:
    case TAG_TYPE_STLV:
        return length >= 1 && length <= info->max_length;
    case TAG_TYPE_PRINT:
        break;
    }
    return false;
}

/* Length and shape, here and in what is nested. Tags the dictionary does not know pass: the FN
 * carries more than it reads. */
static bool shape_fits(const struct tlv *element)
{
    struct tlv_reader readers[DEPTH_MAX];
    struct tlv current = *element;
    size_t depth = 0;
    for (;;) {
        const struct tag_info *info = tag_info_find(current.tag);
        if (current.tag >= TAG_PRIVATE_FIRST || current.length == 0 ||
            (info != NULL && !length_fits(info, current.length)))
            return false;
        if (info != NULL && info->type == TAG_TYPE_STLV) {
            if (depth == DEPTH_MAX || !tlv_valid(current.value, current.length))
                return false;
            tlv_reader_init(&readers[depth++], current.value, current.length);
        }
        while (depth > 0 && tlv_next(&readers[depth - 1], &current) != 1)
            depth--;
        if (depth == 0)
            return true;
    }
}

static uint8_t check_tax_system(const struct fnm *fnm, const struct tlv *element)
{
    uint8_t system = element->value[0];
    if ((system & (system - 1)) != 0 || system == 0 || (system & ~TAX_SYSTEM_BITS) != 0)
        return FN_BAD_REQUISITE;
    return (system & fnm->registration.tax_systems) == 0 ? FN_CONTRADICTS_REGISTRATION : FN_OK;
}

static uint8_t check_excise(const struct fnm *fnm, const struct tlv *item)
{
    uint8_t subject;
    if (tlv_find_u8(item->value, item->length, TAG_ITEM_SUBJECT, &subject) &&
        subject == SUBJECT_EXCISE && !fnm->registration.excise)
        return FN_CONTRADICTS_REGISTRATION;
    return FN_OK;
}

/* 1059 in FFD 1.1 and 1.2: nothing unknown, nothing twice, nothing missing;
 * 1222 and 1226 together. */
static uint8_t check_item(const struct fnm *fnm, const struct tlv *item, bool *with_agent,
                          struct byte_writer *out)
{
    bool ffd_12 = fnm->v.draft.ffd == FFD_1_2;
    uint16_t seen[32];
    size_t count = 0;
    struct tlv_reader reader;
    struct tlv element;
    tlv_reader_init(&reader, item->value, item->length);
    while (tlv_next(&reader, &element) == 1) {
        if (fn_forms(&fnm->v.draft, element.tag))
            return refuse(out, FN_TAG_IS_MINE, element.tag);
        if (ffd_12 ? !LISTED(element.tag, item_tags_12) : !LISTED(element.tag, item_tags_11))
            return FN_BAD_REQUISITE;
        bool again = listed(element.tag, seen, count);
        if (again && !LISTED(element.tag, repeatable))
            return refuse(out, FN_DUPLICATE, element.tag);
        assert(again || count < sizeof seen / sizeof seen[0]);
        if (!again)
            seen[count++] = element.tag;
    }
    const uint16_t *mandatory = ffd_12 ? item_mandatory_12 : item_mandatory_11;
    size_t mandatory_count = ffd_12 ? sizeof item_mandatory_12 / sizeof item_mandatory_12[0]
                                    : sizeof item_mandatory_11 / sizeof item_mandatory_11[0];
    for (size_t i = 0; i < mandatory_count; i++)
        if (!listed(mandatory[i], seen, count))
            return refuse(out, FNM_REQUISITE_MISSING, mandatory[i]);
    bool agent = listed(TAG_ITEM_AGENT_FLAG, seen, count);
    bool supplier = listed(TAG_SUPPLIER_INN, seen, count);
    if (agent != supplier)
        return refuse(out, FNM_REQUISITE_MISSING, agent ? TAG_SUPPLIER_INN : TAG_ITEM_AGENT_FLAG);
    *with_agent = supplier || listed(TAG_ITEM_CODE, seen, count) ||
                  listed(TAG_ITEM_CODE_STRUCTURE, seen, count);
    return FN_OK;
}

struct fnm_batch { /* what one 07h adds, applied only when all of it is good */
    uint16_t items, agent_items;
};

static bool seen_before(const struct fnm *fnm, uint16_t tag, const uint8_t *in, size_t before)
{
    if ((fnm->v.draft.seen[tag / 8] >> tag % 8 & 1) != 0)
        return true;
    struct tlv unused;
    return tlv_find(in, before, tag, &unused) == 1;
}

static uint8_t check_element(const struct fnm *fnm, const struct tlv *element,
                             struct fnm_batch *batch, struct byte_writer *out)
{
    const struct fnm_draft *draft = &fnm->v.draft;
    if (fn_forms(draft, element->tag))
        return refuse(out, FN_TAG_IS_MINE, element->tag);
    if (!shape_fits(element))
        return FN_BAD_REQUISITE;
    if (element->tag == TAG_TAX_SYSTEM && is_settlement(draft->state))
        return check_tax_system(fnm, element);
    if (element->tag != TAG_ITEM || !is_settlement(draft->state))
        return FN_OK;
    bool with_agent = false;
    uint8_t code = FN_OK;
    if (draft->ffd >= FFD_1_1)
        code = check_item(fnm, element, &with_agent, out);
    if (code == FN_OK)
        code = check_excise(fnm, element);
    batch->items++;
    batch->agent_items = (uint16_t)(batch->agent_items + with_agent);
    if (code == FN_OK && fnm_autonomous(fnm) &&
        draft->agent_items + batch->agent_items > AGENT_ITEMS_MAX)
        code = FN_TOO_MANY_ITEMS;
    return code;
}

uint8_t fnm_data(struct fnm *fnm, const uint8_t *in, size_t size, struct byte_writer *out)
{
    struct fnm_draft *draft = &fnm->v.draft;
    struct fnm_batch batch = {0};
    struct tlv_reader reader;
    struct tlv element;
    if (draft->state == FN_DOCUMENT_NONE)
        return FN_BAD_STATE;
    if (draft->data_size + size > draft->data_max)
        return FN_DATA_TOO_LONG;
    if (!tlv_valid(in, size))
        return FN_BAD_REQUISITE;
    tlv_reader_init(&reader, in, size);
    for (size_t before = 0; tlv_next(&reader, &element) == 1; before = reader.offset) {
        uint8_t code = check_element(fnm, &element, &batch, out);
        if (code != FN_OK)
            return code;
        if (!LISTED(element.tag, repeatable) && seen_before(fnm, element.tag, in, before))
            return refuse(out, FN_DUPLICATE, element.tag);
    }
    tlv_reader_init(&reader, in, size);
    while (tlv_next(&reader, &element) == 1)
        draft->seen[element.tag / 8] |= (uint8_t)(1u << element.tag % 8);
    draft->items = (uint16_t)(draft->items + batch.items);
    draft->agent_items = (uint16_t)(draft->agent_items + batch.agent_items);
    memcpy(draft->data + draft->data_size, in, size);
    draft->data_size += size;
    return FN_OK;
}
