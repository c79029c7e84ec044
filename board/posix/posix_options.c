#include "board/posix/posix_options.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum kind { TEXT, NUMBER, FLAG };

struct option_rule {
    const char *name;
    enum kind kind;
    unsigned commands; /* bits of enum posix_command that take it */
    size_t offset;     /* of const char *, uint32_t or bool in struct posix_board_options */
};

#define RUN     (1u << POSIX_COMMAND_RUN)
#define JOURNAL (1u << POSIX_COMMAND_JOURNAL)
#define ALL     (~0u)

#define AT(field) offsetof(struct posix_board_options, field)

static const struct option_rule rules[] = {
    {"--state", TEXT, ALL, AT(state)},
    {"--listen", TEXT, RUN, AT(listen)},
    {"--usbip", TEXT, RUN, AT(usbip)},
    {"--serial", TEXT, RUN, AT(serial)},
    {"--fn", TEXT, RUN, AT(fn)},
    {"--fn-serial", TEXT, RUN, AT(fn_serial)},
    {"--port-file", TEXT, RUN, AT(port_file)},
    {"--columns", NUMBER, RUN, AT(columns)},
    {"--flash", TEXT, JOURNAL, AT(flash)},
    {"--flash-size", NUMBER, RUN | JOURNAL, AT(flash_size)},
    {"--pace", NUMBER, RUN, AT(pace)},
    {"--fn-delay", NUMBER, RUN, AT(fn_delay_ms)},
    {"--drawer-close", NUMBER, RUN, AT(drawer_close_ms)},
    {"--no-png", FLAG, RUN, AT(no_png)},
    {"--no-paper", FLAG, RUN, AT(no_paper)},
    {"--accept-unsigned", FLAG, RUN, AT(accept_unsigned)},
    {"--no-sync", FLAG, RUN, AT(no_sync)},
    {"--quiet", FLAG, RUN, AT(quiet)},
    {"--verbose", FLAG, RUN, AT(verbose)},
};

_Static_assert(sizeof(unsigned) == sizeof(uint32_t), "NUMBER fields are stored as uint32_t");

static const struct {
    const char *name;
    enum posix_command command;
} commands[] = {
    {"run", POSIX_COMMAND_RUN},           {"ctl", POSIX_COMMAND_CTL},
    {"journal", POSIX_COMMAND_JOURNAL},   {"fn", POSIX_COMMAND_FN},
    {"paper", POSIX_COMMAND_PAPER},       {"help", POSIX_COMMAND_HELP},
    {"--help", POSIX_COMMAND_HELP},       {"-h", POSIX_COMMAND_HELP},
    {"--version", POSIX_COMMAND_VERSION},
};

const char *posix_options_help(void)
{
    return "kkt-board: this PC plays the cash register board\n"
           "\n"
           "kkt-board [run] --state DIR [options]\n"
           "  --state DIR            the board's whole life lies here; made when absent\n"
           "  --listen HOST:PORT     host link (127.0.0.1:7700); port 0: any, see --port-file\n"
           "  --usbip HOST:PORT|vhci the board's USB socket: a USB/IP server, or into this PC "
           "itself\n"
           "  --port-file PATH       write the real port number there\n"
           "  --serial TEXT          factory number of a new board, 1..20 characters\n"
           "  --columns 32|42|48     paper width (48)\n"
           "  --fn HOST:PORT|unix:PATH  external fiscal module (kkt-fn) instead of the built-in "
           "one\n"
           "  --fn-serial DIGITS     16 digits, of a new built-in fiscal module\n"
           "  --flash-size BYTES     of a new board (8388608)\n"
           "  --pace LINES           printed lines per second (30); 0: as fast as bytes come\n"
           "  --fn-delay MS          each answer of the fiscal module waits so long\n"
           "  --drawer-close MS      the person shuts the drawer after that (2000)\n"
           "  --no-png               slips as text only\n"
           "  --no-paper             slips are printed and thrown away (for measuring)\n"
           "  --accept-unsigned      the fiscal module believes unsigned confirmations\n"
           "  --no-sync              tests only: nothing waits for the disk\n"
           "  --quiet                no console; events.log is still written\n"
           "  --verbose              every command of the fiscal module too\n"
           "\n"
           "kkt-board ctl --state DIR VERB ...     meddle with a running board (ctl alone lists "
           "the verbs)\n"
           "kkt-board journal --state DIR [--json] the job journal, oldest record first\n"
           "kkt-board journal --flash FILE --flash-size BYTES [--json]  of another board: the "
           "first\n"
           "                                       BYTES of a copy of its flash\n"
           "kkt-board fn --state DIR [--json]      the fiscal module's archive\n"
           "kkt-board paper --state DIR [--json]   the slips that came out\n"
           "\n"
           "Exit status: 0 done, 1 failed, 2 not understood.\n";
}

