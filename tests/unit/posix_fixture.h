/* A board in a directory of its own, without firmware: what the tests of board/posix start from. */
#ifndef TESTS_UNIT_POSIX_FIXTURE_H
#define TESTS_UNIT_POSIX_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "board/posix/posix_board.h"
#include "board/posix/posix_ctl.h"

struct fixture {
    char directory[64];
    char state[80];
    struct posix_board_options options;
    struct posix_board *posix;
    const struct board *board;
    char text[16384];
};

static inline void open_board(struct fixture *fixture)
{
    char error[300] = "";
    fixture->posix = posix_board_open(&fixture->options, error, sizeof error);
    if (fixture->posix == NULL)
        fail_msg("%s", error);
    fixture->board = posix_board_interface(fixture->posix);
}

static inline void close_board(struct fixture *fixture)
{
    posix_board_close(fixture->posix);
    fixture->posix = NULL;
}

static inline int setup(void **state)
{
    struct fixture *fixture = calloc(1, sizeof *fixture);
    if (fixture == NULL)
        return -1;
    strcpy(fixture->directory, "/tmp/posix-board-XXXXXX");
    if (mkdtemp(fixture->directory) == NULL)
        return -1;
    snprintf(fixture->state, sizeof fixture->state, "%s/state", fixture->directory);
    fixture->options = (struct posix_board_options){.state = fixture->state,
                                                    .listen = "127.0.0.1:0",
                                                    .flash_size = 65536,
                                                    .unpaced = true,
                                                    .drawer_close_ms = 30,
                                                    .no_png = true,
                                                    .no_sync = true,
                                                    .quiet = true};
    *state = fixture;
    open_board(fixture);
    return 0;
}

static inline int remove_entry(const char *path, const struct stat *status, int kind,
                               struct FTW *walk)
{
    (void)status, (void)kind, (void)walk;
    return remove(path);
}

static inline int teardown(void **state)
{
    struct fixture *fixture = *state;
    close_board(fixture);
    int result = nftw(fixture->directory, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
    free(fixture);
    return result;
}

static inline int ctl(struct fixture *fixture, const char *line)
{
    return posix_ctl_execute(fixture->posix, line, fixture->text, sizeof fixture->text);
}

/* Lets the board live; each turn at most step_ms. */
static inline void live(struct fixture *fixture, unsigned turns, uint32_t step_ms)
{
    struct moment now;
    for (unsigned i = 0; i < turns; i++) {
        posix_board_moment(fixture->posix, &now);
        assert_true(posix_board_turn(fixture->posix, step_ms));
    }
}

#endif
