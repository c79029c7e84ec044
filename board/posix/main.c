/* kkt-board: the program. Everything it does is in posix_board.h, posix_ctl.h and posix_report.h.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include "board/posix/posix_board.h"
#include "board/posix/posix_ctl.h"
#include "board/posix/posix_options.h"
#include "board/posix/posix_report.h"
#include "firmware/firmware.h"

static int run(const struct posix_board_options *options)
{
    char error[300];
    struct moment now;
    uint32_t sleep_ms;
    struct firmware *firmware = calloc(1, sizeof *firmware);
    struct posix_board *posix = posix_board_open(options, error, sizeof error);
    if (firmware == NULL || posix == NULL || !posix_board_watch_signals(posix)) {
        fprintf(stderr, "kkt-board: %s\n", posix == NULL ? error : "cannot start");
        posix_board_close(posix);
        free(firmware);
        return 1;
    }
    if (firmware_init(firmware, posix_board_interface(posix)) != ERROR_NONE)
        posix_board_say(posix, "firmware runs with a boot error");
    do {
        posix_board_moment(posix, &now);
        sleep_ms = firmware_step(firmware, &now);
    } while (posix_board_turn(posix, sleep_ms));
    posix_board_say(posix, "switched off");
    posix_board_close(posix);
    free(firmware);
    return 0;
}

int main(int argc, char *argv[])
{
    struct posix_command_line line;
    char error[200];
    signal(SIGPIPE, SIG_IGN);
    if (!posix_options_parse(argc, argv, &line, error, sizeof error)) {
        fprintf(stderr, "kkt-board: %s (kkt-board --help)\n", error);
        return 2;
    }
    switch (line.command) {
    case POSIX_COMMAND_RUN:
        return run(&line.options);
    case POSIX_COMMAND_CTL:
        return posix_ctl_call(line.options.state, line.word_count, line.words);
    case POSIX_COMMAND_JOURNAL:
        return posix_report_journal(line.options.state, line.json, stdout);
    case POSIX_COMMAND_FN:
        return posix_report_fn(line.options.state, line.json, stdout);
    case POSIX_COMMAND_PAPER:
        return posix_report_paper(line.options.state, line.json, stdout);
    case POSIX_COMMAND_HELP:
        fputs(posix_options_help(), stdout);
        fputs("\n", stdout);
        fputs(posix_ctl_usage(), stdout);
        return 0;
    case POSIX_COMMAND_VERSION:
        puts(OPENKKT_VERSION);
        return 0;
    }
    return 2;
}
