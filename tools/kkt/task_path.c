/* From a fiscal tag back to the JSON field it was made of. */
#include <stdio.h>
#include <string.h>

#include "proto/tags.h"
#include "tools/kkt/task.h"

struct path_row {
    uint16_t tag;
    const char *field;
};

static const struct path_row item_rows[] = {{TAG_ITEM_NAME, "name"},
                                            {TAG_ITEM_PRICE, "price"},
                                            {TAG_ITEM_QUANTITY, "quantity"},
                                            {TAG_ITEM_SUM, "amount"},
                                            {TAG_VAT_RATE, "tax.type"},
                                            {TAG_ITEM_VAT_SUM, "tax.sum"},
                                            {TAG_ITEM_VAT_PER_UNIT, "tax.sum"},
                                            {TAG_ITEM_SUBJECT, "paymentObject"},
                                            {TAG_ITEM_PAYMENT_METHOD, "paymentMethod"},
                                            {TAG_ITEM_MEASURE, "measurementUnit"},
                                            {TAG_ITEM_UNIT_TEXT, "measurementUnit"},
                                            {TAG_ITEM_EXTRA, "additionalAttribute"},
                                            {TAG_ITEM_AGENT_FLAG, "agentInfo.agents"},
                                            {TAG_AGENT_DATA, "agentInfo"},
                                            {TAG_SUPPLIER_INN, "supplierInfo.vatin"},
                                            {TAG_SUPPLIER_DATA, "supplierInfo"},
                                            {TAG_SUPPLIER_NAME, "supplierInfo.name"},
                                            {TAG_SUPPLIER_PHONE, "supplierInfo.phones"},
                                            {TAG_EXCISE_SUM, "exciseSum"},
                                            {TAG_COUNTRY_CODE, "countryCode"},
                                            {TAG_CUSTOMS_DECLARATION, "customsDeclaration"},
                                            {0, NULL}};

static const struct path_row task_rows[] = {{TAG_ITEM, "items"},
                                            {TAG_RECEIPT_TOTAL, "total"},
                                            {TAG_TAX_SYSTEM, "taxationType"},
                                            {TAG_BUYER_CONTACT, "clientInfo.emailOrPhone"},
                                            {TAG_BUYER_NAME, "clientInfo.name"},
                                            {TAG_BUYER_INN, "clientInfo.vatin"},
                                            {TAG_BUYER, "clientInfo"},
                                            {TAG_SENDER_EMAIL, "companyInfo.email"},
                                            {TAG_CASHIER, "operator.name"},
                                            {TAG_CASHIER_INN, "operator.vatin"},
                                            {TAG_PAID_CASH, "payments"},
                                            {TAG_PAID_ELECTRONIC, "payments"},
                                            {TAG_PAID_PREPAID, "payments"},
                                            {TAG_PAID_CREDIT, "payments"},
                                            {TAG_PAID_OTHER, "payments"},
                                            {TAG_CASH_TENDERED, "payments"},
                                            {TAG_VAT_20, "taxes"},
                                            {TAG_VAT_10, "taxes"},
                                            {TAG_TURNOVER_0, "taxes"},
                                            {TAG_TURNOVER_NO_VAT, "taxes"},
                                            {TAG_VAT_20_120, "taxes"},
                                            {TAG_VAT_10_110, "taxes"},
                                            {TAG_VAT_SUMS, "taxes"},
                                            {TAG_VAT_SUM, "taxes"},
                                            {TAG_VAT_SUM_VALUE, "taxes"},
                                            {TAG_ELECTRONICALLY, "electronically"},
                                            {TAG_CASH_SUM, "cashSum"},
                                            {TAG_NEW_TIME, "dateTime"},
                                            {TAG_SETTLEMENT_PLACE, "paymentsPlace"},
                                            {TAG_SETTLEMENT_ADDRESS, "paymentsAddress"},
                                            {TAG_AUTOMAT_NUMBER, "machineNumber"},
                                            {TAG_SLIP_BEFORE, "preItems"},
                                            {TAG_SLIP_AFTER, "postItems"},
                                            {TAG_SETTLEMENT_KIND, "type"},
                                            {0, NULL}};

static const struct path_row registration_rows[] = {
    {TAG_USER_NAME, "organization.name"},
    {TAG_USER_INN, "organization.vatin"},
    {TAG_SETTLEMENT_ADDRESS, "organization.address"},
    {TAG_SENDER_EMAIL, "organization.email"},
    {TAG_TAX_SYSTEMS, "organization.taxationTypes"},
    {TAG_SETTLEMENT_PLACE, "device.paymentsAddress"},
    {TAG_KKT_REGISTRATION_NUMBER, "device.registrationNumber"},
    {TAG_FFD_VERSION, "device.ffdVersion"},
    {TAG_FNS_SITE, "device.fnsUrl"},
    {TAG_AUTOMAT_NUMBER, "device.machineNumber"},
    {TAG_AUTONOMOUS_MODE, "device.offlineMode"},
    {TAG_AUTOMATIC_MODE, "device.autoMode"},
    {TAG_ENCRYPTION, "device.encryption"},
    {TAG_OFD_NAME, "ofd.name"},
    {TAG_OFD_INN, "ofd.vatin"},
    {TAG_SETTING_OFD_HOST, "ofd.host"},
    {TAG_SETTING_OFD_PORT, "ofd.port"},
    {TAG_SETTING_OFD_TLS, "ofd.tls"},
    {TAG_SETTING_OFD_CA, "ofd.caFile"},
    {0, NULL}};

static const char *find(const struct path_row *rows, unsigned tag)
{
    while (rows->field != NULL && rows->tag != tag)
        rows++;
    return rows->field;
}

void task_refusal_path(const struct task *task, int code, unsigned tag, unsigned item, char *out,
                       size_t capacity)
{
    const char *field = NULL;
    out[0] = 0;
    if (item > 0 && item <= task->position_count) {
        field = tag == TAG_ITEM ? NULL : find(item_rows, tag);
        snprintf(out, capacity, "items[%u]%s%s", task->positions[item - 1],
                 field == NULL ? "" : ".", field == NULL ? "" : field);
        return;
    }
    if (code == ERROR_PAYMENT_SHORT || code == ERROR_PAYMENT_EXCESS)
        field = "payments";
    else if (task->info != NULL && task->info->type == TASK_REGISTRATION)
        field = find(registration_rows, tag);
    if (field == NULL)
        field = find(task_rows, tag);
    if (field == NULL)
        field = find(item_rows, tag) == NULL ? NULL : "items";
    if (field != NULL)
        snprintf(out, capacity, "%s", field);
}
