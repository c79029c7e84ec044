/* What each verb of `kkt-board ctl` does: one table, one function a verb. Those of print head and
 * fiscal module are in posix_device_verbs.c. */
#include <string.h>
#include <unistd.h>

#include "board/posix/posix_device_verbs.h"
#include "board/posix/posix_internal.h"

/* Verbs that concern the board as a whole have it as their part. */
static struct posix_board *board_of(struct panel_request *request)
{
    return request->part;
}

/* ---- drawer ---- */

static int drawer_set_stuck(struct panel_request *request)
{
    struct posix_board *posix = board_of(request);
    posix->drawer.stuck = request->verb->parameter != 0;
    posix_world_set(&posix->world, WORLD_DRAWER_STUCK, posix->drawer.stuck);
    return PANEL_DONE;
}

static int drawer_close(struct panel_request *request)
{
    struct posix_board *posix = board_of(request);
    if (posix_drawer_close(&posix->drawer))
        return PANEL_DONE;
    panel_say(request, "it is stuck open\n");
    return PANEL_FAILED;
}

static const char *drawer_text(const struct posix_drawer *drawer)
{
    return drawer->open ? "open" : "shut";
}

static int drawer_status(struct panel_request *request)
{
    struct posix_board *posix = board_of(request);
    panel_say(request, "%s%s, %llu openings in all\n", drawer_text(&posix->drawer),
              posix->drawer.stuck ? ", stuck" : "", (unsigned long long)posix->drawer.logged);
    return PANEL_DONE;
}

/* ---- network, host link ---- */

static int net_set(struct panel_request *request)
{
    struct posix_board *posix = board_of(request);
    posix_world_set(&posix->world, WORLD_NET_DOWN, (uint8_t)request->verb->parameter);
    posix_net_set_down(&posix->net, request->verb->parameter != 0);
    return PANEL_DONE;
}

static int link_set(struct panel_request *request)
{
    struct posix_board *posix = board_of(request);
    posix_world_set(&posix->world, WORLD_LINK_DOWN, (uint8_t)request->verb->parameter);
    posix_link_set_down(&posix->link, request->verb->parameter != 0, posix->now);
    posix_usb_set_down(&posix->usb, request->verb->parameter != 0, posix->now);
    return PANEL_DONE;
}

static int link_drop(struct panel_request *request)
{
    struct posix_board *posix = board_of(request);
    bool by_tcp = posix_link_drop(&posix->link, "dropped");
    if (posix_usb_drop(&posix->usb, posix->now) || by_tcp)
        return PANEL_DONE;
    panel_say(request, "no host is connected\n");
    return PANEL_FAILED;
}

/* ---- power, clock ---- */

static int power_cut(struct panel_request *request)
{
    struct posix_board *posix = board_of(request);
    posix_console_flush(&posix->console);
    _exit(POSIX_POWER_CUT_STATUS);
}

static int power_cut_at(struct panel_request *request)
{
    struct posix_board *posix = board_of(request);
    uint32_t operations;
    if (!panel_number(request->argument, &operations))
        return panel_want_argument(request);
    posix_flash_cut_at(&posix->flash, operations);
    return PANEL_DONE;
}

static int clock_answer(struct panel_request *request, int result)
{
    if (result == 0)
        return PANEL_DONE;
    panel_say(request, "the clock is not set, or clock.offset cannot be written\n");
    return PANEL_FAILED;
}

static int clock_set(struct panel_request *request)
{
    struct posix_board *posix = board_of(request);
    unix_s time;
    if (request->argument == NULL ||
        !calendar_parse(request->argument, strlen(request->argument), &time))
        return panel_want_argument(request);
    return clock_answer(request, posix_clock_set(&posix->clock, time));
}

static int clock_unset(struct panel_request *request)
{
    struct posix_board *posix = board_of(request);
    return clock_answer(request, posix_clock_unset(&posix->clock));
}

static int clock_advance(struct panel_request *request)
{
    struct posix_board *posix = board_of(request);
    uint32_t seconds;
    if (!panel_number(request->argument, &seconds))
        return panel_want_argument(request);
    int result = posix_clock_advance(&posix->clock, seconds);
    if (result == 0)
        posix_fn_advance(&posix->fn, (uint64_t)seconds * 1000u);
    return clock_answer(request, result);
}

/* ---- status and counters ---- */

static const char *net_text(const struct posix_net *net)
{
    static const char *const states[] = {"closed", "connecting", "open", "failed"};
    return net->down ? "down" : states[posix_net_state(net, NULL, NULL)];
}

