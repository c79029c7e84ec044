/* kkt devices: the boards that can be seen from this computer, and why one of them cannot be used.
 */
#include <string.h>

#include "tools/kkt/atol_error.h"
#include "tools/kkt/cli.h"
#include "tools/kkt/json_output.h"

#define DEVICES_MAX 32u
#define ASK_MS      1500u

/* What was asked of one of them. */
struct told {
    const kkt_found *found;
    const struct told *same; /* the same board by another way: not asked twice */
    bool asked;
    kkt_identity identity;
    kkt_status status;
    kkt_error error; /* why it cannot be used; KKT_OK: it can */
};

/* Another way to a board that has answered already. */
static const struct told *same_board(const struct told *list, size_t count, const char *serial)
{
    for (size_t i = 0; i < count; i++) {
        if (list[i].asked && serial[0] != '\0' && strcmp(list[i].identity.serial, serial) == 0)
            return &list[i];
    }
    return NULL;
}

static void ask(struct told *told)
{
    const kkt_options options = {.connect_timeout_ms = ASK_MS, .answer_timeout_ms = ASK_MS};
    kkt *device = NULL;
    kkt_error_describe(told->found->problem, &told->error);
    if (told->found->problem != KKT_OK)
        return;
    if (kkt_open(told->found->uri, &options, &device, &told->error) == KKT_OK &&
        kkt_get_identity(device, &told->identity, &told->error) == KKT_OK &&
        kkt_get_status(device, &told->status, &told->error) == KKT_OK)
        told->asked = true;
    kkt_close(device);
}

static void put_json(struct json_object *list, const struct told *told)
{
    struct json_object *object = json_object_new_object();
    const kkt_identity *identity = told->same != NULL ? &told->same->identity : &told->identity;
    bool usable = told->asked || told->same != NULL;
    json_add_text(object, "uri", told->found->uri);
    json_add_text(object, "serial", told->found->serial);
    json_add_bool(object, "usable", usable);
    if (usable) {
        json_add_text(object, "modelName", identity->model);
        json_add_text(object, "firmwareVersion", identity->firmware);
        json_add_text(object, "registrationNumber", identity->registration_number);
        json_add_text(object, "fnNumber", identity->fn_number);
    } else {
        json_object_object_add(object, "error", atol_error_json(&told->error));
    }
    json_object_array_add(list, object);
}

static void put_line(struct cli *cli, const struct told *told)
{
    const char *serial = told->found->serial[0] != '\0' ? told->found->serial : "?";
    const char *uri = told->found->uri[0] != '\0' ? told->found->uri : "usb";
    const kkt_identity *identity = &told->identity;
    if (told->same != NULL) {
        fprintf(cli->out, "%-22s%-34sthe same board\n", serial, uri);
        return;
    }
    if (told->asked) {
        int block = told->status.block_reason;
        kkt_error reason;
        kkt_error_describe(block, &reason);
        fprintf(cli->out, "%-22s%-34sregistration %s, firmware %s, %s\n", serial, uri,
                identity->registration_number[0] != '\0' ? identity->registration_number : "none",
                identity->firmware, block == KKT_OK ? "can sell" : reason.text);
        return;
    }
    fprintf(cli->out, "%-22s%-34sNOT USABLE: %s (%d), %s\n", serial, uri, told->error.name,
            told->error.code,
            told->found->detail[0] != '\0' ? told->found->detail : told->error.text);
    fprintf(cli->out, "%-22s  cure  %s\n", "", told->error.cure);
}

int verb_devices(struct cli *cli)
{
    static kkt_found found[DEVICES_MAX];
    static struct told list[DEVICES_MAX];
    size_t count = 0;
    kkt_error error;
    if (kkt_discover(found, DEVICES_MAX, &count, &error) != KKT_OK)
        return cli_fail(cli, &error);
    if (count > DEVICES_MAX)
        count = DEVICES_MAX;
    struct json_object *array = json_object_new_array();
    for (size_t i = 0; i < count; i++) {
        list[i] = (struct told){.found = &found[i], .same = same_board(list, i, found[i].serial)};
        if (list[i].same == NULL || found[i].problem != KKT_OK)
            ask(&list[i]);
        if (cli->json)
            put_json(array, &list[i]);
        else
            put_line(cli, &list[i]);
    }
    if (cli->json)
        json_print(cli->out, array);
    else if (count == 0)
        fputs("no board on USB; one behind an address is asked by: kkt -d tcp:HOST:PORT status\n",
              cli->out);
    json_object_put(array);
    return CLI_DONE;
}
