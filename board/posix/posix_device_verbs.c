#include "board/posix/posix_device_verbs.h"

/* ---- print head ---- */

int posix_verb_paper(struct panel_request *request)
{
    posix_printer_set_paper(request->part, (enum print_head_paper)request->verb->parameter,
                            request->now_ms);
    return PANEL_DONE;
}

int posix_verb_paper_out_after(struct panel_request *request)
{
    uint32_t lines;
    if (!panel_number(request->argument, &lines))
        return panel_want_argument(request);
    posix_printer_set_out_after(request->part, lines, request->now_ms);
    return PANEL_DONE;
}

int posix_verb_printer(struct panel_request *request)
{
    unsigned parameter = request->verb->parameter;
    posix_printer_set(request->part, (enum posix_world_fact)(parameter / 2), parameter % 2 != 0,
                      request->now_ms);
    return PANEL_DONE;
}

void posix_count_paper(struct panel_request *request, bool json,
                       const struct posix_printer *printer)
{
    struct print_head_counters paper;
    print_head_counters(printer->head, &paper);
    panel_count(request, json, "slips", paper.slips);
    panel_count(request, json, "slips_torn", paper.torn);
    panel_count(request, json, "slips_ever", print_head_last_slip(printer->head));
    panel_count(request, json, "paper_lines", paper.lines);
    panel_count(request, json, "paper_millimetres", paper.millimetres);
}

/* ---- fiscal module ---- */

int posix_verb_fn_off(struct panel_request *request)
{
    posix_fn_set_off(request->part, request->verb->parameter != 0, request->now_ms);
    return PANEL_DONE;
}

static int external_fn(struct panel_request *request)
{
    panel_say(request, "the external FN cannot be told that from here: kkt-fn has its own ctl\n");
    return PANEL_FAILED;
}

/* The number says how many times; of delay and answer-code it is the value. */
int posix_verb_fn_fault(struct panel_request *request)
{
    enum fnm_fault fault = (enum fnm_fault)request->verb->parameter;
    uint32_t number = 1;
    if (request->argument != NULL && !panel_number(request->argument, &number))
        return panel_want_argument(request);
    if (request->argument == NULL && request->verb->argument[0] != '[')
        return panel_want_argument(request);
    bool is_value = fault == FNM_FAULT_DELAY || fault == FNM_FAULT_ANSWER_CODE;
    bool taken = posix_fn_fault(request->part, fault, is_value ? number : 0, is_value ? 1 : number);
    return taken ? PANEL_DONE : external_fn(request);
}

int posix_verb_fn_advance(struct panel_request *request)
{
    uint32_t seconds;
    if (!panel_number(request->argument, &seconds))
        return panel_want_argument(request);
    bool taken = posix_fn_advance(request->part, (uint64_t)seconds * 1000u);
    return taken ? PANEL_DONE : external_fn(request);
}

void posix_count_fn(struct panel_request *request, bool json, const struct posix_fn *fn)
{
    const char *separator = "";
    if (fn->module == NULL)
        return;
    const struct fnm_counters *counters = fnm_counters(fn->module);
    panel_count(request, json, "fn_commands", counters->commands);
    panel_count(request, json, "fn_refused", counters->refused);
    panel_count(request, json, "fn_enquiries", counters->enquiries);
    panel_count(request, json, "fn_bad_frames", counters->bad_frames);
    panel_count(request, json, "fn_store_writes", counters->writes);
    panel_count(request, json, "fn_store_syncs", counters->syncs);
    panel_count(request, json, "fn_store_bytes", counters->bytes_written);
    panel_say(request, json ? ",\"fn_by_code\":{" : "fn commands by code\n");
    for (unsigned code = 0; code < 256; code++) {
        if (counters->by_code[code] == 0)
            continue;
        panel_say(request, json ? "%s\"%02X\":%llu" : "%s  %02X %llu\n", json ? separator : "",
                  code, (unsigned long long)counters->by_code[code]);
        separator = ",";
    }
    panel_say(request, json ? "}" : "");
}
