/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz_task_children.c - conc_proc_next_child() against strtok()'s idea of numbers and blanks. */
#include "fuzz.h"
#include "os/proc_text.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slow copy = slow_copy(data, size);
    struct conc_scan scan = conc_scan_over((const char *)data, size);
    size_t at = 0;
    int pid = -1;
    for (;;) {
        big number;
        size_t digits = slow_digits(copy.text, at, &number);
        bool whole = digits > 0 && number <= INT32_MAX && at + digits < size && copy.text[at + digits] == ' ';
        REQUIRE(conc_proc_next_child(&scan, &pid) == whole);
        if (!whole)
            break;
        REQUIRE(pid == (int)number);
        at += digits + 1;
    }
    REQUIRE(scan.at == (const char *)data + at);
    free(copy.text);
    return 0;
}
