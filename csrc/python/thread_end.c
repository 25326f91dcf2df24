/* SPDX-License-Identifier: Apache-2.0 */
/* python/thread_end.c - a thread's end, for those who wait for it: join(), the outcome, callbacks, and what is known
 * meanwhile. */
#include "python/thread_type.h"

#include <errno.h>

#include "os/clock.h"
#include "os/thread_self.h"
#include "python/attach.h"
#include "python/convert.h"
#include "python/errors.h"
#include "python/waits.h"

/* -- waiting -------------------------------------------------------------------------------------------------------- */

int
conc_wait_for_thread(void *thread, int64_t deadline_ns)
{
    return conc_thread_wait(thread, deadline_ns);
}

static bool
is_calling_thread(ThreadObject *self)
{
    return conc_thread_ident(self->thread) == PyThread_get_thread_ident() && !conc_thread_has_ended(self->thread);
}

/* 1: it has ended; 0: not in time; -1 with an exception. `verb`: what the caller wanted, for messages. */
static int
wait_for_end(ThreadObject *self, PyObject *timeout, const char *verb)
{
    int64_t deadline;
    if (conc_thread_require_init(self) < 0)
        return -1;
    if (!conc_thread_has_begun(self->thread)) {
        PyErr_Format(PyExc_RuntimeError, "cannot %s thread before it is started", verb);
        return -1;
    }
    if (is_calling_thread(self)) {
        PyErr_Format(PyExc_RuntimeError, "cannot %s current thread", verb);
        return -1;
    }
    if (conc_parse_timeout(timeout, &deadline) < 0)
        return -1;
    /* The thread that takes the interpreter down; another that still runs for a moment goes before it could be told. */
    if (self->run == NULL && conc_thread_self_is_main() && conc_is_finalizing() && !conc_thread_has_ended(self->thread)) {
        PyErr_Format(CONC_FINALIZATION_ERROR, "cannot %s thread at Python finalization: it runs no more", verb);
        return -1;
    }
    int err = conc_wait_listed(self->core, (PyObject *)self, conc_wait_for_thread, self->thread, deadline);
    switch (err) {
    case 0:
        return 1;
    case -ETIMEDOUT:
        return 0;
    case -EINTR:
        return -1;
    default:
        conc_raise("wait for a thread", err);
        return -1;
    }
}

PyObject *
conc_thread_join_method(PyObject *op, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    PyObject *timeout = Py_None;
    Py_ssize_t keywords = kwnames == NULL ? 0 : PyTuple_GET_SIZE(kwnames);
    if (nargs + keywords > 1) {
        PyErr_Format(PyExc_TypeError, "join() takes at most 1 argument (%zd given)", nargs + keywords);
        return NULL;
    }
    if (keywords == 1 && PyUnicode_CompareWithASCIIString(PyTuple_GET_ITEM(kwnames, 0), "timeout") != 0) {
        PyErr_Format(PyExc_TypeError, "join() got an unexpected keyword argument %R", PyTuple_GET_ITEM(kwnames, 0));
        return NULL;
    }
    if (nargs + keywords == 1)
        timeout = args[0];
    if (wait_for_end(ThreadObject_CAST(op), timeout, "join") < 0)
        return NULL;
    Py_RETURN_NONE;
}

/* -- the outcome ---------------------------------------------------------------------------------------------------- */

void
conc_thread_set_outcome(ThreadObject *self, enum conc_thread_end end, PyObject *value, PyObject *error)
{
    Py_BEGIN_CRITICAL_SECTION(self);
    if (atomic_load(&self->end) == CONC_THREAD_NOT_ENDED) {     /* the first one counts: everybody gets the same */
        self->value = value;
        self->error = error;
        atomic_store(&self->end, (int)end);
        value = error = NULL;
    }
    Py_END_CRITICAL_SECTION();
    Py_XDECREF(value);
    Py_XDECREF(error);
}