static int status(struct panel_request *request)
{
    struct posix_board *posix = board_of(request);
    static const char *const papers[] = {"in", "near-end", "out"};
    const uint8_t *facts = posix->world.facts;
    char time[ISO_TIME_SIZE] = "unset";
    unix_s calendar = posix_clock_calendar(&posix->clock);
    bool host = posix->link.stream.fd >= 0;
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
    if (request->argument == NULL) {
        panel_say(request, "board %s, clock %s, %u columns\n", posix->serial, time, posix->columns);
        panel_say(request, "host link port %u: %s\n", posix->link.address.port, host_text);
        panel_say(request, "network %s\n", net_text(&posix->net));
        panel_say(request, "printer %s, paper %s, cover %s\n", printer, papers[facts[WORLD_PAPER]],
                  facts[WORLD_COVER_OPEN] != 0 ? "open" : "shut");
        panel_say(request, "drawer %s%s\n", drawer_text(&posix->drawer),
                  posix->drawer.stuck ? ", stuck" : "");
        panel_say(request, "FN %s %s\n", fn_text, fn_number);
        return PANEL_DONE;
    }
    panel_say(request,
              "{\"serial\":\"%s\",\"clock\":\"%s\",\"columns\":%u,\"port\":%u,\"host\":%s%s%s,"
              "\"link_down\":%s,\"net\":\"%s\",",
              posix->serial, time, posix->columns, posix->link.address.port, host ? "\"" : "",
              host ? posix->link.peer : "null", host ? "\"" : "",
              posix->link.down ? "true" : "false", net_text(&posix->net));
    panel_say(request,
              "\"printer\":\"%s\",\"paper\":\"%s\",\"cover_open\":%s,\"drawer_open\":%s,"
              "\"drawer_stuck\":%s,\"fn\":\"%s\",\"fn_number\":\"%s\"}\n",
              printer, papers[facts[WORLD_PAPER]], facts[WORLD_COVER_OPEN] != 0 ? "true" : "false",
              posix->drawer.open ? "true" : "false", posix->drawer.stuck ? "true" : "false",
              fn_text, fn_number);
    return PANEL_DONE;
}

static int stats(struct panel_request *request)
{
    struct posix_board *posix = board_of(request);
    const struct posix_flash_counters *flash = &posix->flash.counters;
    bool json = request->argument != NULL;
    if (json)
        panel_say(request, "{\"uptime_ms\":%llu", (unsigned long long)posix->now);
    else
        panel_count(request, json, "uptime_ms", posix->now);
    panel_count(request, json, "flash_reads", flash->reads);
    panel_count(request, json, "flash_read_bytes", flash->read_bytes);
    panel_count(request, json, "flash_programs", flash->programs);
    panel_count(request, json, "flash_programmed_bytes", flash->programmed_bytes);
    panel_count(request, json, "flash_erases", flash->erases);
    panel_count(request, json, "flash_erases_in_request", posix->erases_in_request);
    panel_count(request, json, "flash_syncs", flash->syncs);
    panel_count(request, json, "loop_turns", posix->turns);
    panel_count(request, json, "loop_polls", posix->polls);
    panel_count(request, json, "hosts", posix->link.hosts);
    panel_count(request, json, "host_bytes_in", posix->link.bytes_in);
    panel_count(request, json, "host_bytes_out", posix->link.bytes_out);
    panel_count(request, json, "usb_plugs", posix->usb.plugs);
    panel_count(request, json, "usb_packets",
                posix->usb.usbip != NULL ? posix->usb.usbip->packets : 0);
    panel_count(request, json, "net_connects", posix->net.connects);
    panel_count(request, json, "net_opened", posix->net.opened);
    panel_count(request, json, "net_failed", posix->net.failed);
    panel_count(request, json, "net_bytes_in", posix->net.bytes_in);
    panel_count(request, json, "net_bytes_out", posix->net.bytes_out);
    panel_count(request, json, "drawer_pulses", posix->drawer.pulses);
    panel_count(request, json, "drawer_openings", posix->drawer.openings);
    panel_count(request, json, "drawer_openings_ever", posix->drawer.logged);
    posix_count_paper(request, json, &posix->printer);
    posix_count_fn(request, json, &posix->fn);
    panel_say(request, json ? "}\n" : "");
    return PANEL_DONE;
}

/* ---- the table ---- */