static bool complain(char *error, size_t error_size, const char *what, const char *word)
{
    snprintf(error, error_size, "%s: %s", word, what);
    return false;
}

static bool number_get(const char *text, uint32_t *out)
{
    char *end = NULL;
    if (text[0] < '0' || text[0] > '9' || strlen(text) > 10)
        return false;
    unsigned long long value = strtoull(text, &end, 10);
    *out = (uint32_t)value;
    return *end == '\0' && value <= UINT32_MAX;
}

static const struct option_rule *rule_of(const char *name)
{
    for (size_t i = 0; i < sizeof rules / sizeof rules[0]; i++)
        if (strcmp(name, rules[i].name) == 0)
            return &rules[i];
    return NULL;
}

/* Zero means "default" in the options, so a zero that says something else is translated here. */
static bool store_number(struct posix_board_options *options, const struct option_rule *rule,
                         uint32_t value)
{
    if (rule->offset == AT(pace))
        options->unpaced = value == 0;
    else if (rule->offset == AT(drawer_close_ms) && value == 0)
        value = 1;
    else if ((rule->offset == AT(columns) || rule->offset == AT(flash_size)) && value == 0)
        return false;
    memcpy((char *)options + rule->offset, &value, sizeof value);
    return true;
}

/* Takes the option at argv[*at] and its value; *at stays on the last word taken. */
static bool take_option(int argc, char *argv[], int *at, const struct option_rule *rule,
                        struct posix_board_options *options, char *error, size_t error_size)
{
    const bool yes = true;
    if (rule->kind == FLAG) {
        memcpy((char *)options + rule->offset, &yes, sizeof yes);
        return true;
    }
    if (*at + 1 >= argc)
        return complain(error, error_size, "a value is missing", rule->name);
    const char *value = argv[++*at];
    if (rule->kind == TEXT) {
        memcpy((char *)options + rule->offset, &value, sizeof(const char *));
        return true;
    }
    uint32_t number;
    if (!number_get(value, &number) || !store_number(options, rule, number))
        return complain(error, error_size, "a whole number is wanted", rule->name);
    return true;
}

static bool take_word(struct posix_command_line *out, char *word, char *error, size_t error_size)
{
    if (out->command != POSIX_COMMAND_CTL)
        return complain(error, error_size, "not understood", word);
    if (out->word_count >= (int)(sizeof out->words / sizeof out->words[0]))
        return complain(error, error_size, "too many words", word);
    out->words[out->word_count++] = word;
    return true;
}

bool posix_options_parse(int argc, char *argv[], struct posix_command_line *out, char *error,
                         size_t error_size)
{
    int first = 1;
    memset(out, 0, sizeof *out);
    for (size_t i = 0; argc > 1 && i < sizeof commands / sizeof commands[0]; i++)
        if (strcmp(argv[1], commands[i].name) == 0) {
            out->command = commands[i].command;
            first = 2;
        }
    if (out->command == POSIX_COMMAND_HELP || out->command == POSIX_COMMAND_VERSION)
        return true;
    for (int at = first; at < argc; at++) {
        const struct option_rule *rule = rule_of(argv[at]);
        bool json = strcmp(argv[at], "--json") == 0 && out->command != POSIX_COMMAND_RUN &&
                    out->command != POSIX_COMMAND_CTL;
        out->json |= json;
        if (json)
            continue;
        if (rule != NULL && (rule->commands & 1u << out->command) != 0) {
            if (!take_option(argc, argv, &at, rule, &out->options, error, error_size))
                return false;
        } else if (!take_word(out, argv[at], error, error_size)) {
            return false;
        }
    }
    bool asks_verbs = out->command == POSIX_COMMAND_CTL && out->word_count == 0;
    bool has_flash = out->command == POSIX_COMMAND_JOURNAL && out->options.flash != NULL;
    if (out->options.state == NULL && !asks_verbs && !has_flash)
        return complain(error, error_size, "is required", "--state DIR");
    return true;
}
