/* SPDX-License-Identifier: Apache-2.0 */
/* os/linux/park_tag.h - how a thread that parks says what for. futex(2) takes a fifth argument, uaddr2, which
 * FUTEX_WAIT_BITSET ignores and /proc/<pid>/task/<tid>/syscall shows: others pass NULL there. futex_waitv(2) takes
 * five arguments, and a sixth one is shown all the same. So the word costs nothing, and it is read together with the wait
 * itself, from outside the process as well. */
#ifndef CONC_OS_LINUX_PARK_TAG_H
#define CONC_OS_LINUX_PARK_TAG_H

#include <stdint.h>

#include "os/park.h"

/* "con", and the cause in the lowest byte. It fits where an address has 32 bits. */
#define CONC_PARK_TAG UINT64_C(0x636f6e00)

static inline uint64_t
conc_park_tag(enum conc_park_cause cause)
{
    return cause == CONC_PARK_UNTOLD ? 0 : CONC_PARK_TAG | (uint64_t)cause;
}

static inline enum conc_park_cause
conc_park_tag_cause(uint64_t tag)
{
    uint64_t cause = tag ^ CONC_PARK_TAG;
    return cause < CONC_PARK_CAUSES ? (enum conc_park_cause)cause : CONC_PARK_UNTOLD;
}

#endif
