/* SPDX-License-Identifier: Apache-2.0 */
/* os/linux/memory_limit.c - /proc/meminfo, and the memory files of the control groups, version 1 and 2 (cgroups(7)),
 * from the process's own group up to the root: any of them may be the tightest. */
#include "os/memory_limit.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "os/file.h"
#include "os/proc_text.h"

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

/* Whether the file holds a limit or an amount, and not "max". */
static bool
read_number(int root, const char *folder, const char *name, uint64_t *value)
{
    char path[PATH_SIZE + 64], text[64];
    snprintf(path, sizeof(path), "%s/%s", folder, name);
    ssize_t n = conc_file_read(root, path, text, sizeof(text));
    return n > 0 && conc_proc_number(text, (size_t)n, value) == 0;
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
    ssize_t n = conc_file_read(root, path, text, sizeof(text));
    if (n > 0)
        (void)conc_proc_number_line(text, (size_t)n, controller->droppable, &droppable);
    uint64_t held = usage > droppable ? usage - droppable : 0;
    uint64_t left = limit > held ? limit - held : 0;
    if (left < *least)
        *least = left;
}

/* By the group of the process and by those above it. */
static void
tighten_by_groups(int root, const struct conc_proc_cgroup *group, uint64_t *least)
{
    const struct controller *controller = group->version == 2 ? &version_2 : &version_1;
    char folder[PATH_SIZE];
    if (group->length >= sizeof(folder))
        return;
    int length = snprintf(folder, sizeof(folder), "%s%.*s", controller->mount, (int)group->length, group->path);
    if (length < 0 || (size_t)length >= sizeof(folder))
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
    uint64_t least = UINT64_MAX;
    int64_t available;
    ssize_t n = conc_file_read(root, "proc/meminfo", text, sizeof(text));
    if (n > 0 && conc_proc_kib_line(text, (size_t)n, "MemAvailable", &available) == 0)
        least = (uint64_t)available;
    n = conc_file_read(root, "proc/self/cgroup", text, sizeof(text));
    struct conc_scan lines = conc_scan_over(text, n > 0 ? (size_t)n : 0);
    struct conc_proc_cgroup group;
    while (conc_proc_next_cgroup(&lines, &group))
        tighten_by_groups(root, &group, &least);
    conc_root_close(root);
    if (least == UINT64_MAX)
        return -ENODATA;
    *bytes = least;
    return 0;
}
