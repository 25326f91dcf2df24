/* SPDX-License-Identifier: Apache-2.0 */
/* os/none/park.c - no way to wait on a word is known for this platform. */
#include "os/park.h"

#include <errno.h>

int
conc_park_for(enum conc_park_cause cause, _Atomic(uint32_t) *word, uint32_t expected, int64_t deadline_ns)
{
    (void)cause, (void)word, (void)expected, (void)deadline_ns;
    return -ENOSYS;
}

int
conc_park_interruptible(enum conc_park_cause cause, _Atomic(uint32_t) *word, uint32_t expected, int64_t deadline_ns)
{
    return conc_park_for(cause, word, expected, deadline_ns);
}

void
conc_unpark(_Atomic(uint32_t) *word, unsigned count)
{
    (void)word, (void)count;
}

bool
conc_park_learn_two(void)
{
    return false;
}
