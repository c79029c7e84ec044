/* kkt drawer, print, time and settings: single jobs. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "proto/calendar.h"
#include "proto/error.h"
#include "proto/link_message.h"
#include "proto/tags.h"
#include "tools/kkt/cli.h"
#include "tools/kkt/json_output.h"
#include "tools/kkt/settings_text.h"
#include "tools/kkt/task_field.h"
#include "tools/kkt/verb_print.h"
#include "tools/kkt/wire_json.h"

int cli_do_job(struct cli *cli, int job, const uint8_t *body, size_t size)
{
    kkt_key key;
    kkt_result result;
    kkt_error error;
    memset(&result, 0, sizeof result);
    int code = cli_need_device(cli);
    if (code == CLI_DONE)
        code = cli_need_queue(cli);
    if (code == CLI_DONE)
        code = cli_take_key(cli, &key);
    if (code != CLI_DONE)
        return code;
    if (kkt_submit(cli->queue, &key, (enum kkt_job)job, body, size, &error) != KKT_OK)
        return cli_fail(cli, &error);
    if (kkt_wait(cli->queue, cli->device, &key, cli->timeout_ms, &result, &error) != KKT_OK) {
        char text[37];
        kkt_key_format(&key, text);
        if (!cli->json)
            fprintf(cli->err, "kkt: the job stays in the queue under its key %s\n", text);
        return cli_fail(cli, &error);
    }
    verb_print_result(cli, &result);
    return result.state == KKT_JOB_DONE ? CLI_DONE : CLI_REFUSED;
}

static int drawer_status(struct cli *cli)
{
    static const char *const words[] = {"closed", "open", "stuck"};
    kkt_status status;
    kkt_error error;
    int code = cli_need_device(cli);
    if (code != CLI_DONE)
        return code;
    if (kkt_get_status(cli->device, &status, &error) != KKT_OK)
        return cli_fail(cli, &error);
    const char *word = status.drawer < 3 ? words[status.drawer] : "?";
    if (!cli->json) {
        fprintf(cli->out, "%s, opened %u time(s)\n", word, (unsigned)status.drawer_openings);
        return CLI_DONE;
    }
    struct json_object *object = json_object_new_object();
    json_add_text(object, "state", word);
    json_add_bool(object, "cashDrawerOpened", status.drawer == DRAWER_OPENED);
    json_add_uint(object, "cashDrawerOpenings", status.drawer_openings);
    json_print(cli->out, object);
    json_object_put(object);
    return CLI_DONE;
}

int verb_drawer(struct cli *cli)
{
    if (cli->argc == 2 && strcmp(cli->argv[1], "open") == 0)
        return cli_do_job(cli, KKT_JOB_DRAWER_OPEN, NULL, 0);
    if (cli->argc == 2 && strcmp(cli->argv[1], "status") == 0)
        return drawer_status(cli);
    return cli_usage(cli, "drawer open, drawer status");
}

int verb_print(struct cli *cli)
{
    uint8_t body[8];
    struct byte_writer writer;
    byte_writer_init(&writer, body, sizeof body);
    if (cli->argc < 2 || cli->argc > 3 || strcmp(cli->argv[1], "copy") != 0)
        return cli_usage(cli, "print copy [N]");
    if (cli->argc == 3) {
        char *end;
        unsigned long number = strtoul(cli->argv[2], &end, 10);
        if (*end != 0 || number == 0 || number > UINT32_MAX)
            return cli_usage(cli, "print copy N: the number of a fiscal document");
        tlv_put_u32(&writer, TAG_COPY_OF, (uint32_t)number);
    }
    return cli_do_job(cli, KKT_JOB_COPY, body, writer.length);
}

/* The board keeps local wall-clock time (FFD, note on UnixTime): the fields of localtime, coded as
 * if they were UTC. */
int verb_time(struct cli *cli)
{
    uint8_t body[8];
    struct byte_writer writer;
    struct civil_time civil;
    struct tm local;
    time_t now = time(NULL);
    unix_s wall;
    if (cli->argc != 2 || strcmp(cli->argv[1], "sync") != 0)
        return cli_usage(cli, "time sync");
    localtime_r(&now, &local);
    civil = (struct civil_time){.year = (uint16_t)(local.tm_year + 1900),
                                .month = (uint8_t)(local.tm_mon + 1),
                                .day = (uint8_t)local.tm_mday,
                                .hour = (uint8_t)local.tm_hour,
                                .minute = (uint8_t)local.tm_min,
                                .second = (uint8_t)(local.tm_sec > 59 ? 59 : local.tm_sec)};
    if (!civil_to_unix(&civil, &wall))
        return cli_usage(cli, "this computer's clock is outside 1970 to 2105");
    byte_writer_init(&writer, body, sizeof body);
    tlv_put_u32(&writer, TAG_NEW_TIME, wall);
    return cli_do_job(cli, KKT_JOB_SET_TIME, body, writer.length);
}

static int settings_show(struct cli *cli)
{
    uint8_t *tlv;
    size_t size;
    kkt_error error;
    int code = cli_need_device(cli);
    if (code != CLI_DONE)
        return code;
    if (kkt_get_settings(cli->device, &tlv, &size, &error) != KKT_OK)
        return cli_fail(cli, &error);
    struct json_object *object = settings_text_json(tlv, size);
    kkt_free(tlv);
    if (cli->json) {
        json_print(cli->out, object);
    } else {
        json_object_object_foreach (object, name, value) {
            fprintf(cli->out, "%-16s %s\n", name,
                    value == NULL ? "-" : json_object_get_string(value));
        }
    }
    json_object_put(object);
    return CLI_DONE;
}

int verb_settings(struct cli *cli)
{
    uint8_t body[SETTINGS_BODY_MAX];
    struct byte_writer writer;
    kkt_error error;
    if (cli->argc == 1 || (cli->argc == 2 && strcmp(cli->argv[1], "show") == 0))
        return settings_show(cli);
    if (cli->argc < 3 || strcmp(cli->argv[1], "set") != 0)
        return cli_usage(cli, "settings [show], settings set NAME=VALUE...");
    byte_writer_init(&writer, body, sizeof body);
    for (int i = 2; i < cli->argc; i++) {
        memset(&error, 0, sizeof error);
        if (!settings_text_put(cli->argv[i], &writer, &error)) {
            cli_fail(cli, &error);
            return CLI_USAGE;
        }
    }
    return cli_do_job(cli, KKT_JOB_SETTINGS, body, writer.length);
}
