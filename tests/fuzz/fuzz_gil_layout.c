/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz_gil_layout.c - conc_gil_layout_find() on any bytes: a layout whose figures are the bytes' own, or none, untouched. */
#include "watch/gil_layout.h"

#include <errno.h>

#include "fuzz.h"

static const uint32_t versions[] = {0x030a00f0, 0x030b00f0, 0x030c00f0, 0x030d00f0, 0x030e00f0, 0x030f00f0, 0x031000f0,
                                    0x030d00b1};

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    for (size_t i = 0; i < sizeof(versions) / sizeof(*versions); i++) {
        struct conc_gil_layout layout, untouched;
        memset(&layout, 0x5a, sizeof(layout));
        untouched = layout;
        int err = conc_gil_layout_find(&layout, 4096, versions[i], 176, data, size);
        REQUIRE(err == 0 || err == -ENOTSUP || err == -EBADMSG);
        if (err < 0) {
            REQUIRE(memcmp(&layout, &untouched, sizeof(layout)) == 0);
            continue;
        }
        REQUIRE(layout.runtime == 4096 && layout.version >> 16 == versions[i] >> 16);
        REQUIRE(layout.gil_waits == layout.gil_locked + 16 && layout.gil_bytes == layout.gil_waits + 176);
        if (versions[i] < 0x030d0000)
            continue;
        uint64_t words[32];
        REQUIRE(size >= sizeof(words) && memcmp(data, "xdebugpy", 8) == 0);
        memcpy(words, data, sizeof(words));
        REQUIRE(layout.runtime_interpreters == words[5]);
        REQUIRE(layout.can_be_off == (words[2] != 0));
        REQUIRE(layout.interpreter_id == words[7] && layout.interpreter_next == words[8]);
    }
    return 0;
}
