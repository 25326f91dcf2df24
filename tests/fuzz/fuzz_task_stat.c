/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz_task_stat.c - conc_proc_state_letter(), conc_proc_times_of() and conc_proc_place_of(): any bytes as the whole line,
 * and any bytes as the name of the command in a line that is right, where they must not matter. The ticks that were read
 * then divide a time as fractions of 128 bits would, but for the last of 29 bits. */
#include <ctype.h>
#include <errno.h>

#include "fuzz.h"
#include "os/proc_text.h"

static bool
reference_letter(struct slow text, char *letter)
{
    size_t at = text.length;
    while (at > 0 && text.text[at - 1] != ')')
        at--;
    if (at == 0 || text.length - at < 3 || text.text[at] != ' ' || text.text[at + 2] != ' ')
        return false;
    *letter = text.text[at + 1];
    return isascii(*letter) && isalpha((unsigned char)*letter);
}

/* Fields behind the letter, each with one blank after it, as `plan` has them: '.' to pass over, '#' a number, which may be
 * at most what `most` has for it. */
static bool
reference_fields(struct slow text, const char *plan, const int64_t *most, int64_t *number)
{
    size_t at = text.length, found = 0;
    while (at > 0 && text.text[at - 1] != ')')
        at--;
    at += 3;
    for (const char *step = plan; *step != '\0'; step++) {
        big value;
        size_t end = at;
        while (end < text.length && strchr(" \t\n", text.text[end] != '\0' ? text.text[end] : 'x') == NULL)
            end++;
        size_t digits = slow_digits(text.text, at, &value);
        if (end == at || end == text.length || text.text[end] != ' ')
            return false;
        if (*step == '#' && (digits != end - at || value > (big)most[found]))
            return false;
        if (*step == '#')
            number[found++] = (int64_t)value;
        at = end + 1;
    }
    return true;
}

static bool
reference_times(struct slow text, int64_t *number)
{
    static const int64_t most[] = {INT64_MAX, INT64_MAX, CONC_PROC_TICKS_MAX, CONC_PROC_TICKS_MAX};
    return reference_fields(text, "......#.#.##", most, number);
}

/* The start and the CPU, which stand 18 and 16 fields further. */
static bool
reference_place(struct slow text, int64_t *number)
{
    static const int64_t most[] = {INT64_MAX, INT32_MAX};
    return reference_fields(text, "..................#................#", most, number);
}

static void
check_place(const uint8_t *data, size_t size, struct slow copy, char letter)
{
    struct conc_proc_place place = {'?', -1, -1};
    int64_t number[2] = {-1, -1};
    bool has_place = letter != '?' && reference_place(copy, number);
    REQUIRE(conc_proc_place_of((const char *)data, size, &place) == (has_place ? 0 : -EBADMSG));
    REQUIRE(place.letter == (has_place ? letter : '?') && place.start_ticks == (has_place ? number[0] : -1) &&
            place.cpu == (has_place ? number[1] : -1));
}

static void
check_share(int64_t total, const struct conc_proc_times *times)
{
    big user = (big)times->user_ticks, sum = user + (big)times->system_ticks;
    big exact = times->system_ticks == 0 ? (big)total : (big)total * user / sum;
    int64_t share = conc_proc_user_share(total, times);
    REQUIRE(share >= 0 && share <= total);
    big error = (big)share > exact ? (big)share - exact : exact - (big)share;
    REQUIRE(error <= (big)total / (1 << 29) + 1);
}

static void
check_as_line(const uint8_t *data, size_t size)
{
    struct slow copy = slow_copy(data, size);
    char letter = '?', expected;
    struct conc_proc_times times = {-1, -1, -1, -1};
    int err = conc_proc_state_letter((const char *)data, size, &letter);
    REQUIRE(err == (reference_letter(copy, &expected) ? 0 : -EBADMSG));
    REQUIRE(letter == (err == 0 ? expected : '?'));
    int64_t number[4] = {-1, -1, -1, -1};
    bool has_times = err == 0 && reference_times(copy, number);
    REQUIRE(conc_proc_times_of((const char *)data, size, &times) == (has_times ? 0 : -EBADMSG));
    if (has_times) {
        REQUIRE(times.minor_faults == number[0] && times.major_faults == number[1] && times.user_ticks == number[2] &&
                times.system_ticks == number[3]);
        check_share(times.minor_faults, &times);
        check_share(INT64_MAX, &times);
    }
    else {
        REQUIRE(times.minor_faults == -1 && times.system_ticks == -1);
    }
    check_place(data, size, copy, letter);
    free(copy.text);
}

static void
check_as_name(const uint8_t *data, size_t size)
{
    static const char head[] = "7 (", tail[] = ") t 1 -7 7 0 -1 4194304 10 5 12 1 14 15 0 0 20 0 1\n";
    size_t length = sizeof(head) - 1 + size + sizeof(tail) - 1;
    char *line = malloc(length), letter;
    REQUIRE(line != NULL);
    memcpy(line, head, sizeof(head) - 1);
    if (size > 0)
        memcpy(line + sizeof(head) - 1, data, size);
    memcpy(line + length - (sizeof(tail) - 1), tail, sizeof(tail) - 1);
    struct conc_proc_times times;
    REQUIRE(conc_proc_state_letter(line, length, &letter) == 0 && letter == 't');
    REQUIRE(conc_proc_times_of(line, length, &times) == 0);
    REQUIRE(times.minor_faults == 10 && times.major_faults == 12 && times.user_ticks == 14 && times.system_ticks == 15);
    free(line);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    check_as_line(data, size);
    check_as_name(data, size);
    return 0;
}
