/* SPDX-License-Identifier: Apache-2.0 */
/* base/scan.c - see the header. */
#include "base/scan.h"

#include <errno.h>
#include <string.h>

bool
conc_scan_word(struct conc_scan *scan, const char *word)
{
    size_t length = strlen(word);
    if ((size_t)(scan->end - scan->at) < length || memcmp(scan->at, word, length) != 0)
        return false;
    scan->at += length;
    return true;
}

bool
conc_scan_blanks(struct conc_scan *scan)
{
    const char *start = scan->at;
    while (scan->at != scan->end && (*scan->at == ' ' || *scan->at == '\t'))
        scan->at++;
    return scan->at != start;
}

bool
conc_scan_field(struct conc_scan *scan)
{
    const char *start = scan->at;
    while (scan->at != scan->end && *scan->at != ' ' && *scan->at != '\t' && *scan->at != '\n')
        scan->at++;
    return scan->at != start;
}

int
conc_scan_number(struct conc_scan *scan, uint64_t most, uint64_t *number)
{
    const char *at = scan->at;
    uint64_t value = 0;
    for (; at != scan->end && *at >= '0' && *at <= '9'; at++) {
        uint64_t digit = (uint64_t)(*at - '0');
        if (digit > most || value > (most - digit) / 10)
            return -EBADMSG;
        value = value * 10 + digit;
    }
    if (at == scan->at)
        return -EBADMSG;
    scan->at = at;
    *number = value;
    return 0;
}

bool
conc_scan_end(struct conc_scan *scan)
{
    struct conc_scan rest = *scan;
    (void)conc_scan_char(&rest, '\n');
    if (rest.at != rest.end)
        return false;
    *scan = rest;
    return true;
}

int
conc_scan_kib(struct conc_scan *line, int64_t *bytes)
{
    uint64_t kib;
    (void)conc_scan_blanks(line);
    if (conc_scan_number(line, INT64_MAX / 1024, &kib) != 0 || !conc_scan_word(line, " kB") || line->at != line->end)
        return -EBADMSG;
    *bytes = (int64_t)kib * 1024;
    return 0;
}

bool
conc_scan_line(struct conc_scan *scan, struct conc_scan *line)
{
    if (scan->at == scan->end)
        return false;
    const char *newline = memchr(scan->at, '\n', (size_t)(scan->end - scan->at));
    *line = (struct conc_scan){scan->at, newline != NULL ? newline : scan->end};
    scan->at = newline != NULL ? newline + 1 : scan->end;
    return true;
}
