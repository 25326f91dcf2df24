/* SPDX-License-Identifier: Apache-2.0 */
/* base/scan.h - a cursor over text that needs no terminator: what every parser of the core reads with. A function that
 * does not find what it wants leaves the cursor where it was; none ever looks at or past `end`. A NUL is a character
 * like others. */
#ifndef CONC_BASE_SCAN_H
#define CONC_BASE_SCAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct conc_scan {
    const char *at, *end;       /* [borrowed] */
};

static inline struct conc_scan
conc_scan_over(const char *text, size_t length)
{
    return (struct conc_scan){text, text + length};
}

/* Takes `wanted` if it is next. */
static inline bool
conc_scan_char(struct conc_scan *scan, char wanted)
{
    if (scan->at == scan->end || *scan->at != wanted)
        return false;
    scan->at++;
    return true;
}

/* Takes all of `word`, or nothing. */
bool conc_scan_word(struct conc_scan *scan, const char *word);

/* Takes spaces and tabs; whether there were any. */
bool conc_scan_blanks(struct conc_scan *scan);

/* Takes what stands before the next blank, newline or the end; whether that was anything. */
bool conc_scan_field(struct conc_scan *scan);

/* Takes a whole decimal number, 1*digit, that is at most `most`: 0, or -EBADMSG when there is none or a larger one. */
int conc_scan_number(struct conc_scan *scan, uint64_t most, uint64_t *number);

/* Takes the rest of a line that counts memory as the kernel does, "   123 kB": 0 with *bytes, or -EBADMSG. */
int conc_scan_kib(struct conc_scan *line, int64_t *bytes);

/* Whether nothing is left but at most one newline, which is taken. */
bool conc_scan_end(struct conc_scan *scan);

/* Takes a line with its newline; *line is it without. False at the end. */
bool conc_scan_line(struct conc_scan *scan, struct conc_scan *line);

#endif
