/* SPDX-License-Identifier: Apache-2.0 */
/* python/attach.c - see the header. */
#include "python/attach.h"

#include <errno.h>

static void *
detach(void)
{
    return PyEval_SaveThread();
}

static void
attach(void *tstate)
{
    PyEval_RestoreThread(tstate);
}

const struct conc_detach conc_detach_python = {detach, attach};

int
conc_attachment_make(struct conc_attachment *attachment, PyInterpreterState *interp)
{
    attachment->tstate = conc_new_thread_state(interp);
    attachment->attached = false;
    return attachment->tstate == NULL ? -ENOMEM : 0;
}

void
conc_attach(struct conc_attachment *attachment)
{
    if (attachment->attached)
        return;
    PyEval_RestoreThread(attachment->tstate);
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
conc_attachment_drop(struct conc_attachment *attachment)
{
    conc_attach(attachment);
    PyThreadState_Clear(attachment->tstate);
    attachment->attached = false;
    attachment->tstate = NULL;
    PyThreadState_DeleteCurrent();
}
