#include "board/posix/posix_world.h"

#include <stdio.h>
#include <string.h>

#include "board/posix/posix_file.h"

#define WORLD_FILE "world"

static const char *const fact_names[WORLD_FACTS] = {"paper",         "cover_open",   "printer_off",
                                                    "printer_fault", "drawer_stuck", "net_down",
                                                    "link_down",     "fn_off"};

void posix_world_open(struct posix_world *world, int dir_fd)
{
    char text[512];
    char *rest = NULL;
    memset(world, 0, sizeof *world);
    world->dir_fd = dir_fd;
    if (!posix_file_text(dir_fd, WORLD_FILE, text, sizeof text))
        return;
    for (char *line = strtok_r(text, "\n", &rest); line != NULL;
         line = strtok_r(NULL, "\n", &rest)) {
        char *value = strchr(line, ' ');
        if (value == NULL || value[1] < '0' || value[1] > '2' || value[2] != '\0')
            continue;
        *value = '\0';
        for (unsigned i = 0; i < WORLD_FACTS; i++)
            if (strcmp(line, fact_names[i]) == 0)
                world->facts[i] = (uint8_t)(value[1] - '0');
    }
}

bool posix_world_set(struct posix_world *world, enum posix_world_fact fact, uint8_t value)
{
    char text[512];
    size_t length = 0;
    if (world->facts[fact] == value)
        return true;
    world->facts[fact] = value;
    for (unsigned i = 0; i < WORLD_FACTS; i++)
        length += (size_t)snprintf(text + length, sizeof text - length, "%s %u\n", fact_names[i],
                                   world->facts[i]);
    return posix_file_replace(world->dir_fd, WORLD_FILE, text, false);
}
