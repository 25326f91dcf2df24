/* SPDX-License-Identifier: Apache-2.0 */
/* os/linux/memory_limit.c - /proc/meminfo, and the memory files of the control groups, version 1 and 2 (cgroups(7)),
 * from the process's own group up to the root: any of them may be the tightest. */
#include "os/memory_limit.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "os/file.h"

#define TEXT_SIZE 16384
#define PATH_SIZE 4096

struct controller {
    const char *mount;          /* below the root folder */
    const char *limit, *usage, *droppable;
};

static const struct controller version_1 = {
    "sys/fs/cgroup/memory", "memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file",
};
static const struct controller version_2 = {
    "sys/fs/cgroup", "memory.max", "memory.current", "inactive_file",
};

/* The number after `key` at the start of a line of "key number" or "key: number". */
static bool
find_number(const char *text, const char *key, uint64_t *value)
{
    size_t length = strlen(key);
    for (const char *line = text; line != NULL; line = strchr(line, '\n')) {
        line += *line == '\n';
        if (strncmp(line, key, length) == 0 && (line[length] == ' ' || line[length] == ':')) {
            *value = strtoull(line + length + 1, NULL, 10);
            return true;
        }
    }
    return false;
}

static bool
read_number(int root, const char *folder, const char *name, uint64_t *value)
{
    char path[PATH_SIZE + 64], text[64];
    snprintf(path, sizeof(path), "%s/%s", folder, name);
    if (conc_file_read(root, path, text, sizeof(text)) <= 0)
        return false;
    char *end;
    *value = strtoull(text, &end, 10);
    return end != text;         /* "max" is no number: no limit */
}

static void
tighten_by_group(int root, const struct controller *controller, const char *folder, uint64_t *least)
{
    uint64_t limit, usage, droppable = 0;
    if (!read_number(root, folder, controller->limit, &limit) ||
        !read_number(root, folder, controller->usage, &usage))
        return;
    char path[PATH_SIZE + 64], text[TEXT_SIZE];
    snprintf(path, sizeof(path), "%s/memory.stat", folder);
    if (conc_file_read(root, path, text, sizeof(text)) > 0)
        (void)find_number(text, controller->droppable, &droppable);
    uint64_t held = usage > droppable ? usage - droppable : 0;
    uint64_t left = limit > held ? limit - held : 0;
    if (left < *least)
        *least = left;
}

/* `group` is the path of the process's group, as /proc/self/cgroup has it. */
static void
tighten_by_groups(int root, const struct controller *controller, const char *group, uint64_t *least)
{
    char folder[PATH_SIZE];
    int length = snprintf(folder, sizeof(folder), "%s%s", controller->mount, group);
    if (length < 0 || (size_t)length >= sizeof(folder) || strstr(group, "..") != NULL)
        return;
    size_t top = strlen(controller->mount);
    for (;;) {
        tighten_by_group(root, controller, folder, least);
        char *slash = strrchr(folder, '/');
        if (slash == NULL || (size_t)(slash - folder) < top)
            return;
        *slash = '\0';
    }
}

int
conc_memory_available(uint64_t *bytes)
{
    int root = conc_root_open("/");
    if (root < 0)
        return root;
    char text[TEXT_SIZE];
    uint64_t least = UINT64_MAX, kib;
    if (conc_file_read(root, "proc/meminfo", text, sizeof(text)) > 0 && find_number(text, "MemAvailable", &kib))
        least = kib * 1024;
    if (conc_file_read(root, "proc/self/cgroup", text, sizeof(text)) > 0) {
        char *rest = text;
        for (char *line = strsep(&rest, "\n"); line != NULL; line = strsep(&rest, "\n")) {
            char *controllers = strchr(line, ':');
            char *group = controllers == NULL ? NULL : strchr(controllers + 1, ':');
            if (group == NULL)
                continue;
            *group++ = '\0';
            if (strcmp(controllers + 1, "") == 0)
                tighten_by_groups(root, &version_2, group, &least);
            else if (strcmp(controllers + 1, "memory") == 0)
                tighten_by_groups(root, &version_1, group, &least);
        }
    }
    conc_root_close(root);
    if (least == UINT64_MAX)
        return -ENODATA;
    *bytes = least;
    return 0;
}
