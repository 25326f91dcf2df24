/* SPDX-License-Identifier: Apache-2.0 */
/* os/linux/futex.h - the wait on a word that os/park.h and os/thread_exit.h share: futex(2), futex_waitv(2). */
#ifndef CONC_OS_LINUX_FUTEX_H
#define CONC_OS_LINUX_FUTEX_H

#include <stdbool.h>
#include <stdint.h>

#include "os/interrupt.h"
#include "os/park.h"

/* One attempt to sleep while the word holds `expected`: 0 (changed, woken or spurious), -ETIMEDOUT, or -EINTR by a signal
 * or by `interrupt` (NULL: none). `private`: nobody outside of the process wakes. */
int conc_futex_wait(enum conc_park_cause cause, const volatile void *word, uint32_t expected, bool private,
                    int64_t deadline_ns, const struct conc_interrupt *interrupt);

#endif
