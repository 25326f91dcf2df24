/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz_proc_cgroup.c - conc_proc_next_cgroup() against a reading line by line with strtok(). */
#include <errno.h>

#include "fuzz.h"
#include "os/proc_text.h"

/* Whether a line without NULs names a group that counts; then its version and path [borrowed from line]. */
static bool
reference(const char *line, int *version, const char **path)
{
    big hierarchy;
    size_t digits = slow_digits(line, 0, &hierarchy);
    const char *controllers = line + digits + 1;
    if (digits == 0 || hierarchy > UINT64_MAX || line[digits] != ':')
        return false;
    const char *colon = strchr(controllers, ':');
    if (colon == NULL || colon[1] != '/')
        return false;
    size_t length = (size_t)(colon - controllers);
    *version = length == 0 ? 2 : length == 6 && memcmp(controllers, "memory", 6) == 0 ? 1 : 0;
    *path = colon + 1;
    char *copy = strdup(*path);
    REQUIRE(copy != NULL);
    bool up = false;
    for (char *part = strtok(copy, "/"); part != NULL; part = strtok(NULL, "/"))
        up |= strcmp(part, "..") == 0;
    free(copy);
    return *version != 0 && !up;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (memchr(data, 0, size) != NULL)
        return 0;
    struct slow copy = slow_copy(data, size);
    struct conc_scan lines = conc_scan_over((const char *)data, size);
    struct conc_proc_cgroup group;
    size_t at = 0, next = 0;
    for (char *line = slow_line(copy, at, &next); line != NULL; line = slow_line(copy, at, &next)) {
        int version;
        const char *path;
        if (reference(line, &version, &path)) {
            REQUIRE(conc_proc_next_cgroup(&lines, &group));
            REQUIRE(group.version == version);
            REQUIRE(group.length == strlen(path) && memcmp(group.path, path, group.length) == 0);
            REQUIRE(group.path >= (const char *)data && group.path + group.length <= (const char *)data + size);
        }
        free(line);
        at = next;
    }
    REQUIRE(!conc_proc_next_cgroup(&lines, &group));
    REQUIRE(lines.at == lines.end);
    free(copy.text);
    return 0;
}
