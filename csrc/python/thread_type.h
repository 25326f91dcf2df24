/* SPDX-License-Identifier: Apache-2.0 */
/* python/thread_type.h - conc._core.Thread: what conc.Thread is in C, for the files that make up its methods.
 *
 *   thread_type.c    the object: construction, attributes, the type
 *   thread_start.c   start(), and what a thread that runs Python does from its beginning to its end
 *   thread_kernel.c  a native kernel as the target
 *   thread_stop.c    stop(): when the exception may come, and the shield against it
 *   thread_end.c     join(), the outcome, callbacks
 *   thread_usage.c   what is read of it from outside
 */
#ifndef CONC_PYTHON_THREAD_TYPE_H
#define CONC_PYTHON_THREAD_TYPE_H

#include "python/core.h"

#include <stdatomic.h>
#include <stdbool.h>

#include "python/attach.h"
#include "python/kernel_type.h"
#include "sched/roster.h"
#include "sched/thread.h"
#include "sync/stop_window.h"

struct conc_kernel_run;
struct conc_thread_place;

/* How a thread ended: conc.ThreadEnd, by the same numbers. */
enum conc_thread_end {
    CONC_THREAD_NOT_ENDED,
    CONC_THREAD_RETURNED,
    CONC_THREAD_RAISED,
    CONC_THREAD_STOPPED,
    CONC_THREAD_ABANDONED,
};

/* Objects are owned, NULL when absent, and protected by the object's critical section where others than the thread
 * itself change them. */
typedef struct {
    PyObject_HEAD
    struct conc_thread *thread;         /* owned; constant */
    CoreState *core;                    /* borrowed: the type keeps the module alive */

    PyObject *target, *args, *kwargs;   /* gone once they have been used */
    PyObject *name;                     /* a str; NULL until somebody asks: see name_number */
    PyObject *context;                  /* a contextvars.Context; None or NULL: as the interpreter's default says */
    PyObject *place;                    /* NULL, or what start() applies in the new thread: thread_place.h */
    PyObject *ident_key;                /* its identifier, as it is listed by threading */
    PyObject *stderr_file;              /* sys.stderr when it was made: threading reports there when there is none later */
    const struct conc_thread_place *parsed_place;   /* borrowed; during start() */
    bool state_first;                   /* the start waits for the thread state: see thread_start.c; during start() */
    struct conc_attachment attachment;  /* the thread's; made during start() if state_first */
    PyInterpreterState *interp;         /* of start(); alive until the thread has its state: the starter is inside the door for it */
    unsigned long name_number;          /* of a thread that was given no name: "Thread-N (target)" */
    Py_ssize_t stack_size;              /* bytes; 0: the default */

    PyObject *value, *error;            /* the outcome, once `end` says that there is one */
    PyObject *callbacks;                /* a list; NULL when there are none, and after they were called */
    KernelObject *kernel;               /* the target of a thread that runs natively */
    struct conc_kernel_run *run;        /* a reference; its run */
    atomic_int end;                     /* enum conc_thread_end; written after value and error */

    struct conc_stop_window window;     /* by `stop_lock` */
    CONC_PY_LOCK(stop_lock);
    _Atomic(uint32_t) interrupts;       /* how often the exception was let come; parked on by the thread's own waits */
    bool initialized, daemon;
    atomic_bool attached;               /* the thread has been in the interpreter */
    atomic_bool claimed;                /* somebody starts it, or has */
    bool registered, over;              /* threading lists it; it never will again */
    bool called_back;
} ThreadObject;

#define ThreadObject_CAST(op) ((ThreadObject *)(op))

/* -- thread_type.c -- */

/* [owned] its name, made now if it must be; NULL with an exception set. */
PyObject *conc_thread_name(ThreadObject *self);

/* [owned] a name as bytes for the operating system's tools, with "?" for what UTF-8 has not; NULL with an exception. */
PyObject *conc_thread_name_bytes(PyObject *name);

/* 0, or -1 with RuntimeError: a subclass forgot to call __init__(). */
int conc_thread_require_init(ThreadObject *self);

