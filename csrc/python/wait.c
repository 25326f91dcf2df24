/* SPDX-License-Identifier: Apache-2.0 */
/* python/wait.c - see the header. */
#include "python/wait.h"

#include <errno.h>

#include "os/clock.h"
#include "os/thread_self.h"
#include "python/attach.h"

#define SLICE_NS INT64_C(50000000)

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
        int err;
        CONC_BEGIN_DETACHED             /* uses: wait, object, until */
        err = wait(object, until);
        CONC_END_DETACHED
        bool slice_over = err == -ETIMEDOUT && until < deadline_ns;
        if (!slice_over && err != -EINTR)
            return err;
        if (PyErr_CheckSignals() < 0)
            return -EINTR;
    }
}
