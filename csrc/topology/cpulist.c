/* SPDX-License-Identifier: Apache-2.0 */
/* topology/cpulist.c - see the header. */
#include "topology/cpulist.h"

#include <errno.h>

#include "base/scan.h"

static int
parse_item(struct conc_scan *scan, struct conc_bitset *set)
{
    uint64_t first, last;
    int err = conc_scan_number(scan, CONC_CPU_LIMIT - 1, &first);
    if (err != 0)
        return err;
    last = first;
    if (conc_scan_char(scan, '-'))
        err = conc_scan_number(scan, CONC_CPU_LIMIT - 1, &last);
    if (err != 0)
        return err;
    return last < first ? -EBADMSG : conc_bitset_add_range(set, (size_t)first, (size_t)last);
}

int
conc_cpulist_parse(const char *text, size_t length, struct conc_bitset *set)
{
    struct conc_scan scan = conc_scan_over(text, length);
    if (conc_scan_end(&scan))
        return 0;
    do {
        int err = parse_item(&scan, set);
        if (err != 0)
            return err;
    } while (conc_scan_char(&scan, ','));
    return conc_scan_end(&scan) ? 0 : -EBADMSG;
}