/* What stands in _args and _kwargs (both [owned], replaced if need be) as a call takes it: a tuple, and a dict or None. A
 * subclass may have put anything there, as threading.Thread's constructor does. 0, or -1 with an exception. */
int conc_thread_call_arguments(PyObject **args, PyObject **kwargs);

/* [owned] a variable of the module threading; NULL with an exception set. */
PyObject *conc_threading_variable(CoreState *core, PyObject *name);

/* -- thread_start.c -- */
PyObject *conc_thread_start_method(PyObject *op, PyObject *ignored);
PyObject *conc_thread_run_method(PyObject *op, PyObject *ignored);

/* Lists the thread among threading's, under its identifier, and takes it off for good: in the thread, when it runs Python
 * code. The starter lists it as well, so that neither waits for the other. 0, or -1 with an exception. */
int conc_thread_enter_active(ThreadObject *self);
void conc_thread_leave_active(ThreadObject *self);

/* Raises what a failed conc_thread_start() is for Python; `err` is its negative errno. */
void conc_thread_raise_start(int err);

/* -- thread_kernel.c -- */

/* Starts the thread on `kernel`, its target: 0, or -1 with an exception set. */
int conc_thread_start_kernel(ThreadObject *self, KernelObject *kernel, struct conc_thread_attr *attr);

/* [owned] what the kernel of a thread that has ended returned, or NULL with its exception. */
PyObject *conc_thread_kernel_result(ThreadObject *self);

/* How the kernel of a thread that has ended did so; CONC_THREAD_NOT_ENDED before. */
enum conc_thread_end conc_thread_kernel_end(ThreadObject *self);

void conc_kernel_run_release(struct conc_kernel_run *run);

/* In the object's critical section, where self->run is there: attaches for `callbacks` when the kernel has ended; called with
 * them registered. False: it has ended already. */
bool conc_thread_kernel_call_back_at_end(ThreadObject *self);

/* -- thread_stop.c -- */
PyObject *conc_thread_request_stop_method(PyObject *op, PyObject *ignored);
PyObject *conc_thread_interrupt_method(PyObject *op, PyObject *ignored);

/* Around the target, in the thread, attached. Not opened, and false with conc.ThreadStopped set, when stop() came before:
 * a target that is a C function would never see the exception. */
bool conc_thread_open_window(ThreadObject *self);
void conc_thread_close_window(ThreadObject *self);

/* -- thread_end.c -- */

/* conc_thread_wait() as conc_wait() takes it. */
int conc_wait_for_thread(void *thread, int64_t deadline_ns);
PyObject *conc_thread_join_method(PyObject *op, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames);
PyObject *conc_thread_is_alive_method(PyObject *op, PyObject *ignored);
PyObject *conc_thread_is_done_method(PyObject *op, PyObject *ignored);
PyObject *conc_thread_wait_for_outcome_method(PyObject *op, PyObject *args);
PyObject *conc_thread_outcome_method(PyObject *op, PyObject *ignored);
PyObject *conc_thread_end_method(PyObject *op, PyObject *ignored);
PyObject *conc_thread_survived_fork_method(PyObject *op, PyObject *ignored);
PyObject *conc_thread_add_done_callback_method(PyObject *op, PyObject *fn);
PyObject *conc_thread_add_waker_method(PyObject *op, PyObject *fn);
PyObject *conc_thread_discard_waker_method(PyObject *op, PyObject *fn);

/* Keeps the outcome, for good: `value` or `error` (both moved, one NULL). Attached. */
void conc_thread_set_outcome(ThreadObject *self, enum conc_thread_end end, PyObject *value, PyObject *error);

/* Calls what was registered with add_done_callback(); the outcome is known. Attached. */
void conc_thread_call_back(ThreadObject *self);

/* -- thread_usage.c -- */
PyObject *conc_thread_state_method(PyObject *op, PyObject *ignored);
PyObject *conc_thread_syscall_method(PyObject *op, PyObject *ignored);
PyObject *conc_thread_usage_method(PyObject *op, PyObject *ignored);

#endif
