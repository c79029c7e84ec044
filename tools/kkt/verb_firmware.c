/* kkt firmware: what runs on the board, and replacing it. */
#include <stdlib.h>
#include <string.h>

#include "tools/kkt/cli.h"
#include "tools/kkt/json_output.h"

static const char *const state_words[] = {"as it left the factory",
                                          "an update is being received",
                                          "an update is being checked",
                                          "an update waits for the restart",
                                          "new, has not proved itself yet",
                                          "confirmed",
                                          "rolled back: the new one did not prove itself"};
static const char *const state_names[] = {"quiet", "receiving", "checking",  "restarting",
                                          "trial", "confirmed", "rolledBack"};

static int print_firmware(struct cli *cli)
{
    kkt_firmware firmware;
    kkt_error error;
    if (kkt_get_firmware(cli->device, &firmware, &error) != KKT_OK)
        return cli_fail(cli, &error);
    bool known = firmware.state < sizeof state_words / sizeof state_words[0];
    if (cli->json) {
        struct json_object *object = json_object_new_object();
        json_object_object_add(object, "version", json_object_new_string(firmware.version));
        json_object_object_add(object, "board", json_object_new_string(firmware.board));
        json_object_object_add(object, "state",
                               json_object_new_string(known ? state_names[firmware.state] : "?"));
        if (firmware.other[0] != 0)
            json_object_object_add(object, "update", json_object_new_string(firmware.other));
        json_object_object_add(object, "received", json_object_new_uint64(firmware.received));
        json_print(cli->out, object);
        json_object_put(object);
        return CLI_DONE;
    }
    fprintf(cli->out, "firmware  %s\nboard     %s\nstate     %s\n", firmware.version,
            firmware.board, known ? state_words[firmware.state] : "?");
    if (firmware.other[0] != 0 && strcmp(firmware.other, firmware.version) != 0)
        fprintf(cli->out, "update    %s\n", firmware.other);
    return CLI_DONE;
}

struct telling {
    struct cli *cli;
    unsigned state;
    uint32_t percent;
};

static void progress(void *user, unsigned state, uint32_t done, uint32_t all)
{
    struct telling *told = user;
    uint32_t percent = (uint32_t)((uint64_t)done * 100u / all);
    bool sending = state == KKT_FIRMWARE_RECEIVING;
    if (sending && percent / 10u != told->percent / 10u)
        fprintf(told->cli->err, "sent %u %%\n", (unsigned)percent);
    if (state != told->state && state == KKT_FIRMWARE_RESTARTING)
        fputs("the board restarts\n", told->cli->err);
    if (state != told->state && state == KKT_FIRMWARE_TRIAL)
        fputs("the new firmware proves itself\n", told->cli->err);
    told->state = state;
    told->percent = sending ? percent : told->percent;
}

static int update(struct cli *cli, const char *path)
{
    size_t size;
    kkt_error error;
    struct telling telling = {.cli = cli};
    char *file = cli_read_file(cli, path, &size);
    if (file == NULL)
        return CLI_USAGE;
    int result = kkt_firmware_update(cli->device, (const uint8_t *)file, size,
                                     cli->timeout_ms == CLI_TIMEOUT_MS ? 0 : cli->timeout_ms,
                                     progress, &telling, &error);
    free(file);
    return result == KKT_OK ? print_firmware(cli) : cli_fail(cli, &error);
}

int verb_firmware(struct cli *cli)
{
    bool status = cli->argc == 1 || (cli->argc == 2 && strcmp(cli->argv[1], "status") == 0);
    bool replace = cli->argc == 3 && strcmp(cli->argv[1], "update") == 0;
    if (!status && !replace)
        return cli_usage(cli, "firmware [status] | firmware update FILE");
    int code = cli_need_device(cli);
    if (code != CLI_DONE)
        return code;
    return status ? print_firmware(cli) : update(cli, cli->argv[2]);
}
