/* SPDX-License-Identifier: Apache-2.0 */
/* topology/sysfs_text.c - see the header. */
#include "topology/sysfs_text.h"

#include <errno.h>
#include <limits.h>

#include "base/scan.h"

static int
take_shift(struct conc_scan *scan)
{
    return conc_scan_char(scan, 'K') ? 10 : conc_scan_char(scan, 'M') ? 20 : conc_scan_char(scan, 'G') ? 30 : 0;
}

int
conc_sysfs_parse_number(const char *text, size_t length, int64_t *value)
{
    struct conc_scan scan = conc_scan_over(text, length);
    bool negative = conc_scan_char(&scan, '-');
    uint64_t number;
    if (conc_scan_number(&scan, INT64_MAX, &number) != 0)
        return -EBADMSG;
    int shift = take_shift(&scan);
    if (!conc_scan_end(&scan) || number > (uint64_t)INT64_MAX >> shift)
        return -EBADMSG;
    *value = negative && number > 0 ? CONC_UNKNOWN : (int64_t)(number << shift);
    return 0;
}

/* Whether the line is "Node <number> <key>:", and then the cursor is behind that. */
static bool
take_key(struct conc_scan *line, const char *key)
{
    uint64_t node;
    return conc_scan_word(line, "Node ") && conc_scan_number(line, UINT64_MAX, &node) == 0 &&
           conc_scan_char(line, ' ') && conc_scan_word(line, key) && conc_scan_char(line, ':');
}

int
conc_sysfs_parse_meminfo(const char *text, size_t length, const char *key, int64_t *bytes)
{
    struct conc_scan scan = conc_scan_over(text, length), line;
    *bytes = CONC_UNKNOWN;
    while (conc_scan_line(&scan, &line)) {
        if (!take_key(&line, key))
            continue;
        return conc_scan_kib(&line, bytes);
    }
    return 0;
}

int
conc_sysfs_parse_distances(const char *text, size_t length, int64_t *distance, size_t count)
{
    struct conc_scan scan = conc_scan_over(text, length);
    for (size_t i = 0; i < count; i++) {
        uint64_t value;
        if (i > 0 && !conc_scan_blanks(&scan))
            return -EBADMSG;
        if (conc_scan_number(&scan, INT_MAX, &value) != 0)
            return -EBADMSG;
        distance[i] = (int64_t)value;
    }
    (void)conc_scan_blanks(&scan);      /* some kernels end the line with one */
    return conc_scan_end(&scan) ? 0 : -EBADMSG;
}

int
conc_sysfs_parse_cache_type(const char *text, size_t length, enum conc_cache_type *type)
{
    static const char *const names[] = {
        [CONC_CACHE_DATA] = "Data", [CONC_CACHE_INSTRUCTION] = "Instruction", [CONC_CACHE_UNIFIED] = "Unified",
    };
    for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
        struct conc_scan scan = conc_scan_over(text, length);
        if (conc_scan_word(&scan, names[i]) && conc_scan_end(&scan)) {
            *type = (enum conc_cache_type)i;
            return 0;
        }
    }
    return -EBADMSG;
}
