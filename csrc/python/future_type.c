/* SPDX-License-Identifier: Apache-2.0 */
/* python/future_type.c - conc._core.FutureState, the C base of conc.Future (which is also a concurrent.futures.Future):
 * its life, its methods, and the descriptors that concurrent.futures' helpers reach for.
 */
#include "python/future_type.h"

#include <errno.h>

#include "os/registry.h"
#include "python/convert.h"
#include "python/errors.h"
#include "python/future_change.h"
#include "python/waits.h"
#include "sched/pool.h"

/* concurrent.futures' own words. */
static const char *const state_names[] = {
    [FUTURE_PENDING] = "PENDING",
    [FUTURE_RUNNING] = "RUNNING",
    [FUTURE_CANCELLED] = "CANCELLED",
    [FUTURE_CANCELLED_AND_NOTIFIED] = "CANCELLED_AND_NOTIFIED",
    [FUTURE_FINISHED] = "FINISHED",
};

/* ---- life ---------------------------------------------------------------------------------------------------------- */

FutureObject *
conc_future_new(PyTypeObject *type, struct conc_pool *pool)
{
    FutureObject *self = FutureObject_CAST(type->tp_alloc(type, 0));
    if (self == NULL)
        return NULL;
    conc_completion_init(&self->done);
    atomic_init(&self->state, FUTURE_PENDING);
    self->pool = pool;
    self->generation = conc_fork_generation();
    return self;
}

static PyObject *
future_new(PyTypeObject *type, PyObject *Py_UNUSED(args), PyObject *Py_UNUSED(kwargs))
{
    return (PyObject *)conc_future_new(type, NULL);    /* a subclass's __init__ judges the arguments */
}

static int
future_traverse(PyObject *op, visitproc visit, void *arg)
{
    FutureObject *self = FutureObject_CAST(op);
    Py_VISIT(Py_TYPE(op));
    Py_VISIT(self->result);
    Py_VISIT(self->exception);
    Py_VISIT(self->callbacks);
    Py_VISIT(self->condition);
    Py_VISIT(self->waiters);
    return 0;
}

static int
future_clear(PyObject *op)
{
    FutureObject *self = FutureObject_CAST(op);
    Py_CLEAR(self->result);
    Py_CLEAR(self->exception);
    Py_CLEAR(self->callbacks);
    Py_CLEAR(self->condition);
    Py_CLEAR(self->waiters);
    return 0;
}

static void
future_dealloc(PyObject *op)
{
    PyTypeObject *type = Py_TYPE(op);
    PyObject_GC_UnTrack(op);
    (void)future_clear(op);
    type->tp_free(op);
    Py_DECREF(type);
}

/* ---- methods ------------------------------------------------------------------------------------------------------- */

static PyObject *
raise_invalid_state(FutureObject *self, enum future_state found)
{
    PyObject *message = PyUnicode_FromFormat("%s: %R", state_names[found], self);
    if (message == NULL)
        return NULL;
    (void)conc_raise_imported("concurrent.futures", "InvalidStateError", message);
    Py_DECREF(message);
    return NULL;
}

static PyObject *
finish_from_python(PyObject *op, PyObject *result, PyObject *exception)
{
    struct conc_future_change change = conc_future_finishing(result, exception);
    if (conc_future_make_change(FutureObject_CAST(op), &change) < 0)
        return NULL;
    if (!change.made)
        return raise_invalid_state(FutureObject_CAST(op), change.found);
    Py_RETURN_NONE;
}

PyDoc_STRVAR(set_result_doc,
"set_result($self, result, /)\n--\n\nSet the return value; InvalidStateError when the future is done.");

static PyObject *
future_set_result(PyObject *op, PyObject *result)
{
    return finish_from_python(op, result, NULL);
}

PyDoc_STRVAR(set_exception_doc,
"set_exception($self, exception, /)\n--\n\n"
"Set the exception that result() raises; InvalidStateError when the future is done.");

static PyObject *
future_set_exception(PyObject *op, PyObject *exception)
{
    return finish_from_python(op, NULL, exception);
}

PyDoc_STRVAR(cancel_doc,
"cancel($self, /)\n--\n\nCancel what has not begun: True when it is cancelled, False when it runs or has finished.");

static PyObject *
future_cancel(PyObject *op, PyObject *Py_UNUSED(ignored))
{
    struct conc_future_change change = conc_future_cancelling();
    if (conc_future_make_change(FutureObject_CAST(op), &change) < 0)
        return NULL;
    return PyBool_FromLong(change.made || change.found == FUTURE_CANCELLED ||
                           change.found == FUTURE_CANCELLED_AND_NOTIFIED);
}

