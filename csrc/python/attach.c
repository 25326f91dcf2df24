/* SPDX-License-Identifier: Apache-2.0 */
/* python/attach.c - see the header. */
#include "python/attach.h"

#include <errno.h>

#include "os/clock.h"
#include "os/park.h"
#include "sched/thread.h"

/* How long a thread without memory for what it must do waits before it looks again. */
#define RETRY_NS INT64_C(1000000)

void
conc_attach_again(PyThreadState *tstate)
{
    if (conc_thread_current() == NULL) {
        PyEval_RestoreThread(tstate);
        return;
    }
    int64_t begin = conc_now_ns();
    PyEval_RestoreThread(tstate);
    conc_thread_add_attach_wait(conc_now_ns() - begin);
}

static void *
detach(void)
{
    return PyEval_SaveThread();
}

static void
attach(void *tstate)
{
    conc_attach_again(tstate);
}

const struct conc_detach conc_detach_python = {detach, attach};

int
conc_attachment_make(struct conc_attachment *attachment, PyInterpreterState *interp)
{
    attachment->tstate = conc_new_thread_state(interp);
    attachment->attached = false;
    attachment->cleared = false;
    return attachment->tstate == NULL ? -ENOMEM : 0;
}

static void
sleep_a_moment(void)
{
    _Atomic(uint32_t) never = 0;
    (void)conc_park_for(CONC_PARK_SLEEP, &never, 0, conc_deadline_after(RETRY_NS));
}

void
conc_attachment_wait(struct conc_attachment *attachment, PyInterpreterState *interp)
{
    while (conc_attachment_make(attachment, interp) != 0)
        sleep_a_moment();
}

void
conc_wait_for_memory(void)
{
    CONC_BEGIN_DETACHED
    sleep_a_moment();
    CONC_END_DETACHED
}

void
conc_attach(struct conc_attachment *attachment)
{
    if (attachment->attached)
        return;
    conc_attach_again(attachment->tstate);
    attachment->attached = true;
}

void
conc_detach(struct conc_attachment *attachment)
{
    if (!attachment->attached)
        return;
    attachment->attached = false;
    (void)PyEval_SaveThread();
}

void
conc_attachment_clear(struct conc_attachment *attachment)
{
    PyThreadState_Clear(attachment->tstate);
    attachment->cleared = true;
}

void
conc_attachment_drop(struct conc_attachment *attachment)
{
    conc_attach(attachment);
    if (!attachment->cleared)
        PyThreadState_Clear(attachment->tstate);
    attachment->attached = false;
    attachment->tstate = NULL;
    PyThreadState_DeleteCurrent();
}
