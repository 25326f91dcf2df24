/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz_proc_steal.c - conc_proc_steal(): what it says of the whole text it says of a part that it was cut to, or
 * nothing; and what stands in other lines does not matter. Slow: runs / 5. */
#include <errno.h>

#include "fuzz.h"
#include "os/proc_text.h"

#define CPUS 12

static void
check_cuts(const uint8_t *data, size_t size, size_t cpu)
{
    int64_t whole = 7;
    int err = conc_proc_steal((const char *)data, size, cpu, &whole);
    REQUIRE(err == 0 || err == -EBADMSG || err == -ENODATA);
    REQUIRE(whole >= 0 && (err == 0 || whole == 7));
    for (size_t cut = 0; cut < size && cut < 256; cut++) {
        int64_t part = 7;
        if (conc_proc_steal((const char *)data, cut, cpu, &part) == 0)
            REQUIRE(err == 0 && part == whole);
    }
}

/* Any lines, none of them of a CPU, before the line that is looked for. */
static void
check_among_others(const uint8_t *data, size_t size)
{
    static const char line[] = "\ncpu3 1 2 3 4 5 6 7 88 9 10\n";
    char *text = malloc(size + sizeof(line) - 1);
    int64_t ticks = 7;
    REQUIRE(text != NULL);
    for (size_t i = 0; i < size; i++)
        text[i] = data[i] == 'c' ? 'C' : (char)data[i];
    memcpy(text + size, line, sizeof(line) - 1);
    REQUIRE(conc_proc_steal(text, size + sizeof(line) - 1, 3, &ticks) == 0 && ticks == 88);
    free(text);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    for (size_t cpu = 0; cpu < CPUS; cpu += 5)
        check_cuts(data, size, cpu);
    check_among_others(data, size);
    return 0;
}
