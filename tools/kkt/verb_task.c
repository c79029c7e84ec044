/* kkt task and kkt register. */
#include <stdlib.h>
#include <string.h>

#include "proto/error.h"
#include "tools/kkt/atol_error.h"
#include "tools/kkt/board_note.h"
#include "tools/kkt/cli.h"
#include "tools/kkt/json_output.h"
#include "tools/kkt/task.h"
#include "tools/kkt/task_field.h"
#include "tools/kkt/task_run.h"

/* {"error": {...}}: the text is no list of tasks, or nothing could be tried. */
static int refuse_all(struct cli *cli, const kkt_error *error)
{
    struct json_object *object = json_object_new_object();
    json_object_object_add(object, "status", json_object_new_string("error"));
    json_object_object_add(object, "error", atol_error_json(error));
    json_print(cli->out, object);
    json_object_put(object);
    return cli_exit_code(error->code);
}

/* Prints the answers in the shape of the question: one object, an array, or {uuid, results}. */
static void print_answers(struct cli *cli, const struct task_list *list,
                          struct json_object *answers)
{
    struct json_object *object = NULL;
    if (list->wrapped) {
        object = json_object_new_object();
        json_add_text(object, "uuid", list->uuid);
        json_object_object_add(object, "results", json_object_get(answers));
    } else if (list->array) {
        object = json_object_get(answers);
    } else {
        object = json_object_get(json_object_array_get_idx(answers, 0));
    }
    json_print(cli->out, object);
    json_object_put(object);
}

/* Asks the board who it is, or falls back on what it said last time. CLI_DONE or an exit code. */
static int know_environment(struct cli *cli, struct task_environment *environment, kkt_error *error)
{
    kkt_identity identity;
    int code = cli_need_device(cli);
    if (code == CLI_DONE)
        code = cli_need_queue(cli);
    if (code != CLI_DONE)
        return code;
    if (kkt_get_identity(cli->device, &identity, error) == KKT_OK) {
        environment->ffd = identity.ffd;
        environment->tax_systems = identity.tax_systems;
        memcpy(environment->serial, identity.serial, sizeof environment->serial);
        board_note_write(cli->queue_path, environment);
        return CLI_DONE;
    }
    if (cli_exit_code(error->code) == CLI_UNKNOWN && board_note_read(cli->queue_path, environment))
        return CLI_DONE;
    snprintf(error->cure, sizeof error->cure,
             "check cable and power, then send the request again: nothing was stored, because the "
             "document format of this board is not known yet");
    return refuse_all(cli, error);
}

static int check_only(struct cli *cli, const char *text, size_t size,
                      struct task_environment *environment)
{
    struct task_list list;
    kkt_error error;
    board_note_read(cli->queue_path, environment);
    environment->judging = true;
    if (task_list_read(text, size, environment, &list, &error) != KKT_OK)
        return refuse_all(cli, &error);
    struct json_object *object = task_list_check_json(&list);
    json_print(cli->out, object);
    json_object_put(object);
    int code = list.faults == 0 ? CLI_DONE : CLI_REFUSED;
    task_list_free(&list);
    return code;
}

/* --key is for the one job that has no key of its own. */
static int apply_key(struct cli *cli, struct task_list *list)
{
    if (cli->key == NULL)
        return CLI_DONE;
    if (list->count != 1 || list->tasks[0].key[0] != 0 || strlen(cli->key) > 64)
        return cli_usage(cli, "--key is for one task without a key of its own, and has at most 64 "
                              "bytes");
    snprintf(list->tasks[0].key, sizeof list->tasks[0].key, "%s", cli->key);
    return CLI_DONE;
}

static int run_list(struct cli *cli, struct task_list *list)
{
    kkt_error worst;
    struct json_object *answers;
    struct task_run_options options = {.timeout_ms = cli->timeout_ms,
                                       .on_error_continue = cli->on_error_continue};
    int code = apply_key(cli, list);
    if (code != CLI_DONE)
        return code;
    if (list->faults > 0) {
        answers = task_list_refusal(list);
        code = CLI_REFUSED;
    } else {
        answers = task_list_run(list, cli->queue, cli->device, &options, &worst);
        code = cli_exit_code(worst.code);
    }
    print_answers(cli, list, answers);
    json_object_put(answers);
    return code;
}

/* The folder of a file, where it looks for the files it names. */
static char *folder_of(const char *path)
{
    const char *slash = strrchr(path, '/');
    if (slash == NULL)
        return NULL;
    return strndup(path, (size_t)(slash - path));
}

static int run_file(struct cli *cli, const char *path, bool registration_only)
{
    struct task_environment environment = {0};
    struct task_list list;
    kkt_error error;
    size_t size;
    char *text = cli_read_file(cli, path, &size);
    if (text == NULL)
        return CLI_USAGE;
    char *folder = folder_of(path);
    environment.folder = folder;
    int code;
    if (cli->check) {
        code = check_only(cli, text, size, &environment);
    } else {
        code = know_environment(cli, &environment, &error);
        if (code == CLI_DONE && task_list_read(text, size, &environment, &list, &error) != KKT_OK) {
            code = refuse_all(cli, &error);
        } else if (code == CLI_DONE) {
            bool right = list.count == 1 && strcmp(list.tasks[0].type, "registration") == 0;
            code = registration_only && !right
                       ? cli_usage(cli, "%s is not one task of type registration", path)
                       : run_list(cli, &list);
            task_list_free(&list);
        }
    }
    free(folder);
    free(text);
    return code;
}

int verb_task(struct cli *cli)
{
    if (cli->argc != 2)
        return cli_usage(cli, "task takes one file, or - for standard input");
    return run_file(cli, cli->argv[1], false);
}

int verb_register(struct cli *cli)
{
    if (cli->argc != 2)
        return cli_usage(cli, "register takes one file");
    return run_file(cli, cli->argv[1], true);
}