#define PRINTER(words, argument, function, parameter)                                              \
    {                                                                                              \
        words, argument, function, parameter, offsetof(struct posix_board, printer), false         \
    }
#define FN(words, argument, function, parameter)                                                   \
    {                                                                                              \
        words, argument, function, parameter, offsetof(struct posix_board, fn), false              \
    }
#define BOARD(words, argument, function, parameter)                                                \
    {                                                                                              \
        words, argument, function, parameter, 0, false                                             \
    }
#define ASK(words, argument, function)                                                             \
    {                                                                                              \
        words, argument, function, 0, 0, true                                                      \
    }

static const struct panel_verb verbs[] = {
    PRINTER("paper out-after", "LINES", posix_verb_paper_out_after, 0),
    PRINTER("paper out", NULL, posix_verb_paper, PRINT_HEAD_PAPER_OUT),
    PRINTER("paper in", NULL, posix_verb_paper, PRINT_HEAD_PAPER_IN),
    PRINTER("paper near-end", NULL, posix_verb_paper, PRINT_HEAD_PAPER_NEAR_END),
    PRINTER("cover open", NULL, posix_verb_printer, POSIX_FACT(WORLD_COVER_OPEN, 1)),
    PRINTER("cover close", NULL, posix_verb_printer, POSIX_FACT(WORLD_COVER_OPEN, 0)),
    PRINTER("printer off", NULL, posix_verb_printer, POSIX_FACT(WORLD_PRINTER_OFF, 1)),
    PRINTER("printer on", NULL, posix_verb_printer, POSIX_FACT(WORLD_PRINTER_OFF, 0)),
    PRINTER("printer fault", NULL, posix_verb_printer, POSIX_FACT(WORLD_PRINTER_FAULT, 1)),
    PRINTER("printer fix", NULL, posix_verb_printer, POSIX_FACT(WORLD_PRINTER_FAULT, 0)),
    BOARD("drawer stuck", NULL, drawer_set_stuck, 1),
    BOARD("drawer free", NULL, drawer_set_stuck, 0),
    BOARD("drawer close", NULL, drawer_close, 0),
    ASK("drawer status", NULL, drawer_status),
    BOARD("net down", NULL, net_set, 1),
    BOARD("net up", NULL, net_set, 0),
    BOARD("link drop", NULL, link_drop, 0),
    BOARD("link down", NULL, link_set, 1),
    BOARD("link up", NULL, link_set, 0),
    FN("fn off", NULL, posix_verb_fn_off, 1),
    FN("fn on", NULL, posix_verb_fn_off, 0),
    FN("fn drop-answers", "TIMES", posix_verb_fn_fault, FNM_FAULT_DROP_ANSWER),
    FN("fn lose-answers", "TIMES", posix_verb_fn_fault, FNM_FAULT_LOSE_ANSWER),
    FN("fn corrupt", "TIMES", posix_verb_fn_fault, FNM_FAULT_CORRUPT_CRC),
    FN("fn answer-code", "CODE", posix_verb_fn_fault, FNM_FAULT_ANSWER_CODE),
    FN("fn delay", "MILLISECONDS", posix_verb_fn_fault, FNM_FAULT_DELAY),
    FN("fn power-before-commit", "[TIMES]", posix_verb_fn_fault, FNM_FAULT_POWER_BEFORE_COMMIT),
    FN("fn power-after-commit", "[TIMES]", posix_verb_fn_fault, FNM_FAULT_POWER_AFTER_COMMIT),
    FN("fn store-error", "[TIMES]", posix_verb_fn_fault, FNM_FAULT_STORE_ERROR),
    BOARD("power cut-at-flash-op", "OPERATIONS", power_cut_at, 0),
    BOARD("power cut", NULL, power_cut, 0),
    BOARD("clock set", "YYYY-MM-DDTHH:MM:SS", clock_set, 0),
    BOARD("clock unset", NULL, clock_unset, 0),
    BOARD("clock advance", "SECONDS", clock_advance, 0),
    ASK("status", "[--json]", status),
    ASK("stats", "[--json]", stats),
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

static void heard(void *device, const char *line)
{
    struct posix_board *posix = device;
    posix_console_event(&posix->console, "ctl", "%s", line);
}

int posix_ctl_execute(struct posix_board *posix, const char *line, char *text, size_t capacity)
{
    const struct panel panel = {verbs, VERB_COUNT, posix_ctl_usage(), heard};
    return (int)panel_execute(&panel, posix, line, posix->now, text, capacity);
}
