/* The simulators' side of tests/usb/sim_client.h: the socket, the words, and the program that says
 * them.
 */
#ifndef TESTS_USB_SIM_WORDS_H
#define TESTS_USB_SIM_WORDS_H

#include <sys/types.h>

#include "tests/usb/sim_board.h"

/* What a front end does; boards have numbers from 1. */
struct sim_words {
    struct sim_board *(*board)(unsigned number); /* NULL: none such */
    void (*plug)(unsigned number, unsigned later_ms, char *reply, size_t capacity);
    void (*unplug)(unsigned number);
    void (*pull)(unsigned number, unsigned count);
};

/* A listening socket, whose path goes to KKT_USB_SIM; -1. And its end. */
int sim_listen(void);
void sim_listen_end(void);
/* Does what a line says and answers it. */
void sim_obey(const struct sim_words *words, const char *line, char *reply, size_t capacity);
/* Starts the command; ends this program when it cannot. */
pid_t sim_command(char **command);

#endif
