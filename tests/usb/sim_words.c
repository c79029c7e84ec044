#include "tests/usb/sim_words.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static char folder[] = "/tmp/usb-sim-XXXXXX";

int sim_listen(void)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int listener = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    if (listener < 0 || mkdtemp(folder) == NULL)
        return -1;
    snprintf(address.sun_path, sizeof address.sun_path, "%s/words", folder);
    if (bind(listener, (const struct sockaddr *)&address, sizeof address) != 0 ||
        listen(listener, 8) != 0)
        return -1;
    setenv("KKT_USB_SIM", address.sun_path, 1);
    return listener;
}

void sim_listen_end(void)
{
    unlink(getenv("KKT_USB_SIM"));
    rmdir(folder);
}

void sim_obey(const struct sim_words *words, const char *line, char *reply, size_t capacity)
{
    char word[16] = "";
    unsigned number = 0, value = 0;
    int count = sscanf(line, "%15s %u %u", word, &number, &value);
    struct sim_board *board = count >= 2 ? words->board(number) : NULL;
    snprintf(reply, capacity, "ok");
    if (board != NULL && strcmp(word, "plug") == 0)
        words->plug(number, value, reply, capacity);
    else if (board != NULL && strcmp(word, "unplug") == 0)
        words->unplug(number);
    else if (board != NULL && strcmp(word, "pull") == 0)
        words->pull(number, value);
    else if (board != NULL && strcmp(word, "silent") == 0)
        board->silent = value != 0;
    else if (board != NULL && strcmp(word, "events") == 0)
        board->events_due += value;
    else
        snprintf(reply, capacity, "what? %s", line);
}

pid_t sim_command(char **command)
{
    pid_t child = fork();
    if (child == 0) {
        const char *preload = getenv("USB_SIM_PRELOAD");
        if (preload != NULL) /* the address sanitizer's library comes first */
            setenv("LD_PRELOAD", preload, 1);
        execvp(command[0], command);
        perror(command[0]);
        _exit(127);
    }
    if (child > 0)
        return child;
    perror("fork");
    exit(2);
}
