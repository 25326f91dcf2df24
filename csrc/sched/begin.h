/* SPDX-License-Identifier: Apache-2.0 */
/* sched/begin.h - how a starter waits until what it started has begun.
 *
 * A beginning takes microseconds, so the starter waits as it is at first: for Python attached, which spares two switches
 * of the GIL. But what begins may need the starter to let go (a thread state that is made while tracemalloc traces, or
 * while the world is to be stopped), so after a moment it detaches.
 */
#ifndef CONC_SCHED_BEGIN_H
#define CONC_SCHED_BEGIN_H

#include "sync/completion.h"

/* How the calling thread lets go of what others may need, and takes it again; both NULL when it holds nothing. */
struct conc_detach {
    void *(*detach)(void);
    void (*attach)(void *detached);
};

/* Waits for `begun`. Not interruptible: what begins waits for nothing but the starter. */
void conc_wait_begun(struct conc_completion *begun, const struct conc_detach *detach);

#endif
