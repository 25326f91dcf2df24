/* SPDX-License-Identifier: Apache-2.0 */
/* sync/stop.c - see the header. */
#include "sync/stop.h"

#include <errno.h>
#include <stddef.h>

#include "os/clock.h"
#include "os/park.h"

void
conc_stop_init(struct conc_stop *stop, bool (*poll)(struct conc_stop *stop))
{
    atomic_init(&stop->requested, 0);
    stop->poll = poll;
    stop->poll_due_ns = poll == NULL ? CONC_FOREVER : CONC_STOP_POLL_UNSET;
}

void
conc_stop_request(struct conc_stop *stop)
{
    atomic_store_explicit(&stop->requested, 1, memory_order_relaxed);
    conc_unpark(&stop->requested, CONC_UNPARK_ALL);
}

int
conc_stop_check(struct conc_stop *stop)
{
    if (conc_stop_requested(stop))
        return -ECANCELED;
    if (stop->poll == NULL)
        return 0;
    int64_t now = conc_now_ns();
    if (stop->poll_due_ns == CONC_STOP_POLL_UNSET)
        stop->poll_due_ns = now + CONC_STOP_POLL_NS;
    if (now < stop->poll_due_ns)
        return 0;
    bool asked = stop->poll(stop);
    stop->poll_due_ns = stop->poll == NULL ? CONC_FOREVER : conc_deadline_after(CONC_STOP_POLL_NS);
    return asked ? -ECANCELED : 0;
}

int
conc_stop_sleep(struct conc_stop *stop, int64_t deadline_ns)
{
    for (;;) {
        int err = conc_stop_check(stop);
        if (err != 0)
            return err;
        if (conc_now_ns() >= deadline_ns)
            return 0;
        int64_t until = stop->poll_due_ns < deadline_ns ? stop->poll_due_ns : deadline_ns;
        err = conc_park_for(CONC_PARK_SLEEP, &stop->requested, 0, until);
        if (err == -EINTR)
            stop->poll_due_ns = stop->poll == NULL ? CONC_FOREVER : 0;  /* a signal: look at once */
        else if (err != 0 && err != -ETIMEDOUT)
            return err;
    }
}
