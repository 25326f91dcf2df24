/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz_task_schedstat.c - conc_proc_run_delay() and conc_proc_schedstat() against three sums of 128 bits; what it reads
 * reads the same when written. */
#include <errno.h>
#include <inttypes.h>

#include "fuzz.h"
#include "os/proc_text.h"

static int
reference(struct slow text, big *number)
{
    static const char ends[] = "  \n";
    static const big most[] = {INT64_MAX, INT64_MAX, UINT64_MAX};
    size_t at = 0;
    for (int i = 0; i < 3; i++) {
        size_t digits = slow_digits(text.text, at, &number[i]);
        at += digits;
        if (digits == 0 || number[i] > most[i] || text.text[at++] != ends[i])
            return -EBADMSG;
    }
    if (at != text.length)
        return -EBADMSG;
    return number[0] == 0 && number[1] == 0 && number[2] == 0 ? -ENODATA : 0;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slow copy = slow_copy(data, size);
    int64_t ns = 7, again, cpu_ns = 7, delay_ns = 7;
    big expected[3];
    int err = conc_proc_run_delay((const char *)data, size, &ns);
    REQUIRE(err == reference(copy, expected));
    REQUIRE(ns == (err == 0 ? (int64_t)expected[1] : 7));
    REQUIRE(conc_proc_schedstat((const char *)data, size, &cpu_ns, &delay_ns) == err);
    REQUIRE(delay_ns == ns && cpu_ns == (err == 0 ? (int64_t)expected[0] : 7));
    char text[64];
    int length = snprintf(text, sizeof(text), "1 %" PRId64 " 1\n", ns);
    REQUIRE(conc_proc_run_delay(text, (size_t)length, &again) == 0 && again == ns);
    for (int cut = 0; cut < length; cut++)
        REQUIRE(conc_proc_run_delay(text, (size_t)cut, &again) == -EBADMSG);
    free(copy.text);
    return 0;
}
