/* kkt-board: the program. Everything it does is in posix_run.h,
 * posix_ctl.h and posix_report.h. */
#include <signal.h>
#include <stdio.h>

#include "board/posix/posix_ctl.h"
#include "board/posix/posix_options.h"
#include "board/posix/posix_report.h"
#include "board/posix/posix_run.h"

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
        return posix_run(&line.options);
    case POSIX_COMMAND_CTL:
        return posix_ctl_call(line.options.state, line.word_count, line.words);
    case POSIX_COMMAND_JOURNAL:
        if (line.options.flash != NULL)
            return posix_report_flash(line.options.flash, line.options.flash_size, line.json,
                                      stdout);
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
