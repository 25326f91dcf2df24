/* SPDX-License-Identifier: Apache-2.0 */
/* python/wait.h - the one way in which an attached thread waits for something native. */
#ifndef CONC_PYTHON_WAIT_H
#define CONC_PYTHON_WAIT_H

#include "python/core.h"

#include <stdint.h>

/* A wait of the core: 0, -ETIMEDOUT, -EINTR, or another negative errno. */
typedef int (*conc_wait_fn)(void *object, int64_t deadline_ns);

/* Waits with the thread detached. Signal handlers run in between: at once when the signal came to this thread, and
 * within 50 ms in the process's main thread, since a signal may land on any thread. In the target of a
 * conc.Thread its stop() ends the wait, if `wait` heeds interrupts (os/interrupt.h). What `wait` returns; or -EINTR with an
 * exception set: a handler's, or conc.ThreadStopped. `object` must stay alive; the caller holds it. */
int conc_wait(conc_wait_fn wait, void *object, int64_t deadline_ns);

#endif
