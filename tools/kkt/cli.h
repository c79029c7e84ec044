/* The program kkt: options, verbs, exit codes. JSON.md and kkt.1 are its manuals. Everything but
 * main() is here, so that tests can call it.
 *
 * Exit codes: 0 done, 1 refused (nothing was changed), 2 usage, 3 outcome unknown or device
 * unreachable (the job, if there is one, stays in the queue).
 */
#ifndef TOOLS_KKT_CLI_H
#define TOOLS_KKT_CLI_H

#include <stdbool.h>
#include <stdio.h>

#include "hostdrv/kkt.h"

enum cli_exit { CLI_DONE = 0, CLI_REFUSED = 1, CLI_USAGE = 2, CLI_UNKNOWN = 3 };

#define CLI_TIMEOUT_MS 30000u

struct cli {
    const char *device_uri; /* NULL: none given */
    char queue_path[1024];
    bool json, check, on_error_continue, binary, all, unfinished;
    unsigned timeout_ms;
    const char *key;  /* NULL: none given */
    const char *kind; /* of decode: "auto" */
    int argc;         /* words after the options */
    char **argv;
    kkt *device; /* opened on first use */
    kkt_queue *queue;
    FILE *out, *err;
};

/* The whole program; out and err take the place of stdout and stderr. */
int cli_run(int argc, char **argv, FILE *out, FILE *err);

/* Opened on first use. CLI_DONE, or the exit code after the error was printed. */
int cli_need_device(struct cli *cli);
int cli_need_queue(struct cli *cli);
/* Prints the error and returns its exit code. */
int cli_fail(struct cli *cli, const kkt_error *error);
int cli_exit_code(int error_code);
/* Prints a line about wrong usage and returns CLI_USAGE. */
int cli_usage(struct cli *cli, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* A whole file, "-" for standard input; a zero follows the bytes. NULL after the error was printed;
 * free it. */
char *cli_read_file(struct cli *cli, const char *path, size_t *size);
/* Submits one job with the key of --key, or a random one, waits for it and prints its result. */
int cli_do_job(struct cli *cli, int job, const uint8_t *body, size_t size);
/* --key or a new key. CLI_DONE or an exit code. */
int cli_take_key(struct cli *cli, kkt_key *key);

/* Verbs; argv[0] is the verb. */
int verb_task(struct cli *cli);
int verb_register(struct cli *cli);
int verb_status(struct cli *cli);
int verb_ofd(struct cli *cli);
int verb_doc(struct cli *cli);
int verb_drawer(struct cli *cli);
int verb_print(struct cli *cli);
int verb_time(struct cli *cli);
int verb_settings(struct cli *cli);
int verb_queue(struct cli *cli);
int verb_result(struct cli *cli);
int verb_decode(struct cli *cli);
int verb_encode(struct cli *cli);
int verb_firmware(struct cli *cli);
int verb_devices(struct cli *cli);
int verb_doctor(struct cli *cli);

#endif
