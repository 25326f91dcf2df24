/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz_proc_lines.c - conc_proc_kib_line() and conc_proc_number_line() against a reading line by line.
 * Slow: runs / 5. */
#include <errno.h>

#include "fuzz.h"
#include "os/proc_text.h"

/* The first line "<key><mark><blanks if with_kb><number>[ kB]", as 0 and *number, -ENODATA or -EBADMSG. */
static int
reference(struct slow text, const char *key, bool with_kb, big *number)
{
    size_t at = 0, next = 0, name = strlen(key);
    for (char *line = slow_line(text, at, &next); line != NULL; line = slow_line(text, at, &next)) {
        size_t length = next - at - (text.text[next - 1] == '\n');
        bool wanted = strncmp(line, key, name) == 0 && line[name] == (with_kb ? ':' : ' ');
        size_t from = wanted ? name + 1 : 0;
        from += wanted && with_kb ? strspn(line + from, " \t") : 0;
        size_t digits = slow_digits(line, from, number);
        const char *unit = with_kb ? " kB" : "";
        bool good = digits > 0 && from + digits + strlen(unit) == length && strcmp(line + from + digits, unit) == 0 &&
                    *number <= (with_kb ? (big)INT64_MAX / 1024 : (big)UINT64_MAX);
        free(line);
        if (wanted)
            return good ? 0 : -EBADMSG;
        at = next;
    }
    return -ENODATA;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const keys[] = {"MemAvailable", "VmHWM", "inactive_file"};
    struct slow copy = slow_copy(data, size);
    for (size_t i = 0; i < sizeof(keys) / sizeof(*keys); i++) {
        int64_t bytes = 7;
        uint64_t number = 7;
        big expected;
        int err = conc_proc_kib_line((const char *)data, size, keys[i], &bytes);
        REQUIRE(err == reference(copy, keys[i], true, &expected));
        REQUIRE(bytes == (err == 0 ? (int64_t)(expected * 1024) : 7));
        err = conc_proc_number_line((const char *)data, size, keys[i], &number);
        REQUIRE(err == reference(copy, keys[i], false, &expected));
        REQUIRE(number == (err == 0 ? (uint64_t)expected : 7));
    }
    free(copy.text);
    return 0;
}
