/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz_cache_type.c - conc_sysfs_parse_cache_type() knows six texts and no other. */
#include <errno.h>

#include "fuzz.h"
#include "topology/sysfs_text.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const texts[] = {"Data", "Instruction", "Unified", "Data\n", "Instruction\n", "Unified\n"};
    static const enum conc_cache_type types[] = {CONC_CACHE_DATA, CONC_CACHE_INSTRUCTION, CONC_CACHE_UNIFIED};
    enum conc_cache_type type = CONC_CACHE_DATA;
    int expected = -EBADMSG;
    size_t which = 0;
    for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
        if (strlen(texts[i]) == size && memcmp(texts[i], data, size) == 0) {
            expected = 0;
            which = i % 3;
        }
    }
    REQUIRE(conc_sysfs_parse_cache_type((const char *)data, size, &type) == expected);
    REQUIRE(expected != 0 || type == types[which]);
    return 0;
}