PyDoc_STRVAR(set_running_doc,
"set_running_or_notify_cancel($self, /)\n--\n\n"
"For executors: True when the work may run; False when it was cancelled, and those who wait have been told.");

static PyObject *
future_set_running_or_notify_cancel(PyObject *op, PyObject *Py_UNUSED(ignored))
{
    FutureObject *self = FutureObject_CAST(op);
    if (conc_future_claim(self))
        Py_RETURN_TRUE;
    struct conc_future_change change = conc_future_notifying();
    if (conc_future_make_change(self, &change) < 0)
        return NULL;
    if (change.made)
        Py_RETURN_FALSE;
    PyErr_Format(PyExc_RuntimeError, "Future in unexpected state %s", state_names[change.found]);
    return NULL;
}

PyDoc_STRVAR(cancelled_doc, "cancelled($self, /)\n--\n\nWhether it was cancelled.");

static PyObject *
future_cancelled(PyObject *op, PyObject *Py_UNUSED(ignored))
{
    enum future_state state = conc_future_state(FutureObject_CAST(op));
    return PyBool_FromLong(state == FUTURE_CANCELLED || state == FUTURE_CANCELLED_AND_NOTIFIED);
}

PyDoc_STRVAR(running_doc, "running($self, /)\n--\n\nWhether it runs at this moment.");

static PyObject *
future_running(PyObject *op, PyObject *Py_UNUSED(ignored))
{
    return PyBool_FromLong(conc_future_state(FutureObject_CAST(op)) == FUTURE_RUNNING);
}

PyDoc_STRVAR(done_doc, "done($self, /)\n--\n\nWhether it was cancelled or has finished.");

static PyObject *
future_done(PyObject *op, PyObject *Py_UNUSED(ignored))
{
    return PyBool_FromLong(conc_future_is_final(conc_future_state(FutureObject_CAST(op))));
}

PyDoc_STRVAR(add_done_callback_doc,
"add_done_callback($self, fn, /)\n--\n\n"
"Call fn(self) when the future is done, in the thread that completes it; at once when it is done already.");

static PyObject *
future_add_done_callback(PyObject *op, PyObject *callback)
{
    FutureObject *self = FutureObject_CAST(op);
    /* Made before we look: making a list may collect garbage, and so run code that completes this very future. */
    PyObject *fresh = self->callbacks == NULL ? PyList_New(0) : NULL;
    if (fresh == NULL && PyErr_Occurred())
        return NULL;
    int rc = 0;
    bool now;
    Py_BEGIN_CRITICAL_SECTION(op);
    now = conc_future_is_final(conc_future_state(self));
    if (!now) {
        if (self->callbacks == NULL)
            self->callbacks = Py_XNewRef(fresh);
        rc = PyList_Append(self->callbacks, callback);
    }
    Py_END_CRITICAL_SECTION();
    Py_XDECREF(fresh);
    if (rc < 0)
        return NULL;
    if (now) {
        PyObject *result = PyObject_CallOneArg(callback, op);
        if (result == NULL && !PyErr_ExceptionMatches(PyExc_Exception))
            return NULL;
        if (result == NULL)
            conc_future_report(self, callback);
        Py_XDECREF(result);
    }
    Py_RETURN_NONE;
}

static int
wait_completion(void *completion, int64_t deadline_ns)
{
    return conc_completion_wait(completion, deadline_ns);
}

/* Waits until the future is done and not cancelled: 0, or -1 with the exception for a timeout or a cancellation. */
static int
wait_done(FutureObject *self, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    PyObject *timeout = nargs == 1 ? args[0] : NULL;
    Py_ssize_t named = kwnames == NULL ? 0 : PyTuple_GET_SIZE(kwnames);
    if (nargs + named > 1 || (named == 1 && PyUnicode_CompareWithASCIIString(PyTuple_GET_ITEM(kwnames, 0), "timeout") != 0)) {
        PyErr_SetString(PyExc_TypeError, "expected at most one argument, timeout");
        return -1;
    }
    if (named == 1)
        timeout = args[0];
    int64_t deadline;
    if (conc_parse_timeout(timeout, &deadline) < 0)
        return -1;
    if (!conc_future_is_final(conc_future_state(self))) {
        if (self->pool != NULL && self->generation != conc_fork_generation()) {
            PyErr_SetString(PyExc_RuntimeError,
                            "this future's worker is in the process that this one was forked from; submit again here");
            return -1;
        }
        bool blocks = self->pool != NULL && conc_worker_blocks(self->pool);
        int err = conc_wait_listed(conc_core_state_of(Py_TYPE(self)), (PyObject *)self, wait_completion, &self->done, deadline);
        if (blocks)
            conc_worker_resumes(self->pool);
        if (err == -EINTR)
            return -1;
        if (err == -ETIMEDOUT) {
            PyErr_SetNone(PyExc_TimeoutError);
            return -1;
        }
        if (err != 0) {
            conc_raise("wait for a future", err);
            return -1;
        }
    }
    if (conc_future_state(self) == FUTURE_FINISHED)
        return 0;
    (void)conc_raise_imported("concurrent.futures", "CancelledError", NULL);
    return -1;
}