/* Those who ask a kernel's thread at once each convert its result; one is kept. */
static void
keep_kernel_outcome(ThreadObject *self)
{
    enum conc_thread_end end = conc_thread_kernel_end(self);
    if (end == CONC_THREAD_NOT_ENDED)
        return;
    PyObject *value, *error = NULL;
    Py_BEGIN_CRITICAL_SECTION(self);
    value = atomic_load(&self->end) == CONC_THREAD_NOT_ENDED ? conc_thread_kernel_result(self) : NULL;
    if (value == NULL && PyErr_Occurred()) {
        error = conc_take_exception();
        (void)PyException_SetTraceback(error, Py_None);     /* it would keep the frames of who happened to ask first */
    }
    Py_END_CRITICAL_SECTION();
    if (value != NULL || error != NULL)
        conc_thread_set_outcome(self, end, value, error);
}

PyObject *
conc_thread_outcome_method(PyObject *op, PyObject *Py_UNUSED(ignored))
{
    ThreadObject *self = ThreadObject_CAST(op);
    keep_kernel_outcome(self);
    if (atomic_load(&self->end) == CONC_THREAD_NOT_ENDED)
        Py_RETURN_NONE;
    return PyTuple_Pack(2, self->value == NULL ? Py_None : self->value, self->error == NULL ? Py_None : self->error);
}

PyObject *
conc_thread_end_method(PyObject *op, PyObject *Py_UNUSED(ignored))
{
    ThreadObject *self = ThreadObject_CAST(op);
    int end = atomic_load(&self->end);
    return PyLong_FromLong(end == CONC_THREAD_NOT_ENDED ? (int)conc_thread_kernel_end(self) : end);
}

PyObject *
conc_thread_wait_for_outcome_method(PyObject *op, PyObject *args)
{
    ThreadObject *self = ThreadObject_CAST(op);
    PyObject *timeout;
    const char *verb;
    if (!PyArg_ParseTuple(args, "Os:_wait_for_outcome", &timeout, &verb))
        return NULL;
    if (is_calling_thread(self)) {          /* a callback asks: it is known, though the thread has not ended */
        int end = atomic_load(&self->end);
        if (end != CONC_THREAD_NOT_ENDED || conc_thread_kernel_end(self) != CONC_THREAD_NOT_ENDED)
            Py_RETURN_TRUE;
    }
    int ended = wait_for_end(self, timeout, verb);
    return ended < 0 ? NULL : PyBool_FromLong(ended);
}

/* -- callbacks ------------------------------------------------------------------------------------------------------ */

/* A waker stands among the callbacks in a tuple, which nobody can call by mistake. */
static PyObject *
waker_in(PyObject *callback)
{
    return PyTuple_CheckExact(callback) ? PyTuple_GET_ITEM(callback, 0) : NULL;
}

/* Whoever waits to be woken would wait for ever: without memory it is tried again until there is some. */
static PyObject *
call_waker(ThreadObject *self, PyObject *waker)
{
    PyObject *done;
    while ((done = PyObject_CallOneArg(waker, (PyObject *)self)) == NULL && PyErr_ExceptionMatches(PyExc_MemoryError)) {
        PyErr_Clear();
        conc_wait_for_memory();
    }
    return done;
}

/* What it raises is told, and keeps nobody else from being called. */
static void
call_one(ThreadObject *self, PyObject *callback)
{
    PyObject *waker = waker_in(callback);
    PyObject *done = waker == NULL ? PyObject_CallOneArg(callback, (PyObject *)self) : call_waker(self, waker);
    if (done == NULL)
        PyErr_WriteUnraisable(waker == NULL ? callback : waker);
    Py_XDECREF(done);
}

void
conc_thread_call_back(ThreadObject *self)
{
    PyObject *callbacks;
    Py_BEGIN_CRITICAL_SECTION(self);
    callbacks = self->callbacks;
    self->callbacks = NULL;
    self->called_back = true;
    Py_END_CRITICAL_SECTION();
    if (callbacks == NULL)
        return;
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(callbacks); i++)
        call_one(self, PyList_GET_ITEM(callbacks, i));
    Py_DECREF(callbacks);
}

