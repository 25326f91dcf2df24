/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz_proc_number.c - conc_proc_number() against a sum of 128 bits; what it read reads the same when written. */
#include <errno.h>
#include <inttypes.h>

#include "fuzz.h"
#include "os/proc_text.h"

static int
reference(const char *text, size_t length, big *number)
{
    if ((length == 3 && memcmp(text, "max", 3) == 0) || (length == 4 && memcmp(text, "max\n", 4) == 0))
        return -ENODATA;
    size_t digits = slow_digits(text, 0, number);
    size_t end = digits + (text[digits] == '\n');
    return digits > 0 && end == length && *number <= UINT64_MAX ? 0 : -EBADMSG;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slow copy = slow_copy(data, size);
    uint64_t number = 7, again;
    big expected;
    int err = conc_proc_number((const char *)data, size, &number);
    REQUIRE(err == reference(copy.text, size, &expected));
    REQUIRE(number == (err == 0 ? (uint64_t)expected : 7));
    char text[32];
    int length = snprintf(text, sizeof(text), "%" PRIu64 "\n", number);
    REQUIRE(conc_proc_number(text, (size_t)length, &again) == 0 && again == number);
    free(copy.text);
    return 0;
}
