/* kkt doctor: what stands between this computer and a board, and the command that mends it.
 *
 * Each finding is a line "ok" or "BAD"; a bad one has its cure. Nothing is changed, and no board is
 * asked for more than its status.
 */
#include <pwd.h>
#include <stdarg.h>
#include <string.h>
#include <unistd.h>

#include "proto/error.h"
#include "tools/kkt/cli.h"
#include "tools/kkt/doctor_system.h"
#include "tools/kkt/json_output.h"

#define FOUND_MAX 32u
#define ASK_MS    2000u
#define RULE_CURE                                                                                  \
    "sudo make install && sudo udevadm control --reload && sudo udevadm trigger; then take the "   \
    "cable out and in"

struct doctor {
    struct cli *cli;
    struct json_object *list;
    unsigned bad;
    bool rule;
};

/* cure NULL: it is well. */
__attribute__((format(printf, 4, 5))) static void say(struct doctor *doctor, const char *what,
                                                      const char *cure, const char *format, ...)
{
    char text[400];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    doctor->bad += cure != NULL;
    if (doctor->cli->json) {
        struct json_object *object = json_object_new_object();
        json_add_text(object, "check", what);
        json_add_bool(object, "ok", cure == NULL);
        json_add_text(object, "text", text);
        if (cure != NULL)
            json_add_text(object, "cure", cure);
        json_object_array_add(doctor->list, object);
        return;
    }
    fprintf(doctor->cli->out, "%-5s%-9s%s\n", cure == NULL ? "ok" : "BAD", what, text);
    if (cure != NULL)
        fprintf(doctor->cli->out, "              cure  %s\n", cure);
}

/* ---- the computer ---- */

static void check_system(struct doctor *doctor)
{
    int number;
    doctor->rule = doctor_has_rule("");
    if (!doctor_has_usb(""))
        say(doctor, "usb", "sudo modprobe usbcore; a virtual machine has to be given USB",
            "this computer's kernel knows no USB");
    if (doctor->rule)
        say(doctor, "rule", NULL, "udev has " DOCTOR_RULE);
    else
        say(doctor, "rule", RULE_CURE, "udev does not have " DOCTOR_RULE);
    if (!doctor->rule && doctor_runs("", "ModemManager", &number))
        say(doctor, "service", RULE_CURE,
            "ModemManager (%d) runs and takes the serial port of a board for a modem", number);
}

static void no_right(struct doctor *doctor, const kkt_found *found)
{
    const struct passwd *user = getpwuid(getuid());
    char cure[200];
    bool later;
    if (doctor_may(&later)) {
        say(doctor, "right", RULE_CURE, "%s may not be opened although you are in " DOCTOR_GROUP,
            found->serial);
        return;
    }
    snprintf(cure, sizeof cure,
             later ? "log out and in again: you were put into the group after you came"
                   : "sudo usermod -aG " DOCTOR_GROUP " %s, then log out and in again",
             user != NULL ? user->pw_name : "USER");
    say(doctor, "right", cure, "%s may not be opened: you are not in the group " DOCTOR_GROUP,
        found->uri[0] != '\0' ? found->uri : "a board on USB");
}

static void held(struct doctor *doctor, const kkt_found *found)
{
    char holder[100], cure[160];
    bool known = doctor_holder("", found->node, holder, sizeof holder);
    snprintf(cure, sizeof cure, "end %s, or send through its queue: a board has one host",
             known ? holder : "the program that holds it");
    say(doctor, "busy", cure, "%s is held by %s", found->uri, known ? holder : "another program");
}

/* ---- a board ---- */

static void ask(struct doctor *doctor, const char *uri)
{
    const kkt_options options = {.connect_timeout_ms = ASK_MS, .answer_timeout_ms = ASK_MS};
    kkt *device = NULL;
    kkt_error error;
    kkt_status status;
    if (kkt_open(uri, &options, &device, &error) != KKT_OK ||
        kkt_get_status(device, &status, &error) != KKT_OK) {
        say(doctor, "board", error.cure, "%s: %s (%d): %s", uri, error.name, error.code,
            error.text);
    } else if (status.block_reason != KKT_OK) {
        kkt_error_describe(status.block_reason, &error);
        say(doctor, "board", error.cure, "%s answers, and cannot sell: %s (%d): %s", uri,
            error.name, error.code, error.text);
    } else {
        say(doctor, "board", NULL, "%s answers and can sell", uri);
    }
    kkt_close(device);
}

static bool has_port(const kkt_found *found, size_t count, const char *serial)
{
    for (size_t i = 0; i < count; i++) {
        if (strcmp(found[i].serial, serial) == 0 && strncmp(found[i].uri, "serial:", 7) == 0)
            return true;
    }
    return false;
}

static void check_found(struct doctor *doctor, const kkt_found *found, const kkt_found *all,
                        size_t count)
{
    bool usb = strncmp(found->uri, "serial:", 7) != 0;
    if (found->problem == ERROR_PERMISSION) {
        no_right(doctor, found);
        return;
    }
    if (found->problem == ERROR_LINK_BUSY) {
        held(doctor, found);
        return;
    }
    if (found->problem != KKT_OK) {
        say(doctor, "cable", "take the cable out and in, try another one and another port",
            "%s: %s", found->uri[0] != '\0' ? found->uri : "a board on USB", found->detail);
        return;
    }
    if (!usb)
        return; /* its other way has been asked */
    ask(doctor, found->uri);
    if (!has_port(all, count, found->serial)) {
        bool module = doctor_has_module("", "cdc_acm");
        say(doctor, "module", module ? "take the cable out and in" : "sudo modprobe cdc_acm",
            "%s has no serial port here%s", found->serial,
            module ? "" : ": the module cdc_acm is not loaded");
    }
}

static void check_boards(struct doctor *doctor)
{
    static kkt_found found[FOUND_MAX];
    size_t count = 0;
    kkt_error error;
    if (kkt_discover(found, FOUND_MAX, &count, &error) != KKT_OK) {
        say(doctor, "usb", error.cure, "%s", error.text);
        return;
    }
    count = count < FOUND_MAX ? count : FOUND_MAX;
    for (size_t i = 0; i < count; i++)
        check_found(doctor, &found[i], found, count);
    if (count == 0 && doctor->cli->device_uri == NULL)
        say(doctor, "cable",
            "plug it in and switch it on; a board at an address: kkt -d tcp:HOST:PORT doctor",
            "no board is on USB");
}

int verb_doctor(struct cli *cli)
{
    struct doctor doctor = {.cli = cli, .list = json_object_new_array()};
    kkt_error error;
    if (cli->device_uri == NULL || strncmp(cli->device_uri, "tcp:", 4) != 0) {
        check_system(&doctor);
        check_boards(&doctor);
    }
    if (cli->device_uri != NULL)
        ask(&doctor, cli->device_uri);
    if (cli->queue_path[0] != '\0') {
        kkt_queue *queue = NULL;
        if (access(cli->queue_path, F_OK) != 0)
            say(&doctor, "queue", NULL, "%s is made with the first job", cli->queue_path);
        else if (kkt_queue_open(cli->queue_path, &queue, &error) == KKT_OK)
            say(&doctor, "queue", NULL, "%s can be used", cli->queue_path);
        else
            say(&doctor, "queue", error.cure, "%s: %s", cli->queue_path, error.text);
        kkt_queue_close(queue);
    }
    if (cli->json)
        json_print(cli->out, doctor.list);
    json_object_put(doctor.list);
    return doctor.bad == 0 ? CLI_DONE : CLI_REFUSED;
}