/* 1: will be called by the thread; 0: the thread has an outcome, the caller calls; -1 with an exception. */
static int
register_callback_locked(ThreadObject *self, PyObject *fn)
{
    /* First of all, since it may run finalizers, which let others in. */
    if (self->callbacks == NULL && (self->callbacks = PyList_New(0)) == NULL)
        return -1;
    bool over = self->called_back || conc_thread_has_ended(self->thread);
    if (!over && self->run != NULL)
        over = !conc_thread_kernel_call_back_at_end(self);
    if (!over)
        return PyList_Append(self->callbacks, fn) < 0 ? -1 : 1;
    if (PyList_GET_SIZE(self->callbacks) == 0)
        Py_CLEAR(self->callbacks);          /* else they are about to be called: by the thread, in their order */
    return 0;
}

/* 0, or -1 with an exception set. */
static int
add_callback(ThreadObject *self, PyObject *callback)
{
    int registered;
    Py_BEGIN_CRITICAL_SECTION(self);
    registered = register_callback_locked(self, callback);
    Py_END_CRITICAL_SECTION();
    if (registered == 0)
        call_one(self, callback);
    return registered < 0 ? -1 : 0;
}

PyObject *
conc_thread_add_done_callback_method(PyObject *op, PyObject *fn)
{
    if (conc_thread_require_init(ThreadObject_CAST(op)) < 0)
        return NULL;
    if (!PyCallable_Check(fn)) {
        PyErr_Format(PyExc_TypeError, "fn must be callable with the thread as its argument, not %R", fn);
        return NULL;
    }
    return add_callback(ThreadObject_CAST(op), fn) < 0 ? NULL : Py_NewRef(Py_None);
}

PyObject *
conc_thread_add_waker_method(PyObject *op, PyObject *fn)
{
    PyObject *callback = PyTuple_Pack(1, fn);
    if (callback == NULL)
        return NULL;
    int err = add_callback(ThreadObject_CAST(op), callback);
    Py_DECREF(callback);
    return err < 0 ? NULL : Py_NewRef(Py_None);
}

PyObject *
conc_thread_discard_waker_method(PyObject *op, PyObject *fn)
{
    ThreadObject *self = ThreadObject_CAST(op);
    PyObject *found = NULL;
    Py_BEGIN_CRITICAL_SECTION(op);
    Py_ssize_t count = self->callbacks == NULL ? 0 : PyList_GET_SIZE(self->callbacks);
    for (Py_ssize_t i = 0; i < count && found == NULL; i++) {
        PyObject *callback = PyList_GET_ITEM(self->callbacks, i);
        if (waker_in(callback) == fn) {
            found = Py_NewRef(callback);    /* so that nothing is freed in here */
            (void)PyList_SetSlice(self->callbacks, i, i + 1, NULL);
        }
    }
    Py_END_CRITICAL_SECTION();
    Py_XDECREF(found);
    if (PyErr_Occurred())
        return NULL;
    Py_RETURN_NONE;
}

/* -- what is known -------------------------------------------------------------------------------------------------- */

PyObject *
conc_thread_is_alive_method(PyObject *op, PyObject *Py_UNUSED(ignored))
{
    ThreadObject *self = ThreadObject_CAST(op);
    if (conc_thread_require_init(self) < 0)
        return NULL;
    return PyBool_FromLong(conc_thread_has_begun(self->thread) && !conc_thread_has_ended(self->thread));
}

PyObject *
conc_thread_is_done_method(PyObject *op, PyObject *Py_UNUSED(ignored))
{
    return PyBool_FromLong(conc_thread_has_ended(ThreadObject_CAST(op)->thread));
}

PyObject *
conc_thread_survived_fork_method(PyObject *op, PyObject *Py_UNUSED(ignored))
{
    conc_thread_survived_fork(ThreadObject_CAST(op)->thread);
    Py_RETURN_NONE;
}