PyDoc_STRVAR(result_doc,
"result($self, /, timeout=None)\n--\n\n"
"The return value, waited for at most `timeout` seconds; raises what the call raised, CancelledError or TimeoutError.");

static PyObject *
future_result(PyObject *op, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    FutureObject *self = FutureObject_CAST(op);
    if (wait_done(self, args, nargs, kwnames) < 0)
        return NULL;
    /* Constant since the state says FINISHED. */
    PyObject *exc = self->exception;
    if (exc == NULL || exc == Py_None)
        return Py_NewRef(self->result == NULL ? Py_None : self->result);
    if (PyExceptionClass_Check(exc))
        PyErr_SetNone(exc);
    else if (PyExceptionInstance_Check(exc))
        PyErr_SetObject((PyObject *)Py_TYPE(exc), exc);
    else
        PyErr_SetString(PyExc_TypeError, "exceptions must derive from BaseException");
    return NULL;
}

PyDoc_STRVAR(exception_doc,
"exception($self, /, timeout=None)\n--\n\n"
"The exception that the call raised, or None; waits like result().");

static PyObject *
future_exception(PyObject *op, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    FutureObject *self = FutureObject_CAST(op);
    if (wait_done(self, args, nargs, kwnames) < 0)
        return NULL;
    return Py_NewRef(self->exception == NULL ? Py_None : self->exception);
}

PyDoc_STRVAR(wait_begins_doc,
"_wait_begins($self, /)\n--\n\n"
"The calling thread is about to wait for the future by other means. Whether it is a worker of the same pool, which is now\n"
"made up for: then _wait_ends() must follow.");

static PyObject *
future_wait_begins(PyObject *op, PyObject *Py_UNUSED(ignored))
{
    FutureObject *self = FutureObject_CAST(op);
    return PyBool_FromLong(self->pool != NULL && conc_worker_blocks(self->pool));
}

PyDoc_STRVAR(wait_ends_doc, "_wait_ends($self, /)\n--\n\nAfter _wait_begins() said so, in the same thread.");

static PyObject *
future_wait_ends(PyObject *op, PyObject *Py_UNUSED(ignored))
{
    conc_worker_resumes(FutureObject_CAST(op)->pool);
    Py_RETURN_NONE;
}

static PyMethodDef future_methods[] = {
    {"set_result", future_set_result, METH_O, set_result_doc},
    {"set_exception", future_set_exception, METH_O, set_exception_doc},
    {"set_running_or_notify_cancel", future_set_running_or_notify_cancel, METH_NOARGS, set_running_doc},
    {"cancel", future_cancel, METH_NOARGS, cancel_doc},
    {"cancelled", future_cancelled, METH_NOARGS, cancelled_doc},
    {"running", future_running, METH_NOARGS, running_doc},
    {"done", future_done, METH_NOARGS, done_doc},
    {"add_done_callback", future_add_done_callback, METH_O, add_done_callback_doc},
    {"result", (PyCFunction)(void (*)(void))future_result, METH_FASTCALL | METH_KEYWORDS, result_doc},
    {"exception", (PyCFunction)(void (*)(void))future_exception, METH_FASTCALL | METH_KEYWORDS, exception_doc},
    {"_wait_begins", future_wait_begins, METH_NOARGS, wait_begins_doc},
    {"_wait_ends", future_wait_ends, METH_NOARGS, wait_ends_doc},
    {NULL, NULL, 0, NULL},
};

/* ---- what concurrent.futures' helpers reach for -------------------------------------------------------------------- */

static PyObject *
future_get_state(PyObject *op, void *Py_UNUSED(closure))
{
    return PyUnicode_InternFromString(state_names[conc_future_state(FutureObject_CAST(op))]);
}

