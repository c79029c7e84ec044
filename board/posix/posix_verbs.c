/* What each verb of `kkt-board ctl` does: one table, one function a verb. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "board/posix/posix_internal.h"

enum { DONE = 0, FAILED = 1, MISUNDERSTOOD = 2 };

struct reply {
    char *text;
    size_t capacity, length;
};

struct verb {
    const char *words;    /* "paper out" */
    const char *argument; /* what it is, for the list; NULL: none; "[...]": may be left out */
    int (*execute)(struct posix_board *posix, const struct verb *verb, const char *argument,
                   struct reply *reply);
    unsigned parameter; /* for functions that serve several verbs */
};

static void say(struct reply *reply, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void say(struct reply *reply, const char *format, ...)
{
    va_list arguments;
    size_t room = reply->capacity - reply->length;
    va_start(arguments, format);
    int length = vsnprintf(reply->text + reply->length, room, format, arguments);
    va_end(arguments);
    if (length > 0)
        reply->length += (size_t)length < room ? (size_t)length : room - 1;
}

static bool number_of(const char *text, uint32_t *out)
{
    char *end = NULL;
    if (text == NULL || text[0] < '0' || text[0] > '9' || strlen(text) > 10)
        return false;
    unsigned long long value = strtoull(text, &end, 10);
    *out = (uint32_t)value;
    return *end == '\0' && value <= UINT32_MAX;
}

static int want_number(struct reply *reply, const struct verb *verb)
{
    say(reply, "%s wants %s\n", verb->words, verb->argument);
    return MISUNDERSTOOD;
}

/* ---- paper, cover, printer ---- */

static int paper_set(struct posix_board *posix, const struct verb *verb, const char *argument,
                     struct reply *reply)
{
    (void)argument, (void)reply;
    posix_printer_set_paper(&posix->printer, (enum print_head_paper)verb->parameter, posix->now);
    return DONE;
}

static int paper_out_after(struct posix_board *posix, const struct verb *verb, const char *argument,
                           struct reply *reply)
{
    uint32_t lines;
    if (!number_of(argument, &lines))
        return want_number(reply, verb);
    posix_printer_set_out_after(&posix->printer, lines, posix->now);
    return DONE;
}

/* parameter: fact * 2 + value */
static int printer_set(struct posix_board *posix, const struct verb *verb, const char *argument,
                       struct reply *reply)
{
    (void)argument, (void)reply;
    posix_printer_set(&posix->printer, (enum posix_world_fact)(verb->parameter / 2),
                      verb->parameter % 2 != 0, posix->now);
    return DONE;
}

/* ---- drawer ---- */

static int drawer_set_stuck(struct posix_board *posix, const struct verb *verb,
                            const char *argument, struct reply *reply)
{
    (void)argument, (void)reply;
    posix->drawer.stuck = verb->parameter != 0;
    posix_world_set(&posix->world, WORLD_DRAWER_STUCK, posix->drawer.stuck);
    return DONE;
}

static int drawer_close(struct posix_board *posix, const struct verb *verb, const char *argument,
                        struct reply *reply)
{
    (void)verb, (void)argument;
    if (posix_drawer_close(&posix->drawer))
        return DONE;
    say(reply, "it is stuck open\n");
    return FAILED;
}

static const char *drawer_text(const struct posix_drawer *drawer)
{
    return drawer->open ? "open" : "shut";
}

static int drawer_status(struct posix_board *posix, const struct verb *verb, const char *argument,
                         struct reply *reply)
{
    (void)verb, (void)argument;
    say(reply, "%s%s, %llu openings in all\n", drawer_text(&posix->drawer),
        posix->drawer.stuck ? ", stuck" : "", (unsigned long long)posix->drawer.logged);
    return DONE;
}

/* ---- network, host link ---- */

static int net_set(struct posix_board *posix, const struct verb *verb, const char *argument,
                   struct reply *reply)
{
    (void)argument, (void)reply;
    posix_world_set(&posix->world, WORLD_NET_DOWN, (uint8_t)verb->parameter);
    posix_net_set_down(&posix->net, verb->parameter != 0);
    return DONE;
}

static int link_set(struct posix_board *posix, const struct verb *verb, const char *argument,
                    struct reply *reply)
{
    (void)argument, (void)reply;
    posix_world_set(&posix->world, WORLD_LINK_DOWN, (uint8_t)verb->parameter);
    posix_link_set_down(&posix->link, verb->parameter != 0, posix->now);
    return DONE;
}

static int link_drop(struct posix_board *posix, const struct verb *verb, const char *argument,
                     struct reply *reply)
{
    (void)verb, (void)argument;
    if (posix_link_drop(&posix->link, "dropped"))
        return DONE;
    say(reply, "no host is connected\n");
    return FAILED;
}

/* ---- fiscal module ---- */

static int fn_set_off(struct posix_board *posix, const struct verb *verb, const char *argument,
                      struct reply *reply)
{
    (void)argument, (void)reply;
    posix_world_set(&posix->world, WORLD_FN_OFF, (uint8_t)verb->parameter);
    posix_fn_set_off(&posix->fn, verb->parameter != 0, posix->now);
    return DONE;
}

static int external_fn(struct reply *reply)
{
    say(reply, "the external FN cannot be told that from here\n");
    return FAILED;
}

/* parameter: enum fnm_fault; the number says how many times (delay, answer-code: the value) */
static int fn_fault(struct posix_board *posix, const struct verb *verb, const char *argument,
                    struct reply *reply)
{
    enum fnm_fault fault = (enum fnm_fault)verb->parameter;
    uint32_t number = 1;
    if (argument != NULL && !number_of(argument, &number))
        return want_number(reply, verb);
    if (argument == NULL && verb->argument[0] != '[')
        return want_number(reply, verb);
    bool is_value = fault == FNM_FAULT_DELAY || fault == FNM_FAULT_ANSWER_CODE;
    bool taken = posix_fn_fault(&posix->fn, fault, is_value ? number : 0, is_value ? 1 : number);
    return taken ? DONE : external_fn(reply);
}

/* ---- power, clock ---- */

static int power_cut(struct posix_board *posix, const struct verb *verb, const char *argument,
                     struct reply *reply)
{
    (void)posix, (void)verb, (void)argument, (void)reply;
    posix_console_flush(&posix->console);
    _exit(POSIX_POWER_CUT_STATUS);
}

static int power_cut_at(struct posix_board *posix, const struct verb *verb, const char *argument,
                        struct reply *reply)
{
    uint32_t operations;
    if (!number_of(argument, &operations))
        return want_number(reply, verb);
    posix_flash_cut_at(&posix->flash, operations);
    return DONE;
}

static int clock_answer(struct reply *reply, int result)
{
    if (result == 0)
        return DONE;
    say(reply, "the clock is not set, or clock.offset cannot be written\n");
    return FAILED;
}

static int clock_set(struct posix_board *posix, const struct verb *verb, const char *argument,
                     struct reply *reply)
{
    unix_s time;
    if (argument == NULL || !calendar_parse(argument, strlen(argument), &time))
        return want_number(reply, verb);
    return clock_answer(reply, posix_clock_set(&posix->clock, time));
}

static int clock_unset(struct posix_board *posix, const struct verb *verb, const char *argument,
                       struct reply *reply)
{
    (void)verb, (void)argument;
    return clock_answer(reply, posix_clock_unset(&posix->clock));
}

static int clock_advance(struct posix_board *posix, const struct verb *verb, const char *argument,
                         struct reply *reply)
{
    uint32_t seconds;
    if (!number_of(argument, &seconds))
        return want_number(reply, verb);
    int result = posix_clock_advance(&posix->clock, seconds);
    if (result == 0)
        posix_fn_advance(&posix->fn, (uint64_t)seconds * 1000u);
    return clock_answer(reply, result);
}

/* ---- status and counters ---- */

static const char *net_text(const struct posix_net *net)
{
    static const char *const states[] = {"closed", "connecting", "open", "failed"};
    return net->down ? "down" : states[posix_net_state(net, NULL, NULL)];
}

static int status(struct posix_board *posix, const struct verb *verb, const char *argument,
                  struct reply *reply)
{
    static const char *const papers[] = {"in", "near-end", "out"};
    const uint8_t *facts = posix->world.facts;
    char time[ISO_TIME_SIZE] = "unset";
    unix_s calendar = posix_clock_calendar(&posix->clock);
    bool host = posix->link.stream.fd >= 0;
    (void)verb;
    if (calendar != 0)
        iso_time_format(calendar, time);
    const char *host_text = host ? posix->link.peer : posix->link.down ? "cable out" : "none";
    const char *printer = facts[WORLD_PRINTER_OFF] != 0     ? "off"
                          : facts[WORLD_PRINTER_FAULT] != 0 ? "fault"
                                                            : "on";
    const char *fn_text = posix->fn.off              ? "off"
                          : posix->fn.module != NULL ? "built-in"
                                                     : "external";
    const char *fn_number = posix->fn.module != NULL ? fnm_serial(posix->fn.module) : "";
    if (argument == NULL) {
        say(reply, "board %s, clock %s, %u columns\n", posix->serial, time, posix->columns);
        say(reply, "host link port %u: %s\n", posix->link.address.port, host_text);
        say(reply, "network %s\n", net_text(&posix->net));
        say(reply, "printer %s, paper %s, cover %s\n", printer, papers[facts[WORLD_PAPER]],
            facts[WORLD_COVER_OPEN] != 0 ? "open" : "shut");
        say(reply, "drawer %s%s\n", drawer_text(&posix->drawer),
            posix->drawer.stuck ? ", stuck" : "");
        say(reply, "FN %s %s\n", fn_text, fn_number);
        return DONE;
    }
    say(reply,
        "{\"serial\":\"%s\",\"clock\":\"%s\",\"columns\":%u,\"port\":%u,\"host\":%s%s%s,"
        "\"link_down\":%s,\"net\":\"%s\",",
        posix->serial, time, posix->columns, posix->link.address.port, host ? "\"" : "",
        host ? posix->link.peer : "null", host ? "\"" : "", posix->link.down ? "true" : "false",
        net_text(&posix->net));
    say(reply,
        "\"printer\":\"%s\",\"paper\":\"%s\",\"cover_open\":%s,\"drawer_open\":%s,"
        "\"drawer_stuck\":%s,\"fn\":\"%s\",\"fn_number\":\"%s\"}\n",
        printer, papers[facts[WORLD_PAPER]], facts[WORLD_COVER_OPEN] != 0 ? "true" : "false",
        posix->drawer.open ? "true" : "false", posix->drawer.stuck ? "true" : "false", fn_text,
        fn_number);
    return DONE;
}

/* One counter as `name value` or as a JSON member. */
static void count(struct reply *reply, bool json, const char *name, uint64_t value)
{
    say(reply, json ? ",\"%s\":%llu" : "%-24s %llu\n", name, (unsigned long long)value);
}

static void count_fn(struct reply *reply, bool json, const struct fnm_counters *counters)
{
    const char *separator = "";
    count(reply, json, "fn_commands", counters->commands);
    count(reply, json, "fn_refused", counters->refused);
    count(reply, json, "fn_enquiries", counters->enquiries);
    count(reply, json, "fn_bad_frames", counters->bad_frames);
    count(reply, json, "fn_store_writes", counters->writes);
    count(reply, json, "fn_store_syncs", counters->syncs);
    count(reply, json, "fn_store_bytes", counters->bytes_written);
    say(reply, json ? ",\"fn_by_code\":{" : "fn commands by code\n");
    for (unsigned code = 0; code < 256; code++) {
        if (counters->by_code[code] == 0)
            continue;
        say(reply, json ? "%s\"%02X\":%llu" : "%s  %02X %llu\n", json ? separator : "", code,
            (unsigned long long)counters->by_code[code]);
        separator = ",";
    }
    say(reply, json ? "}" : "");
}

static int stats(struct posix_board *posix, const struct verb *verb, const char *argument,
                 struct reply *reply)
{
    const struct posix_flash_counters *flash = &posix->flash.counters;
    struct print_head_counters paper;
    bool json = argument != NULL;
    (void)verb;
    print_head_counters(posix->printer.head, &paper);
    if (json)
        say(reply, "{\"uptime_ms\":%llu", (unsigned long long)posix->now);
    else
        count(reply, json, "uptime_ms", posix->now);
    count(reply, json, "flash_reads", flash->reads);
    count(reply, json, "flash_read_bytes", flash->read_bytes);
    count(reply, json, "flash_programs", flash->programs);
    count(reply, json, "flash_programmed_bytes", flash->programmed_bytes);
    count(reply, json, "flash_erases", flash->erases);
    count(reply, json, "flash_erases_in_request", posix->erases_in_request);
    count(reply, json, "flash_syncs", flash->syncs);
    count(reply, json, "loop_turns", posix->turns);
    count(reply, json, "loop_polls", posix->polls);
    count(reply, json, "hosts", posix->link.hosts);
    count(reply, json, "host_bytes_in", posix->link.bytes_in);
    count(reply, json, "host_bytes_out", posix->link.bytes_out);
    count(reply, json, "net_connects", posix->net.connects);
    count(reply, json, "net_opened", posix->net.opened);
    count(reply, json, "net_failed", posix->net.failed);
    count(reply, json, "net_bytes_in", posix->net.bytes_in);
    count(reply, json, "net_bytes_out", posix->net.bytes_out);
    count(reply, json, "drawer_pulses", posix->drawer.pulses);
    count(reply, json, "drawer_openings", posix->drawer.openings);
    count(reply, json, "drawer_openings_ever", posix->drawer.logged);
    count(reply, json, "slips", paper.slips);
    count(reply, json, "slips_torn", paper.torn);
    count(reply, json, "slips_ever", print_head_last_slip(posix->printer.head));
    count(reply, json, "paper_lines", paper.lines);
    count(reply, json, "paper_millimetres", paper.millimetres);
    if (posix->fn.module != NULL)
        count_fn(reply, json, fnm_counters(posix->fn.module));
    say(reply, json ? "}\n" : "");
    return DONE;
}

/* ---- the table ---- */

#define FACT(fact, value) ((unsigned)(fact)*2u + (value))

static const struct verb verbs[] = {
    {"paper out-after", "LINES", paper_out_after, 0},
    {"paper out", NULL, paper_set, PRINT_HEAD_PAPER_OUT},
    {"paper in", NULL, paper_set, PRINT_HEAD_PAPER_IN},
    {"paper near-end", NULL, paper_set, PRINT_HEAD_PAPER_NEAR_END},
    {"cover open", NULL, printer_set, FACT(WORLD_COVER_OPEN, 1)},
    {"cover close", NULL, printer_set, FACT(WORLD_COVER_OPEN, 0)},
    {"printer off", NULL, printer_set, FACT(WORLD_PRINTER_OFF, 1)},
    {"printer on", NULL, printer_set, FACT(WORLD_PRINTER_OFF, 0)},
    {"printer fault", NULL, printer_set, FACT(WORLD_PRINTER_FAULT, 1)},
    {"printer fix", NULL, printer_set, FACT(WORLD_PRINTER_FAULT, 0)},
    {"drawer stuck", NULL, drawer_set_stuck, 1},
    {"drawer free", NULL, drawer_set_stuck, 0},
    {"drawer close", NULL, drawer_close, 0},
    {"drawer status", NULL, drawer_status, 0},
    {"net down", NULL, net_set, 1},
    {"net up", NULL, net_set, 0},
    {"link drop", NULL, link_drop, 0},
    {"link down", NULL, link_set, 1},
    {"link up", NULL, link_set, 0},
    {"fn off", NULL, fn_set_off, 1},
    {"fn on", NULL, fn_set_off, 0},
    {"fn drop-answers", "TIMES", fn_fault, FNM_FAULT_DROP_ANSWER},
    {"fn lose-answers", "TIMES", fn_fault, FNM_FAULT_LOSE_ANSWER},
    {"fn corrupt", "TIMES", fn_fault, FNM_FAULT_CORRUPT_CRC},
    {"fn answer-code", "CODE", fn_fault, FNM_FAULT_ANSWER_CODE},
    {"fn delay", "MILLISECONDS", fn_fault, FNM_FAULT_DELAY},
    {"fn power-before-commit", "[TIMES]", fn_fault, FNM_FAULT_POWER_BEFORE_COMMIT},
    {"fn power-after-commit", "[TIMES]", fn_fault, FNM_FAULT_POWER_AFTER_COMMIT},
    {"fn store-error", "[TIMES]", fn_fault, FNM_FAULT_STORE_ERROR},
    {"power cut-at-flash-op", "OPERATIONS", power_cut_at, 0},
    {"power cut", NULL, power_cut, 0},
    {"clock set", "YYYY-MM-DDTHH:MM:SS", clock_set, 0},
    {"clock unset", NULL, clock_unset, 0},
    {"clock advance", "SECONDS", clock_advance, 0},
    {"status", "[--json]", status, 0},
    {"stats", "[--json]", stats, 0},
};

#define VERB_COUNT (sizeof verbs / sizeof verbs[0])

const char *posix_ctl_usage(void)
{
    return "ctl verbs:\n"
           "  paper out|in|near-end       paper out-after LINES\n"
           "  cover open|close            printer off|on|fault|fix\n"
           "  drawer stuck|free|close|status\n"
           "  net down|up                 no network; breaks the open connection\n"
           "  link drop|down|up           close the host's connection; cable out; cable in\n"
           "  fn off|on                   unplug the FN\n"
           "  fn drop-answers N           the next N answers are lost, ENQ brings them\n"
           "  fn lose-answers N           the next N answers are lost for good\n"
           "  fn corrupt N                the next N answers have a wrong CRC\n"
           "  fn answer-code CODE         the next command is not done and answered with CODE\n"
           "  fn delay MS                 of every answer from now on; 0 ends it\n"
           "  fn power-before-commit|power-after-commit|store-error [N]\n"
           "  power cut                   the process ends at once\n"
           "  power cut-at-flash-op N     ... half way through the N-th flash operation from now\n"
           "  clock set YYYY-MM-DDTHH:MM:SS\n"
           "  clock unset                 as after a dead battery\n"
           "  clock advance SECONDS       time passes, for the FN too\n"
           "  status [--json]             stats [--json]\n";
}

static bool json_or_nothing(const struct verb *verb, const char *argument)
{
    return argument == NULL || strcmp(verb->argument, "[--json]") != 0 ||
           strcmp(argument, "--json") == 0;
}

static const struct verb *find_verb(const char *line, const char **argument)
{
    for (size_t i = 0; i < VERB_COUNT; i++) {
        const struct verb *verb = &verbs[i];
        size_t length = strlen(verb->words);
        if (strncmp(line, verb->words, length) != 0 ||
            (line[length] != '\0' && line[length] != ' '))
            continue;
        *argument = line[length] == ' ' ? line + length + 1 : NULL;
        if (verb->argument == NULL ? *argument == NULL : json_or_nothing(verb, *argument))
            return verb;
    }
    return NULL;
}

int posix_ctl_execute(struct posix_board *posix, const char *line, char *text, size_t capacity)
{
    struct reply reply = {text, capacity, 0};
    const char *argument = NULL;
    const struct verb *verb = find_verb(line, &argument);
    text[0] = '\0';
    if (verb == NULL) {
        say(&reply, "not understood: %s\n%s", line, posix_ctl_usage());
        return MISUNDERSTOOD;
    }
    bool asks = verb->execute == status || verb->execute == stats || verb->execute == drawer_status;
    if (!asks)
        posix_console_event(&posix->console, "ctl", "%s", line);
    return verb->execute(posix, verb, argument, &reply);
}
