/* What `kkt doctor` asks the operating system (Linux): rules, modules, processes, groups. All paths
 * are below root, "" for the computer itself; a test gives a folder of its own. */
#ifndef TOOLS_KKT_DOCTOR_SYSTEM_H
#define TOOLS_KKT_DOCTOR_SYSTEM_H

#include <stdbool.h>
#include <stddef.h>

#define DOCTOR_RULE  "70-openkkt.rules"
#define DOCTOR_GROUP "dialout"

/* Our udev rule lies in one of the folders that udev reads. */
bool doctor_has_rule(const char *root);
bool doctor_has_usb(const char *root);
/* Loaded, or built in. */
bool doctor_has_module(const char *root, const char *name);
/* A process of this name runs; *number is its. */
bool doctor_runs(const char *root, const char *name, int *number);
/* The process that has a file open whose path begins so; "NAME (NUMBER)". False: none, or none that
 * may be seen. */
bool doctor_holder(const char *root, const char *path, char *text, size_t size);
/* This user is root, or in the group; or in it only as of the next login (*later). */
bool doctor_may(bool *later);

#endif
