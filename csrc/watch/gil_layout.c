/* SPDX-License-Identifier: Apache-2.0 */
/* watch/gil_layout.c - one table each for 3.11 and 3.12; for later versions where their own tables have what we need. */
#include "watch/gil_layout.h"

#include <errno.h>
#include <string.h>

#define MINOR(version) ((version) >> 16)

/* Until the first candidate for release a version's tables still change. */
#define IS_SETTLED(version) (((version) & 0xff) >= 0xc0)

/* Include/internal/pycore_runtime.h, pycore_interp.h, pycore_gil.h and cpython/pystate.h of each, 64 bits. */
static const struct conc_gil_layout layout_3_11 = {
    .runtime_interpreters = 40,
    .runtime_gil = 360,
    .interpreter_next = 0,
    .interpreter_id = 48,
    .gil_holder = 8,
    .gil_locked = 16,
    .thread_native_id = 160,
};
static const struct conc_gil_layout layout_3_12 = {
    .runtime_interpreters = 40,
    .interpreter_next = 0,
    .interpreter_id = 8,
    .interpreter_gil = 384,
    .gil_holder = 8,
    .gil_locked = 16,
    .thread_native_id = 144,
};

/* struct _Py_DebugOffsets: where a version keeps the words (uint64_t) that we take; the first ones are the same in all. */
struct offsets_table {
    uint32_t minor;                 /* 0x030d: 3.13 */
    uint8_t next, id, gil_pointer, own_gil, enabled, locked, holder, native_id;
};
enum { WORD_VERSION = 1, WORD_FREE_THREADED = 2, WORD_RUNTIME_BYTES = 3, WORD_INTERPRETERS = 5 };

static const struct offsets_table tables[] = {
    {0x030d, .next = 8, .id = 7, .gil_pointer = 14, .own_gil = 15, .enabled = 16, .locked = 17, .holder = 18,
     .native_id = 25},
    {0x030e, .next = 8, .id = 7, .gil_pointer = 15, .own_gil = 16, .enabled = 17, .locked = 18, .holder = 19,
     .native_id = 28},
    {0x030f, .next = 8, .id = 7, .gil_pointer = 15, .own_gil = 16, .enabled = 17, .locked = 18, .holder = 19,
     .native_id = 31},
};

#define HEAD_WORDS (CONC_GIL_HEAD_BYTES / 8)
#define COOKIE "xdebugpy"

/* No structure of CPython's is larger: what claims to be is no table of offsets. */
#define MAX_OFFSET (UINT32_C(1) << 28)

static const struct offsets_table *
table_of(uint32_t version)
{
    for (size_t i = 0; i < sizeof(tables) / sizeof(*tables); i++) {
        if (tables[i].minor == MINOR(version))
            return &tables[i];
    }
    return NULL;
}

static int
from_offsets(struct conc_gil_layout *layout, const struct offsets_table *table, const void *head, size_t size)
{
    uint64_t words[HEAD_WORDS];
    if (size < sizeof(words))
        return -EBADMSG;
    memcpy(words, head, sizeof(words));
    if (memcmp(words, COOKIE, sizeof(COOKIE) - 1) != 0 || MINOR(words[WORD_VERSION]) != table->minor ||
        words[WORD_FREE_THREADED] > 1)
        return -EBADMSG;
    for (int i = WORD_RUNTIME_BYTES; i <= table->native_id; i++) {
        if (words[i] > MAX_OFFSET)
            return -EBADMSG;
    }
    uint64_t own_gil = words[table->own_gil];
    if (words[table->locked] < own_gil || words[table->holder] < own_gil)
        return -EBADMSG;
    layout->version = (uint32_t)words[WORD_VERSION];
    layout->runtime_interpreters = (uint32_t)words[WORD_INTERPRETERS];
    layout->interpreter_next = (uint32_t)words[table->next];
    layout->interpreter_id = (uint32_t)words[table->id];
    layout->interpreter_gil = (uint32_t)words[table->gil_pointer];
    layout->gil_enabled = (uint32_t)words[table->enabled];
    layout->gil_locked = (uint32_t)(words[table->locked] - own_gil);
    layout->gil_holder = (uint32_t)(words[table->holder] - own_gil);
    layout->thread_native_id = (uint32_t)words[table->native_id];
    layout->can_be_off = words[WORD_FREE_THREADED] == 1;
    return 0;
}

int
conc_gil_layout_find(struct conc_gil_layout *layout, uint64_t runtime, uint32_t version, uint32_t waits_bytes,
                     const void *head, size_t size)
{
    struct conc_gil_layout found = {.version = version};
    const struct offsets_table *table = table_of(version);
    if (!IS_SETTLED(version))
        return -ENOTSUP;
    if (table != NULL) {
        int err = from_offsets(&found, table, head, size);
        if (err < 0)
            return err;
    } else if (MINOR(version) == 0x030b || MINOR(version) == 0x030c) {
        found = MINOR(version) == 0x030b ? layout_3_11 : layout_3_12;
        found.version = version;
    } else {
        return -ENOTSUP;
    }
    found.runtime = runtime;
    /* What follows `locked` is no part of any table, and has been the same in all versions. */
    found.gil_switches = found.gil_locked + 8;
    found.gil_waits = found.gil_switches + 8;
    found.gil_bytes = found.gil_waits + waits_bytes;
    *layout = found;
    return 0;
}
