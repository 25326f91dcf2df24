/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz_cpulist.c - topology/cpulist.h against a reading item by item; what is written from the set reads as the set. */
#include "topology/cpulist.h"

#include <errno.h>

#include "fuzz.h"

static bool member[CONC_CPU_LIMIT];
static size_t member_count;

/* Whether the text is a list, and then its members. */
static bool
reference(const char *text, size_t length)
{
    memset(member, 0, sizeof(member));
    member_count = 0;
    if (length > 0 && text[length - 1] == '\n')
        length--;
    size_t at = 0;
    while (length > 0) {
        big first, last;
        size_t digits = slow_digits(text, at, &first);
        if (digits == 0)
            return false;
        at += digits;
        last = first;
        if (text[at] == '-') {
            digits = slow_digits(text, at + 1, &last);
            if (digits == 0)
                return false;
            at += 1 + digits;
        }
        if (last < first || last >= CONC_CPU_LIMIT)
            return false;
        for (big id = first; id <= last; id++) {
            member_count += !member[id];
            member[id] = true;
        }
        if (at == length)
            return true;
        if (text[at++] != ',')
            return false;
    }
    return true;
}

static void
check_round_trip(const struct conc_bitset *set)
{
    struct conc_bitset again = {0};
    size_t room = 16 * conc_bitset_count(set) + 1, length = 0;
    char *text = malloc(room);
    REQUIRE(text != NULL);
    for (size_t id = conc_bitset_next(set, 0); id != CONC_BITSET_END; id = conc_bitset_next(set, id + 1)) {
        size_t last = id;
        while (conc_bitset_has(set, last + 1))
            last++;
        length += (size_t)snprintf(text + length, room - length, "%s%zu-%zu", length > 0 ? "," : "", id, last);
        id = last;
    }
    REQUIRE(conc_cpulist_parse(text, length, &again) == 0);
    REQUIRE(conc_bitset_equal(set, &again));
    REQUIRE(conc_cpulist_parse(text, length, &again) == 0);
    REQUIRE(conc_bitset_equal(set, &again));
    conc_bitset_clear(&again);
    free(text);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct conc_bitset set = {0};
    struct slow copy = slow_copy(data, size);
    int err = conc_cpulist_parse((const char *)data, size, &set);
    REQUIRE(err == 0 || err == -EBADMSG);
    REQUIRE(conc_bitset_next(&set, CONC_CPU_LIMIT) == CONC_BITSET_END);
    REQUIRE((err == 0) == reference(copy.text, size));
    if (err == 0) {
        REQUIRE(conc_bitset_count(&set) == member_count);
        for (size_t id = conc_bitset_next(&set, 0); id != CONC_BITSET_END; id = conc_bitset_next(&set, id + 1))
            REQUIRE(member[id]);
        check_round_trip(&set);
    }
    conc_bitset_clear(&set);
    free(copy.text);
    return 0;
}
