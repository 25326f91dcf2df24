/* SPDX-License-Identifier: Apache-2.0 */
/* python/native_call.c - see the header. */
#include "python/native_call.h"

#include <errno.h>

#include "os/clock.h"
#include "os/thread.h"
#include "python/attach.h"
#include "python/errors.h"
#include "sync/completion.h"

/* A signal may land on another thread than the one that waits: look at least this often. */
#define LONGEST_WAIT_NS INT64_C(50000000)

/* On the waiting thread's stack, which outlives the call: it waits for `ended` in every case. */
struct native_call {
    int (*run)(void *arg, struct conc_stop *stop);
    void *arg;
    int result;
    struct conc_stop stop;
    struct conc_completion ended;
};

static void
call_main(void *raw)
{
    struct native_call *call = raw;
    call->result = call->run(call->arg, &call->stop);
    conc_complete(&call->ended);
}

int
conc_native_call(int (*run)(void *arg, struct conc_stop *stop), void *arg, int *result)
{
    struct native_call call = {.run = run, .arg = arg};
    conc_stop_init(&call.stop, NULL);
    conc_completion_init(&call.ended);
    const struct conc_os_thread_attr attr = {.block_signals = true};
    int err = conc_os_thread_start(&attr, call_main, &call);
    if (err != 0) {
        conc_raise("start measuring thread", err);
        return -1;
    }
    bool raised = false;
    do {
        CONC_BEGIN_DETACHED                          /* uses: call */
        err = conc_completion_wait(&call.ended, raised ? CONC_FOREVER : conc_deadline_after(LONGEST_WAIT_NS));
        CONC_END_DETACHED
        if (!raised && PyErr_CheckSignals() < 0) {
            raised = true;
            conc_stop_request(&call.stop);
        }
    } while (err != 0);
    if (raised)
        return -1;
    *result = call.result;
    return 0;
}
