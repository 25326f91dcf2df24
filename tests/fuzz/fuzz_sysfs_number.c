/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz_sysfs_number.c - conc_sysfs_parse_number() against a sum of 128 bits. */
#include <errno.h>

#include "fuzz.h"
#include "topology/sysfs_text.h"

static bool
reference(const char *text, size_t length, int64_t *value)
{
    big number;
    size_t sign = text[0] == '-', digits = slow_digits(text, sign, &number), at = sign + digits;
    int shift = text[at] == 'K' ? 10 : text[at] == 'M' ? 20 : text[at] == 'G' ? 30 : 0;
    at += shift != 0;
    at += text[at] == '\n';
    if (digits == 0 || at != length || number << shift > INT64_MAX)
        return false;
    *value = sign && number != 0 ? CONC_UNKNOWN : (int64_t)(number << shift);
    return true;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slow copy = slow_copy(data, size);
    int64_t value = 7, expected = 7, again;
    int err = conc_sysfs_parse_number((const char *)data, size, &value);
    REQUIRE((err == 0) == reference(copy.text, size, &expected));
    REQUIRE(err == 0 || err == -EBADMSG);
    REQUIRE(value == expected);
    char text[32];
    int length = snprintf(text, sizeof(text), "%lld\n", (long long)value);
    REQUIRE(conc_sysfs_parse_number(text, (size_t)length, &again) == 0 && again == value);
    free(copy.text);
    return 0;
}