static PyObject *
new_condition(void)
{
    PyObject *threading = PyImport_ImportModule("threading");
    if (threading == NULL)
        return NULL;
    PyObject *condition = PyObject_CallMethod(threading, "Condition", NULL);
    Py_DECREF(threading);
    return condition;
}

/* Two threads may make one each; the first to store wins. A change of state sees either none and is made before the
 * condition exists for anyone, or the one that everybody uses. */
static PyObject *
future_get_condition(PyObject *op, void *Py_UNUSED(closure))
{
    FutureObject *self = FutureObject_CAST(op);
    PyObject *made = NULL, *condition;
    if (self->condition == NULL && (made = new_condition()) == NULL)
        return NULL;
    Py_BEGIN_CRITICAL_SECTION(op);
    if (self->condition == NULL)
        self->condition = Py_NewRef(made);
    condition = Py_NewRef(self->condition);
    Py_END_CRITICAL_SECTION();
    Py_XDECREF(made);
    return condition;
}

/* A worker that is about to wait for a future of its own pool sees the list in a way that makes the waiting known. */
static PyObject *
future_get_waiters(PyObject *op, void *Py_UNUSED(closure))
{
    FutureObject *self = FutureObject_CAST(op);
    PyObject *fresh = PyList_New(0), *waiters;
    if (fresh == NULL)
        return NULL;
    Py_BEGIN_CRITICAL_SECTION(op);
    if (self->waiters == NULL)
        self->waiters = Py_NewRef(fresh);
    waiters = Py_NewRef(self->waiters);
    Py_END_CRITICAL_SECTION();
    Py_DECREF(fresh);
    if (self->pool == NULL || !conc_pool_is_of_this_thread(self->pool))
        return waiters;
    PyObject *seen = PyObject_CallMethod(op, "_waiters_for_worker", "O", waiters);
    Py_DECREF(waiters);
    return seen;
}

static PyObject *
new_ref_or_none(PyObject *value)
{
    return Py_NewRef(value == NULL ? Py_None : value);
}

static PyObject *
future_get_result_slot(PyObject *op, void *Py_UNUSED(closure))
{
    FutureObject *self = FutureObject_CAST(op);
    return new_ref_or_none(conc_future_state(self) == FUTURE_FINISHED ? self->result : NULL);
}

static PyObject *
future_get_exception_slot(PyObject *op, void *Py_UNUSED(closure))
{
    FutureObject *self = FutureObject_CAST(op);
    return new_ref_or_none(conc_future_state(self) == FUTURE_FINISHED ? self->exception : NULL);
}

static PyObject *
future_get_runner(PyObject *op, void *Py_UNUSED(closure))
{
    FutureObject *self = FutureObject_CAST(op);
    unsigned long runner = atomic_load_explicit(&self->runner, memory_order_relaxed);
    if (runner == 0 || conc_future_state(self) != FUTURE_RUNNING)
        Py_RETURN_NONE;
    return PyLong_FromUnsignedLong(runner);
}

static PyGetSetDef future_getset[] = {
    {"_state", future_get_state, NULL, PyDoc_STR("The state, in concurrent.futures' words."), NULL},
    {"_condition", future_get_condition, NULL, PyDoc_STR("A threading.Condition, made when first asked for."), NULL},
    {"_waiters", future_get_waiters, NULL, PyDoc_STR("The waiters of concurrent.futures.wait and as_completed."), NULL},
    {"_result", future_get_result_slot, NULL, PyDoc_STR("The return value, or None."), NULL},
    {"_runner", future_get_runner, NULL, PyDoc_STR("The identifier of the thread that runs its task now, or None."), NULL},
    {"_exception", future_get_exception_slot, NULL, PyDoc_STR("The exception, or None."), NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

PyDoc_STRVAR(future_doc,
"FutureState()\n--\n\n"
"The native half of conc.Future: state, result, waiting and callbacks.");

static PyType_Slot future_slots[] = {
    {Py_tp_doc, (void *)future_doc},
    {Py_tp_new, future_new},
    {Py_tp_traverse, future_traverse},
    {Py_tp_clear, future_clear},
    {Py_tp_dealloc, future_dealloc},
    {Py_tp_methods, future_methods},
    {Py_tp_getset, future_getset},
    {0, NULL},
};

static PyType_Spec future_spec = {
    .name = "conc._core.FutureState",
    .basicsize = sizeof(FutureObject),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = future_slots,
};

int
conc_future_exec(PyObject *module)
{
    return conc_add_type(module, &conc_core_state(module)->future_state_type, &future_spec);
}
