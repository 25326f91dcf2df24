/* SPDX-License-Identifier: Apache-2.0 */
/* python/wait.c - see the header. */
#include "python/wait.h"

#include <errno.h>

#include "os/clock.h"
#include "os/interrupt.h"
#include "os/thread_self.h"
#include "python/attach.h"
#include "python/thread_stop.h"

#define SLICE_NS INT64_C(50000000)

/* The thread waits for an object, or for its own stop(). */
static int
wait_detached(conc_wait_fn wait, void *object, int64_t deadline_ns, const struct conc_interrupt *interrupt)
{
    int err;
    CONC_BEGIN_DETACHED                 /* uses: wait, object, deadline_ns, interrupt */
    conc_interrupt_set(interrupt);
    err = wait(object, deadline_ns);
    conc_interrupt_set(NULL);
    CONC_END_DETACHED
    return err;
}

int
conc_wait(conc_wait_fn wait, void *object, int64_t deadline_ns)
{
    /* Python handles signals in its main thread alone, which is the process's but for exotic embeddings. */
    bool in_slices = conc_thread_self_is_main();
    for (;;) {
        int64_t until = deadline_ns;
        if (in_slices) {
            int64_t slice = conc_deadline_after(SLICE_NS);
            until = slice < deadline_ns ? slice : deadline_ns;
        }
        struct conc_interrupt interrupt;
        int interruptible = conc_stop_interrupts_wait(&interrupt);
        if (interruptible < 0)
            return -EINTR;
        int err = wait_detached(wait, object, until, interruptible > 0 ? &interrupt : NULL);
        bool slice_over = err == -ETIMEDOUT && until < deadline_ns;
        if (!slice_over && err != -EINTR)
            return err;
        if (PyErr_CheckSignals() < 0)
            return -EINTR;
    }
}
