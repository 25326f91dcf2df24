/* SPDX-License-Identifier: Apache-2.0 */
/* python/thread_stop.c - asking a thread to stop: its token, which kernels and conc.stop_requested() look at, and for a
 * Python target the asynchronous exception conc.ThreadStopped, raised in its target and nowhere else
 * (sync/stop_window.h). */
#include "python/thread_type.h"

#include "os/park.h"
#include "python/thread_stop.h"

/* Whether an exception is pending for the calling thread. */
static bool
is_pending(void)
{
    return PyThreadState_Get()->async_exc != NULL;
}

/* In the thread: takes back an exception that is pending. It is raised, in a function that does nothing, and dropped: to
 * set it to NULL would leave the interpreter's flag for it up, which up to 3.12 all threads look at between two
 * instructions, and with which 3.11 hangs under a tracer. What else the interpreter has put off until its next look (from
 * 3.12 on a collection, with finalizers) comes before, and no tracer looks on: it would be raised in those. */
static void
take_back(ThreadObject *self)
{
    if (!is_pending())
        return;
    PyThreadState *tstate = PyThreadState_Get();
    unsigned long ident = conc_thread_ident(self->thread);
    PyThreadState_EnterTracing(tstate);
    (void)PyThreadState_SetAsyncExc(ident, NULL);
    Py_XDECREF(PyObject_CallNoArgs(self->core->do_nothing));
    PyErr_Clear();
    (void)PyThreadState_SetAsyncExc(ident, self->core->thread_stopped);
    Py_XDECREF(PyObject_CallNoArgs(self->core->do_nothing));
    PyErr_Clear();
    if (is_pending())
        (void)PyThreadState_SetAsyncExc(ident, NULL);
    PyThreadState_LeaveTracing(tstate);
}

/* Does what the window says; `action` under stop_lock, so that an exception is pending only in an open window. Where the
 * thread waits in one of conc's own waits, it is woken for it. */
static void
act_locked(ThreadObject *self, enum conc_stop_action action)
{
    if (action != CONC_STOP_ARM)
        return;
    (void)PyThreadState_SetAsyncExc(conc_thread_ident(self->thread), self->core->thread_stopped);
    atomic_fetch_add(&self->interrupts, 1);
    conc_unpark(&self->interrupts, CONC_UNPARK_ALL);
}

bool
conc_thread_open_window(ThreadObject *self)
{
    CONC_PY_ACQUIRE(self->stop_lock);
    bool asked = conc_stop_window_open(&self->window) == CONC_STOP_ARM;
    if (asked)
        (void)conc_stop_window_close(&self->window);
    CONC_PY_RELEASE(self->stop_lock);
    if (asked)
        PyErr_SetString(self->core->thread_stopped, "stop() came before the target began");
    return !asked;
}

void
conc_thread_close_window(ThreadObject *self)
{
    CONC_PY_ACQUIRE(self->stop_lock);
    enum conc_stop_action action = conc_stop_window_close(&self->window);
    CONC_PY_RELEASE(self->stop_lock);
    if (action != CONC_STOP_DISARM)
        return;
    PyObject *error = PyErr_Occurred() ? conc_take_exception() : NULL;     /* the target's own */
    take_back(self);
    if (error != NULL)
        conc_restore_exception(error);
}

PyObject *
conc_thread_request_stop_method(PyObject *op, PyObject *Py_UNUSED(ignored))
{
    conc_stop_request(conc_thread_stop(ThreadObject_CAST(op)->thread));
    Py_RETURN_NONE;
}

PyObject *
conc_thread_interrupt_method(PyObject *op, PyObject *Py_UNUSED(ignored))
{
    ThreadObject *self = ThreadObject_CAST(op);
    conc_stop_request(conc_thread_stop(self->thread));
    CONC_PY_ACQUIRE(self->stop_lock);
    act_locked(self, conc_stop_window_ask(&self->window));
    CONC_PY_RELEASE(self->stop_lock);
    Py_RETURN_NONE;
}

/* -- for code that runs in a thread --------------------------------------------------------------------------------- */

/* [borrowed] the conc.Thread whose target calls; NULL in any other thread, and where the target has gone into another
 * interpreter: nothing of the thread's own may be touched or raised there. */
static ThreadObject *
current_thread(void)
{
    struct conc_thread *thread = conc_thread_current();
    ThreadObject *self = thread == NULL ? NULL : conc_thread_owner(thread);
    return self == NULL || self->interp != PyInterpreterState_Get() ? NULL : self;
}

struct conc_stop *
conc_stop_of_current_thread(bool *answers_signals)
{
    ThreadObject *self = current_thread();
    *answers_signals = self == NULL || conc_thread_is_main(self->thread);
    if (self == NULL || !self->window.open || self->window.shields > 0)
        return NULL;
    return conc_thread_stop(self->thread);
}

PyObject *
conc_raise_thread_stopped(const char *message)
{
    ThreadObject *self = current_thread();
    CONC_PY_ACQUIRE(self->stop_lock);
    enum conc_stop_action action = conc_stop_window_came(&self->window);
    CONC_PY_RELEASE(self->stop_lock);
    if (action == CONC_STOP_DISARM)
        take_back(self);
    PyErr_SetString(self->core->thread_stopped, message);
    return NULL;
}

int
conc_stop_interrupts_wait(struct conc_interrupt *interrupt)
{
    ThreadObject *self = current_thread();
    if (self == NULL)
        return 0;
    CONC_PY_ACQUIRE(self->stop_lock);
    bool may_come = self->window.open && self->window.shields == 0;
    bool pending = may_come && self->window.armed && is_pending();
    *interrupt = (struct conc_interrupt){&self->interrupts, atomic_load(&self->interrupts)};
    CONC_PY_RELEASE(self->stop_lock);
    if (pending) {
        (void)conc_raise_thread_stopped("stop() ended a wait of the target");
        return -1;
    }
    return may_come;
}

PyObject *
conc_stop_requested_function(PyObject *Py_UNUSED(module), PyObject *Py_UNUSED(ignored))
{
    struct conc_thread *thread = conc_thread_current();
    return PyBool_FromLong(thread != NULL && conc_stop_requested(conc_thread_stop(thread)));
}

PyObject *
conc_shield_enter(PyObject *Py_UNUSED(module), PyObject *Py_UNUSED(ignored))
{
    ThreadObject *self = current_thread();
    if (self != NULL) {
        CONC_PY_ACQUIRE(self->stop_lock);
        enum conc_stop_action action = conc_stop_window_shield(&self->window, is_pending());
        CONC_PY_RELEASE(self->stop_lock);
        if (action == CONC_STOP_DISARM)
            take_back(self);
    }
    Py_RETURN_NONE;
}

PyObject *
conc_shield_exit(PyObject *Py_UNUSED(module), PyObject *Py_UNUSED(args))
{
    ThreadObject *self = current_thread();
    if (self != NULL && self->window.shields > 0) {
        CONC_PY_ACQUIRE(self->stop_lock);
        act_locked(self, conc_stop_window_unshield(&self->window));
        CONC_PY_RELEASE(self->stop_lock);
    }
    Py_RETURN_NONE;
}
