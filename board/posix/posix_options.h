/* The command line of kkt-board. */
#ifndef BOARD_POSIX_POSIX_OPTIONS_H
#define BOARD_POSIX_POSIX_OPTIONS_H

#include "board/posix/posix_board.h"

enum posix_command {
    POSIX_COMMAND_RUN,
    POSIX_COMMAND_CTL,
    POSIX_COMMAND_JOURNAL,
    POSIX_COMMAND_FN,
    POSIX_COMMAND_PAPER,
    POSIX_COMMAND_HELP,
    POSIX_COMMAND_VERSION
};

struct posix_command_line {
    enum posix_command command;
    bool json;
    struct posix_board_options options; /* texts point into argv */
    int word_count;                     /* of ctl */
    char *words[16];
};

/* False with a line for people in error. argv is not changed. */
bool posix_options_parse(int argc, char *argv[], struct posix_command_line *out, char *error,
                         size_t error_size);
const char *posix_options_help(void);

#endif
