/* SPDX-License-Identifier: Apache-2.0 */
/* fake_gil.h - a GIL for what watches threads, had by whom the test says. */
#ifndef CONC_TESTS_FAKE_GIL_H
#define CONC_TESTS_FAKE_GIL_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "check.h"
#include "watch/gils.h"

#define FAKE_INTERPRETER 3

struct fake_gil {
    atomic_int holder;                  /* tid; 0: nobody */
    atomic_ullong switches;
    _Atomic(uint32_t) word;             /* what waiters park on */
};

static inline int
fake_gil_read(void *context, struct conc_gil_sample *samples, int size)
{
    struct fake_gil *fake = context;
    CHECK(size > 0);
    int holder = atomic_load(&fake->holder);
    samples[0] = (struct conc_gil_sample){.interpreter = FAKE_INTERPRETER, .enabled = true, .locked = holder != 0,
                                          .holder_tid = holder, .switches = atomic_load(&fake->switches)};
    return 1;
}

static inline int
fake_gil_refresh(void *context)
{
    (void)context;
    return 0;
}

static inline bool
fake_gil_is(void *context, uint64_t futex, int64_t *interpreter)
{
    struct fake_gil *fake = context;
    *interpreter = FAKE_INTERPRETER;
    return futex == (uintptr_t)&fake->word;
}

static inline struct conc_watch_gils
fake_gil_seen(struct fake_gil *fake)
{
    return (struct conc_watch_gils){fake, fake_gil_read, fake_gil_refresh, fake_gil_is};
}

#endif
