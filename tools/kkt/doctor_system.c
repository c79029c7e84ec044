#include "tools/kkt/doctor_system.h"

#include <dirent.h>
#include <grp.h>
#include <limits.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define GROUPS_MAX 256

static bool exists(const char *root, const char *format, const char *name)
{
    char path[PATH_MAX], tail[512];
    snprintf(tail, sizeof tail, format, name);
    snprintf(path, sizeof path, "%s%s", root, tail);
    return access(path, F_OK) == 0;
}

bool doctor_has_rule(const char *root)
{
    static const char *const folders[] = {"/etc/udev/rules.d/%s", "/run/udev/rules.d/%s",
                                          "/usr/local/lib/udev/rules.d/%s",
                                          "/usr/lib/udev/rules.d/%s", "/lib/udev/rules.d/%s"};
    for (size_t i = 0; i < sizeof folders / sizeof folders[0]; i++) {
        if (exists(root, folders[i], DOCTOR_RULE))
            return true;
    }
    return false;
}

bool doctor_has_usb(const char *root)
{
    return exists(root, "%s", "/sys/bus/usb/devices");
}

bool doctor_has_module(const char *root, const char *name)
{
    return exists(root, "/sys/module/%s", name) || exists(root, "/sys/bus/usb/drivers/%s", name);
}

static bool name_of(const char *root, const char *process, char *name, size_t size)
{
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s/proc/%s/comm", root, process);
    FILE *file = fopen(path, "re");
    if (file == NULL)
        return false;
    bool got = fgets(name, (int)size, file) != NULL;
    fclose(file);
    if (got)
        name[strcspn(name, "\n")] = '\0';
    return got;
}

/* Calls visit for each process until it says true. */
static bool any_process(const char *root, bool (*visit)(void *user, const char *process),
                        void *user)
{
    char path[PATH_MAX];
    bool found = false;
    snprintf(path, sizeof path, "%s/proc", root);
    DIR *folder = opendir(path);
    if (folder == NULL)
        return false;
    for (struct dirent *entry = readdir(folder); entry != NULL && !found; entry = readdir(folder))
        found = entry->d_name[0] >= '1' && entry->d_name[0] <= '9' && visit(user, entry->d_name);
    closedir(folder);
    return found;
}

struct search {
    const char *root, *wanted;
    int number;
    char *text;
    size_t size;
};

static bool has_name(void *user, const char *process)
{
    struct search *search = user;
    char name[64];
    search->number = (int)strtol(process, NULL, 10);
    return name_of(search->root, process, name, sizeof name) && strcmp(name, search->wanted) == 0;
}

bool doctor_runs(const char *root, const char *name, int *number)
{
    struct search search = {.root = root, .wanted = name};
    bool found = any_process(root, has_name, &search);
    *number = search.number;
    return found;
}

static bool holds(void *user, const char *process)
{
    struct search *search = user;
    char path[PATH_MAX], target[PATH_MAX], name[64] = "?";
    bool found = false;
    snprintf(path, sizeof path, "%s/proc/%s/fd", search->root, process);
    DIR *folder = opendir(path);
    if (folder == NULL || (int)strtol(process, NULL, 10) == (int)getpid()) {
        if (folder != NULL)
            closedir(folder);
        return false;
    }
    for (struct dirent *entry = readdir(folder); entry != NULL && !found; entry = readdir(folder)) {
        snprintf(path, sizeof path, "%s/proc/%s/fd/%s", search->root, process, entry->d_name);
        ssize_t size = readlink(path, target, sizeof target - 1);
        target[size > 0 ? size : 0] = '\0';
        found = size > 0 && strncmp(target, search->wanted, strlen(search->wanted)) == 0;
    }
    closedir(folder);
    if (found) {
        (void)name_of(search->root, process, name, sizeof name);
        snprintf(search->text, search->size, "%s (%s)", name, process);
    }
    return found;
}

bool doctor_holder(const char *root, const char *path, char *text, size_t size)
{
    struct search search = {.root = root, .wanted = path, .text = text, .size = size};
    return any_process(root, holds, &search);
}

bool doctor_may(bool *later)
{
    gid_t groups[GROUPS_MAX];
    const struct group *group = getgrnam(DOCTOR_GROUP);
    const struct passwd *user = getpwuid(getuid());
    *later = false;
    if (geteuid() == 0)
        return true;
    if (group == NULL)
        return false;
    int count = getgroups(GROUPS_MAX, groups);
    for (int i = 0; i < count; i++) {
        if (groups[i] == group->gr_gid)
            return true;
    }
    for (char **member = group->gr_mem; user != NULL && *member != NULL; member++)
        *later = *later || strcmp(*member, user->pw_name) == 0;
    return getegid() == group->gr_gid;
}
