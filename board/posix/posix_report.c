#include "board/posix/posix_report.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "board/fn/fnm.h"
#include "board/posix/posix_file.h"
#include "board/posix/posix_flash.h"
#include "firmware/journal.h"
#include "firmware/register_state.h"
#include "proto/tags.h"

/* If this changes in firmware/firmware.c, it changes here: the settings' log lies before the job
 * journal. */
#define STORE_MAX (1024u * 1024u * 1024u)

static int open_state(const char *state)
{
    int dir_fd = open(state, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (dir_fd < 0)
        fprintf(stderr, "kkt-board: %s: %s\n", state, strerror(errno));
    return dir_fd;
}

/* ---- journal ---- */

static int copy_read(void *context, uint32_t address, void *data, size_t size)
{
    return posix_flash_read(context, address, data, size);
}

static int copy_program(void *context, uint32_t address, const void *data, size_t size)
{
    return posix_flash_program(context, address, data, size);
}

static int copy_erase(void *context, uint32_t address)
{
    return posix_flash_erase(context, address);
}

static int copy_sync(void *context)
{
    return posix_flash_sync(context);
}

static void no_trace(void *context, enum board_trace_level level, const char *text)
{
    (void)context, (void)level, (void)text;
}

static void no_replay(void *user, const struct journal_record *record, const uint8_t *payload)
{
    (void)user, (void)record, (void)payload;
}

/* Called only when the copy ends in a torn sector start; what is written stays in the copy. */
static void empty_checkpoint(void *user, struct byte_writer *writer)
{
    struct register_state empty;
    (void)user;
    register_state_init(&empty);
    register_state_put(&empty, writer);
}

static const char *type_name(uint8_t type)
{
    static const char *const names[] = {"?",    "checkpoint", "intent",  "done",    "aborted",
                                        "slip", "printing",   "printed", "settings"};
    return type < sizeof names / sizeof names[0] ? names[type] : "?";
}

static void print_hex(FILE *out, const uint8_t *bytes, size_t size)
{
    for (size_t i = 0; i < size; i++)
        fprintf(out, "%02x", bytes[i]);
}

struct journal_printer {
    FILE *out;
    bool json;
};

static void print_field(const struct journal_printer *printer, const char *name, uint64_t value)
{
    fprintf(printer->out, printer->json ? ",\"%s\":%" PRIu64 : " %s %" PRIu64, name, value);
}

static void print_time(const struct journal_printer *printer, unix_s time)
{
    char text[ISO_TIME_SIZE];
    iso_time_format(time, text);
    fprintf(printer->out, printer->json ? ",\"time\":\"%s\"" : " time %s", text);
}

static void print_done(const struct journal_printer *printer, const struct job_done *done)
{
    const struct link_result *result = &done->result;
    print_field(printer, "job", result->job);
    print_field(printer, "flags", result->flags);
    print_field(printer, "document", result->document);
    print_field(printer, "sign", result->fiscal_sign);
    print_time(printer, result->time);
    print_field(printer, "shift", result->shift);
    print_field(printer, "receipt", result->receipt);
    print_field(printer, "total_kop", result->total_kop);
    print_field(printer, "kind", done->effect.kind);
    print_field(printer, "effect_kop", done->effect.total_kop);
    for (unsigned i = 0; i < PAYMENT_COUNT; i++) {
        char name[24];
        snprintf(name, sizeof name, "paid%u_kop", i);
        print_field(printer, name, done->effect.paid_kop[i]);
    }
    print_field(printer, "drawer", done->effect.drawer);
    print_field(printer, "slip", done->slip);
}

static void print_payload(const struct journal_printer *printer, uint8_t type, const uint8_t *bytes,
                          size_t size)
{
    struct job_intent intent;
    struct job_done done;
    if (type == JOURNAL_DONE && job_done_get(bytes, size, &done)) {
        print_done(printer, &done);
    } else if (type == JOURNAL_INTENT && job_intent_get(bytes, size, &intent)) {
        print_field(printer, "job", intent.job);
        print_field(printer, "last_document", intent.last_document);
        print_field(printer, "kind", intent.effect.kind);
        print_field(printer, "effect_kop", intent.effect.total_kop);
    } else if ((type == JOURNAL_PRINTING || type == JOURNAL_PRINTED) && size >= 4) {
        print_field(printer, "slip", get_u32le(bytes));
    }
}

static bool print_record(void *user, const struct journal_record *record, const uint8_t *payload)
{
    const struct journal_printer *printer = user;
    bool keyed =
        record->type >= JOURNAL_INTENT && record->type <= JOURNAL_SLIP && record->size >= KEY_SIZE;
    fprintf(printer->out,
            printer->json ? "{\"sequence\":%" PRIu64 ",\"type\":\"%s\",\"size\":%u"
                          : "%8" PRIu64 " %-10s size %u",
            record->sequence, type_name(record->type), record->size);
    if (keyed) {
        fputs(printer->json ? ",\"key\":\"" : " key ", printer->out);
        print_hex(printer->out, payload, KEY_SIZE);
        fputs(printer->json ? "\"" : "", printer->out);
    }
    print_payload(printer, record->type, payload, record->size);
    if (printer->json) {
        fputs(",\"payload\":\"", printer->out);
        print_hex(printer->out, payload, record->size);
        fputs("\"}", printer->out);
    }
    return fputc('\n', printer->out) != EOF;
}

static int walk_copy(struct posix_flash *flash, const struct journal_printer *printer)
{
    struct journal_printer visitor = *printer;
    struct board board = {
        .context = flash,
        .serial = "",
        .model = "",
        .flash = {flash->size, POSIX_FLASH_SECTOR_SIZE, POSIX_FLASH_PAGE_SIZE, 0xFF, copy_read,
                  copy_program, copy_erase, copy_sync},
        .trace = no_trace,
    };
    struct journal_scratch scratch;
    struct journal_region region = {
        SETTINGS_SECTORS, flash->size / POSIX_FLASH_SECTOR_SIZE - SETTINGS_SECTORS, &scratch};
    struct journal *journal = calloc(1, sizeof *journal);
    uint16_t error = ERROR_JOURNAL_FAULT;
    if (journal != NULL)
        error = journal_mount(journal, &board, region, no_replay, empty_checkpoint, NULL);
    if (error == ERROR_NONE)
        journal_walk(journal, print_record, &visitor);
    else
        fprintf(stderr, "kkt-board: the journal cannot be read: error %u\n", error);
    free(journal);
    return error == ERROR_NONE ? 0 : 1;
}

static int report_copy(int dir_fd, const char *name, uint32_t size,
                       const struct journal_printer *printer)
{
    struct posix_flash flash;
    char error[160];
    int result = 1;
    if (posix_flash_open_copy(&flash, dir_fd, name, size, error, sizeof error)) {
        result = walk_copy(&flash, printer);
        posix_flash_close(&flash);
    } else {
        fprintf(stderr, "kkt-board: %s\n", error);
    }
    return result;
}

int posix_report_journal(const char *state, bool json, FILE *out)
{
    const struct journal_printer printer = {out, json};
    int dir_fd = open_state(state);
    if (dir_fd < 0)
        return 1;
    int result = report_copy(dir_fd, NULL, 0, &printer);
    close(dir_fd);
    return result;
}

int posix_report_flash(const char *path, uint32_t size, bool json, FILE *out)
{
    const struct journal_printer printer = {out, json};
    return report_copy(AT_FDCWD, path, size, &printer);
}

/* ---- fiscal module ---- */

static void print_document(FILE *out, bool json, const struct fnm_document *document)
{
    char time[ISO_TIME_SIZE];
    iso_time_format(document->time, time);
    fprintf(out,
            json ? "{\"document\":%u,\"form\":%u,\"time\":\"%s\",\"sign\":%u,\"kind\":%u,"
                   "\"total_kop\":%" PRIu64 ",\"shift\":%u,\"receipt\":%u,\"acknowledged\":%s}\n"
                 : "%6u form %2u %s sign %010u kind %u total_kop %" PRIu64
                   " shift %u receipt %u acknowledged %s\n",
            document->number, document->form, time, document->sign, document->kind,
            document->total_kop, document->shift, document->receipt,
            document->acknowledged ? "true" : "false");
}

/* Opens a copy of the store, which is deleted at once: the module keeps it open. */
static struct fnm *open_store_copy(int dir_fd, char *error, size_t error_size)
{
    char directory[] = "/tmp/kkt-board-XXXXXX";
    char path[64];
    size_t size = 0;
    uint8_t *store = posix_file_load(dir_fd, "fn.store", STORE_MAX, &size);
    struct fnm *fnm = NULL;
    snprintf(error, error_size, "there is no fn.store, or it cannot be copied");
    if (store != NULL && mkdtemp(directory) != NULL) {
        snprintf(path, sizeof path, "%s/fn.store", directory);
        FILE *copy = fopen(path, "wb");
        bool written = copy != NULL && fwrite(store, 1, size, copy) == size;
        if (copy != NULL && fclose(copy) == 0 && written) {
            const struct fnm_options options = {.store_path = path, .no_sync = true};
            fnm = fnm_open(&options, error, error_size);
        }
        unlink(path);
        rmdir(directory);
    }
    free(store);
    return fnm;
}

int posix_report_fn(const char *state, bool json, FILE *out)
{
    char error[200];
    struct fnm_document document;
    int dir_fd = open_state(state);
    if (dir_fd < 0)
        return 1;
    struct fnm *fnm = open_store_copy(dir_fd, error, sizeof error);
    close(dir_fd);
    if (fnm == NULL) {
        fprintf(stderr, "kkt-board: %s\n", error);
        return 1;
    }
    uint32_t last = fnm_document_count(fnm);
    for (uint32_t number = 1; number <= last; number++)
        if (fnm_document_get(fnm, number, &document))
            print_document(out, json, &document);
    fnm_close(fnm);
    return 0;
}

/* ---- paper ---- */

static void print_slip(FILE *out, const char *line)
{
    struct json_object *slip = json_tokener_parse(line);
    if (!json_object_is_type(slip, json_type_object)) {
        json_object_put(slip);
        return;
    }
    json_object_object_foreach (slip, name, value) {
        fprintf(out, "%s %s  ", name, json_object_get_string(value));
    }
    fputc('\n', out);
    json_object_put(slip);
}

int posix_report_paper(const char *state, bool json, FILE *out)
{
    size_t size = 0;
    int dir_fd = open_state(state);
    if (dir_fd < 0)
        return 1;
    char *text = (char *)posix_file_load(dir_fd, "paper/index.jsonl", STORE_MAX, &size);
    close(dir_fd);
    if (text == NULL)
        return 0; /* nothing was printed yet */
    text[size] = '\0';
    /* Only whole lines: the last one may be under way. */
    for (char *line = text, *end; (end = strchr(line, '\n')) != NULL; line = end + 1) {
        *end = '\0';
        if (json)
            fprintf(out, "%s\n", line);
        else
            print_slip(out, line);
    }
    free(text);
    return 0;
}
