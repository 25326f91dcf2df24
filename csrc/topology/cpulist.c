/* SPDX-License-Identifier: Apache-2.0 */
/* topology/cpulist.c - see the header. */
#include "topology/cpulist.h"

#include <errno.h>

struct cursor {
    const char *at, *end;
};

static bool
accept(struct cursor *c, char wanted)
{
    if (c->at == c->end || *c->at != wanted)
        return false;
    c->at++;
    return true;
}

static int
parse_number(struct cursor *c, size_t *number)
{
    const char *start = c->at;
    size_t value = 0;
    while (c->at != c->end && *c->at >= '0' && *c->at <= '9') {
        value = value * 10 + (size_t)(*c->at++ - '0');
        if (value >= CONC_CPU_LIMIT)
            return -EBADMSG;
    }
    *number = value;
    return c->at == start ? -EBADMSG : 0;
}

static int
parse_item(struct cursor *c, struct conc_bitset *set)
{
    size_t first, last;
    int err = parse_number(c, &first);
    if (err != 0)
        return err;
    last = first;
    if (accept(c, '-'))
        err = parse_number(c, &last);
    if (err != 0)
        return err;
    return last < first ? -EBADMSG : conc_bitset_add_range(set, first, last);
}

int
conc_cpulist_parse(const char *text, size_t length, struct conc_bitset *set)
{
    struct cursor c = {text, text + length};
    if (length > 0 && c.end[-1] == '\n')
        c.end--;
    if (c.at == c.end)
        return 0;
    do {
        int err = parse_item(&c, set);
        if (err != 0)
            return err;
    } while (accept(&c, ','));
    return c.at == c.end ? 0 : -EBADMSG;
}
