/* SPDX-License-Identifier: Apache-2.0 */
/* python/attach.h - a native thread's way into one interpreter: one thread state, made once by the thread itself, since
 * it belongs to the operating-system thread that makes it, and attached when Python is to run.
 *
 *   made (detached) ──conc_attach──> attached ──conc_detach──> detached ... ──conc_attachment_drop──> gone
 *
 * PyGILState_Ensure is no way in: it knows the main interpreter alone. At interpreter exit attaching does not return, so
 * no lock of the core may be held around it.
 */
#ifndef CONC_PYTHON_ATTACH_H
#define CONC_PYTHON_ATTACH_H

#include "python/core.h"

#include <stdbool.h>

#include "sched/begin.h"

/* An attached thread lets go of the interpreter while it waits for what it started. */
extern const struct conc_detach conc_detach_python;

/* PyEval_RestoreThread(), whose time counts as the calling conc.Thread's wait for the GIL. */
void conc_attach_again(PyThreadState *tstate);

/* Py_BEGIN_ALLOW_THREADS and its end, by that. */
#define CONC_BEGIN_DETACHED { PyThreadState *detached_ = PyEval_SaveThread();
#define CONC_END_DETACHED conc_attach_again(detached_); }

struct conc_attachment {
    PyThreadState *tstate;
    bool attached;
    bool cleared;
};

/* Makes the calling thread's state for `interp`, detached; needs no GIL, but somebody must keep the interpreter alive
 * until it returns. 0 or -ENOMEM. */
int conc_attachment_make(struct conc_attachment *attachment, PyInterpreterState *interp);

/* The same, but waits for memory where there is none. */
void conc_attachment_wait(struct conc_attachment *attachment, PyInterpreterState *interp);

/* Attached: lets go of the interpreter for a moment, in which others may give memory back. */
void conc_wait_for_memory(void);

/* Both do nothing when it is so already. */
void conc_attach(struct conc_attachment *attachment);
void conc_detach(struct conc_attachment *attachment);

/* Lets go of what the thread state holds (thread-locals, the last exception), which may run Python code. Attached; only
 * conc_attachment_drop() may follow. */
void conc_attachment_clear(struct conc_attachment *attachment);

/* Deletes the thread state; the thread is detached then. */
void conc_attachment_drop(struct conc_attachment *attachment);

#endif
