/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz_node_distance.c - conc_sysfs_parse_distances() against a reading with strtok(); the first byte says how many are
 * wanted. */
#include <errno.h>
#include <limits.h>

#include "fuzz.h"
#include "topology/sysfs_text.h"

#define MOST 8

static bool
reference(char *text, size_t length, size_t count, int64_t *distance)
{
    size_t found = 0;
    if (strlen(text) != length)
        return false;
    if (length > 0 && text[length - 1] == '\n')
        text[--length] = '\0';
    if (strspn(text, "0123456789 \t") != length || text[0] == ' ' || text[0] == '\t')
        return false;
    for (char *word = strtok(text, " \t"); word != NULL; word = strtok(NULL, " \t"), found++) {
        big value;
        (void)slow_digits(word, 0, &value);
        if (found == count || value > INT_MAX)
            return false;
        distance[found] = (int64_t)value;
    }
    return found == count;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    size_t count = 1 + data[0] % MOST;
    struct slow copy = slow_copy(data + 1, size - 1);
    int64_t expected[MOST], *distance = malloc(count * sizeof(*distance));
    REQUIRE(distance != NULL);
    int err = conc_sysfs_parse_distances((const char *)data + 1, size - 1, distance, count);
    REQUIRE(err == (reference(copy.text, copy.length, count, expected) ? 0 : -EBADMSG));
    for (size_t i = 0; err == 0 && i < count; i++)
        REQUIRE(distance[i] == expected[i]);
    free(distance);
    free(copy.text);
    return 0;
}
