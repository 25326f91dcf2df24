/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz_node_meminfo.c - conc_sysfs_parse_meminfo() against a reading line by line. */
#include <errno.h>

#include "fuzz.h"
#include "topology/sysfs_text.h"

/* What the line says of `key`: 1 and *bytes, 0 when it is about something else, -1 when it is not in the format. */
static int
reference_line(const char *line, size_t length, const char *key, int64_t *bytes)
{
    big node, kib;
    size_t at = 5, digits;
    if (strncmp(line, "Node ", 5) != 0 || (digits = slow_digits(line, at, &node)) == 0 || node > UINT64_MAX)
        return 0;
    at += digits;
    if (line[at] != ' ' || strncmp(line + at + 1, key, strlen(key)) != 0 || line[at + 1 + strlen(key)] != ':')
        return 0;
    at += 2 + strlen(key);
    at += strspn(line + at, " \t");
    digits = slow_digits(line, at, &kib);
    if (digits == 0 || kib * 1024 > INT64_MAX || strcmp(line + at + digits, " kB") != 0 || length != at + digits + 3)
        return -1;
    *bytes = (int64_t)(kib * 1024);
    return 1;
}

static int
reference(struct slow text, const char *key, int64_t *bytes)
{
    size_t at = 0, next = 0;
    *bytes = CONC_UNKNOWN;
    for (char *line = slow_line(text, at, &next); line != NULL; line = slow_line(text, at, &next)) {
        size_t length = next - at - (text.text[next - 1] == '\n');
        int said = reference_line(line, length, key, bytes);
        free(line);
        if (said != 0)
            return said > 0 ? 0 : -EBADMSG;
        at = next;
    }
    return 0;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const keys[] = {"MemTotal", "MemFree"};
    struct slow copy = slow_copy(data, size);
    for (size_t i = 0; i < 2; i++) {
        int64_t bytes = 7, expected;
        int err = conc_sysfs_parse_meminfo((const char *)data, size, keys[i], &bytes);
        REQUIRE(err == reference(copy, keys[i], &expected));
        REQUIRE(err != 0 || bytes == expected);
        REQUIRE(bytes == CONC_UNKNOWN || (bytes >= 0 && bytes % 1024 == 0));
    }
    free(copy.text);
    return 0;
}
