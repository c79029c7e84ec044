#include "board/posix/posix_run.h"

#include <stdio.h>
#include <stdlib.h>

#include "firmware/firmware.h"

int posix_run(const struct posix_board_options *options)
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
