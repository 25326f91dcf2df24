/* SPDX-License-Identifier: Apache-2.0 */
/* test_gil_layout.c - watch/gil_layout.h: tables of offsets as CPython 3.13 to 3.15 begin with, ours for 3.11 and 3.12,
 * and everything that is neither. That the figures are those of real interpreters is tested from Python. */
#include "watch/gil_layout.h"

#include <string.h>

#include "check.h"

#define WORDS (CONC_GIL_HEAD_BYTES / 8)
#define WAITS 176

enum { COOKIE, VERSION, FREE_THREADED, RUNTIME_BYTES, FINALIZING, INTERPRETERS };

static uint64_t head[WORDS];

/* The words of 3.13.0 on x86-64. */
static void
make_3_13(void)
{
    static const uint64_t words[WORDS] = {
        0, 0x030d00f0, 0, 400000, 600, 632,
        /* interpreter */ 220000, 7272, 7264, 7344, 7400, 7800, 7900, 7908, 16, 7752, 0, 7768, 7760,
        /* thread state */ 400, 0, 8, 16, 72, 152, 160, 200, 36,
    };
    memcpy(head, words, sizeof(head));
    memcpy(head, "xdebugpy", 8);
}

static int
find(struct conc_gil_layout *layout, uint32_t version)
{
    return conc_gil_layout_find(layout, 0x1000, version, WAITS, head, sizeof(head));
}

static void
takes_offsets(void)
{
    struct conc_gil_layout layout;
    make_3_13();
    CHECK_EQ(find(&layout, 0x030d00f0), 0);
    CHECK_EQ(layout.runtime, 0x1000);
    CHECK_EQ(layout.version, 0x030d00f0);
    CHECK_EQ(layout.runtime_interpreters, 632);
    CHECK_EQ(layout.runtime_gil, 0);
    CHECK_EQ(layout.interpreter_next, 7264);
    CHECK_EQ(layout.interpreter_id, 7272);
    CHECK_EQ(layout.interpreter_gil, 16);
    CHECK_EQ(layout.gil_holder, 8);
    CHECK_EQ(layout.gil_locked, 16);
    CHECK_EQ(layout.gil_switches, 24);
    CHECK_EQ(layout.gil_waits, 32);
    CHECK_EQ(layout.gil_bytes, 208);
    CHECK_EQ(layout.thread_native_id, 160);
    CHECK(!layout.can_be_off);
    CHECK_EQ(layout.learned_begin, layout.learned_end);
}

static void
knows_free_threading(void)
{
    struct conc_gil_layout layout;
    make_3_13();
    head[FREE_THREADED] = 1;
    head[17] = 7752 + 24;
    head[18] = 7752 + 16;
    CHECK_EQ(find(&layout, 0x030d05f0), 0);
    CHECK(layout.can_be_off);
    CHECK_EQ(layout.gil_enabled, 0);
    CHECK_EQ(layout.gil_waits, 40);
}

static void
has_tables_of_its_own(void)
{
    struct conc_gil_layout layout;
    memset(head, 0xff, sizeof(head));           /* not looked at */
    CHECK_EQ(find(&layout, 0x030b02f0), 0);
    CHECK(layout.runtime_gil != 0);
    CHECK_EQ(layout.gil_bytes - layout.gil_waits, WAITS);
    CHECK_EQ(conc_gil_layout_find(&layout, 0x1000, 0x030c01f0, WAITS, NULL, 0), 0);
    CHECK_EQ(layout.version, 0x030c01f0);
    CHECK(layout.runtime_gil == 0 && layout.interpreter_gil != 0);
}

static void
refuses(void)
{
    struct conc_gil_layout layout = {.version = 7};
    make_3_13();
    CHECK_EQ(find(&layout, 0x030a00f0), -ENOTSUP);
    CHECK_EQ(find(&layout, 0x031000f0), -ENOTSUP);
    CHECK_EQ(find(&layout, 0x030d00b4), -ENOTSUP);      /* a beta */
    CHECK_EQ(find(&layout, 0), -ENOTSUP);
    CHECK_EQ(find(&layout, UINT32_MAX), -ENOTSUP);
    CHECK_EQ(find(&layout, 0x030e00f0), -EBADMSG);      /* says that it is another one */
    CHECK_EQ(conc_gil_layout_find(&layout, 0x1000, 0x030d00f0, WAITS, head, sizeof(head) - 1), -EBADMSG);
    CHECK_EQ(conc_gil_layout_find(&layout, 0x1000, 0x030d00f0, WAITS, NULL, 0), -EBADMSG);
    for (int word = 0; word < 26; word++) {
        make_3_13();
        head[word] ^= UINT64_C(1) << 40;
        CHECK_EQ(find(&layout, 0x030d00f0), -EBADMSG);
    }
    make_3_13();
    head[17] = 7751;                                    /* before the GIL that it is in */
    CHECK_EQ(find(&layout, 0x030d00f0), -EBADMSG);
    make_3_13();
    head[18] = 0;
    CHECK_EQ(find(&layout, 0x030d00f0), -EBADMSG);
    CHECK_EQ(layout.version, 7);                        /* untouched */
}

int
main(void)
{
    takes_offsets();
    knows_free_threading();
    has_tables_of_its_own();
    refuses();
    return 0;
}
