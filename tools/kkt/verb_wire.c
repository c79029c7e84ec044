/* kkt decode and kkt encode. */
#include <stdlib.h>
#include <string.h>

#include "tools/kkt/cli.h"
#include "tools/kkt/json_input.h"
#include "tools/kkt/json_output.h"
#include "tools/kkt/task_field.h"
#include "tools/kkt/wire_json.h"
#include "tools/kkt/wire_text.h"

int verb_decode(struct cli *cli)
{
    kkt_error error;
    uint8_t *bytes;
    size_t size, text_size;
    struct json_object *object = NULL;
    int kind = wire_kind_find(cli->kind);
    if (cli->argc != 2)
        return cli_usage(cli, "decode takes one file, or - for standard input");
    if (kind < 0)
        return cli_usage(cli, "--as %s: tlv, document, ofd, container, fn or link", cli->kind);
    char *text = cli_read_file(cli, cli->argv[1], &text_size);
    if (text == NULL)
        return CLI_USAGE;
    int code = wire_text_read(text, text_size, &bytes, &size, &error);
    free(text);
    if (code != KKT_OK)
        return cli_fail(cli, &error);
    code = wire_decode(bytes, size, (enum wire_kind)kind, &object, &error);
    free(bytes);
    if (code != KKT_OK)
        return cli_fail(cli, &error);
    json_print(cli->out, object);
    json_object_put(object);
    return CLI_DONE;
}

static void print_hex(FILE *out, const uint8_t *bytes, size_t size)
{
    for (size_t i = 0; i < size; i++)
        fprintf(out, "%02X%c", bytes[i], i + 1 == size || i % 32 == 31 ? '\n' : ' ');
}

int verb_encode(struct cli *cli)
{
    kkt_error error = {0};
    struct json_fault fault;
    uint8_t *bytes;
    size_t size, text_size;
    if (cli->argc != 2)
        return cli_usage(cli, "encode takes one file, or - for standard input");
    char *text = cli_read_file(cli, cli->argv[1], &text_size);
    if (text == NULL)
        return CLI_USAGE;
    struct json_object *object = json_input_parse(text, text_size, &fault);
    free(text);
    if (object == NULL) {
        field_error(&error, ERROR_JSON_MALFORMED, 0, 0, "", "line %u, column %u: %s", fault.line,
                    fault.column, fault.text);
        return cli_fail(cli, &error);
    }
    int code = wire_encode(object, &bytes, &size, &error);
    json_object_put(object);
    if (code != KKT_OK)
        return cli_fail(cli, &error);
    if (cli->binary)
        fwrite(bytes, 1, size, cli->out);
    else
        print_hex(cli->out, bytes, size);
    free(bytes);
    return CLI_DONE;
}
