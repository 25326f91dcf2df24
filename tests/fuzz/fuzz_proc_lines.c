/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz_proc_lines.c - conc_proc_kib_line(), conc_proc_number_line() and conc_proc_count_line() against a reading line
 * by line. A count in a text that was cut is that of the whole, or none. Slow: runs / 5. */
#include <errno.h>

#include "fuzz.h"
#include "os/proc_text.h"

struct form {
    const char *mark;               /* behind the key */
    const char *blanks;             /* that may follow */
    const char *unit;               /* behind the number */
    big most;
    bool whole;                     /* the line must end with a newline */
};

static const struct form kib = {":", " \t", " kB", INT64_MAX / 1024, false};
static const struct form plain = {" ", "", "", UINT64_MAX, false};
static const struct form count = {":\t", "", "", INT64_MAX, true};

/* The first line "<key><mark><blanks><number><unit>", as 0 and *number, -ENODATA or -EBADMSG. */
static int
reference(struct slow text, const char *key, const struct form *form, big *number)
{
    size_t at = 0, next = 0, name = strlen(key), mark = strlen(form->mark);
    for (char *line = slow_line(text, at, &next); line != NULL; line = slow_line(text, at, &next)) {
        bool ended = text.text[next - 1] == '\n';
        size_t length = next - at - ended;
        bool wanted = strncmp(line, key, name) == 0 && strncmp(line + name, form->mark, mark) == 0;
        size_t from = wanted ? name + mark : 0;
        from += wanted ? strspn(line + from, form->blanks) : 0;
        size_t digits = slow_digits(line, from, number);
        bool good = digits > 0 && from + digits + strlen(form->unit) == length &&
                    strcmp(line + from + digits, form->unit) == 0 && *number <= form->most && (ended || !form->whole);
        free(line);
        if (wanted)
            return good ? 0 : -EBADMSG;
        at = next;
    }
    return -ENODATA;
}

static void
check_counts(const char *data, size_t size, struct slow copy, const char *key)
{
    int64_t number = 7, of_part = 7;
    big expected;
    int err = conc_proc_count_line(data, size, key, &number);
    REQUIRE(err == reference(copy, key, &count, &expected));
    REQUIRE(number == (err == 0 ? (int64_t)expected : 7));
    for (size_t cut = size; cut > 0 && cut + 24 > size; cut--) {
        if (conc_proc_count_line(data, cut - 1, key, &of_part) == 0)
            REQUIRE(err == 0 && of_part == number);
    }
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const keys[] = {"MemAvailable", "VmHWM", "inactive_file", "voluntary_ctxt_switches"};
    struct slow copy = slow_copy(data, size);
    for (size_t i = 0; i < sizeof(keys) / sizeof(*keys); i++) {
        int64_t bytes = 7;
        uint64_t number = 7;
        big expected;
        int err = conc_proc_kib_line((const char *)data, size, keys[i], &bytes);
        REQUIRE(err == reference(copy, keys[i], &kib, &expected));
        REQUIRE(bytes == (err == 0 ? (int64_t)(expected * 1024) : 7));
        err = conc_proc_number_line((const char *)data, size, keys[i], &number);
        REQUIRE(err == reference(copy, keys[i], &plain, &expected));
        REQUIRE(number == (err == 0 ? (uint64_t)expected : 7));
        check_counts((const char *)data, size, copy, keys[i]);
    }
    free(copy.text);
    return 0;
}
