/* SPDX-License-Identifier: Apache-2.0 */
/* python/future_change.c - see the header. */
#include "python/future_change.h"

#include "os/clock.h"
#include "os/park.h"
#include "python/attach.h"
#include "sync/stop.h"

#define RETRY_NS INT64_C(1000000)
#define MOST_TRIES 200

/* Inside the critical section. `condition_held` says whether a condition, if there is one, is held by the caller; the
 * answer is false when it would have to be. */
static bool
apply(FutureObject *self, struct conc_future_change *change, bool condition_held)
{
    if (self->condition != NULL && !condition_held)
        return false;
    int found = atomic_load_explicit(&self->state, memory_order_acquire);
    if (change->to == FUTURE_FINISHED && (change->from & CONC_FROM(found))) {
        /* Nobody reads them before the state says FINISHED. */
        self->result = Py_XNewRef(change->result);
        self->exception = Py_XNewRef(change->exception);
    }
    /* Only conc_future_claim() changes the state outside of this section: PENDING to RUNNING. */
    do {
        change->found = (enum future_state)found;
        if (!(change->from & CONC_FROM(found)))
            return true;
    } while (!atomic_compare_exchange_weak_explicit(&self->state, &found, change->to, memory_order_acq_rel,
                                                    memory_order_acquire));
    change->made = true;
    if (conc_future_is_final(change->to) && !conc_future_is_final(change->found)) {
        change->callbacks = self->callbacks;
        self->callbacks = NULL;
    }
    return true;
}

/* Whether to try again what failed for want of memory: late is better than never for what somebody waits to be told. The
 * exception is then forgotten, after a moment in which others run and may give some memory back. */
static bool
try_again(unsigned *tries)
{
    if (!PyErr_ExceptionMatches(PyExc_MemoryError) || ++*tries >= MOST_TRIES)
        return false;
    PyErr_Clear();
    struct conc_stop nobody_asks;
    conc_stop_init(&nobody_asks, NULL);
    CONC_BEGIN_DETACHED              /* uses: nobody_asks */
    (void)conc_stop_sleep(&nobody_asks, conc_deadline_after(RETRY_NS));
    CONC_END_DETACHED
    return true;
}

/* Calls a method without arguments. 0, or -1 with an exception. */
static int
call(PyObject *object, const char *method)
{
    PyObject *result;
    unsigned tries = 0;
    do {
        result = PyObject_CallMethod(object, method, NULL);
    } while (result == NULL && try_again(&tries));
    Py_XDECREF(result);
    return result == NULL ? -1 : 0;
}

/* Whether the waiter has put the future on its list; false also when that cannot be known. Raises nothing. */
static bool
has_heard(PyObject *waiter, FutureObject *self)
{
    PyObject *finished = PyObject_GetAttrString(waiter, "finished_futures");
    int heard = finished == NULL ? -1 : PySequence_Contains(finished, (PyObject *)self);
    Py_XDECREF(finished);
    if (heard < 0)
        PyErr_Clear();
    return heard == 1;
}

/* 0, or -1 with an exception. What a waiter does after it has put the future on its list is its own: told again it would
 * list it twice. */
static int
tell_waiter(FutureObject *self, PyObject *waiter, const char *what)
{
    unsigned tries = 0;
    for (;;) {
        PyObject *told = PyObject_CallMethod(waiter, what, "O", self);
        Py_XDECREF(told);
        if (told != NULL)
            return 0;
        PyObject *error = conc_take_exception();
        bool heard = has_heard(waiter, self);
        PyErr_SetObject((PyObject *)Py_TYPE(error), error);
        Py_DECREF(error);
        if (heard || !try_again(&tries))
            return -1;
    }
}

/* With the condition held: what concurrent.futures tells those who wait by it. */
static int
tell_waiters(FutureObject *self, struct conc_future_change *change)
{
    PyObject *waiters = self->waiters, *error = NULL;
    if (change->tell != NULL && waiters != NULL) {
        for (Py_ssize_t i = 0; i < PyList_GET_SIZE(waiters); i++) {
            PyObject *waiter = Py_NewRef(PyList_GET_ITEM(waiters, i));
            if (tell_waiter(self, waiter, change->tell) < 0) {
                Py_XDECREF(error);
                error = conc_take_exception();      /* the others are to hear of it all the same */
            }
            Py_DECREF(waiter);
        }
    }
    int rc = call(self->condition, "notify_all");
    if (error == NULL)
        return rc;
    PyErr_Clear();
    PyErr_SetObject((PyObject *)Py_TYPE(error), error);
    Py_DECREF(error);
    return -1;
}

static int
change_under_condition(FutureObject *self, struct conc_future_change *change)
{
    PyObject *entered = PyObject_CallMethod(self->condition, "acquire", NULL);
    if (entered == NULL)
        return -1;
    Py_DECREF(entered);
    Py_BEGIN_CRITICAL_SECTION(self);
    (void)apply(self, change, true);
    Py_END_CRITICAL_SECTION();
    int rc = change->made ? tell_waiters(self, change) : 0;
    PyObject *error = rc < 0 ? conc_take_exception() : NULL;
    int left = call(self->condition, "release");
    if (error != NULL) {
        PyErr_Clear();
        PyErr_SetObject((PyObject *)Py_TYPE(error), error);
        Py_DECREF(error);
        return -1;
    }
    return left;
}

/* A callback that raises is a bug in the callback: concurrent.futures logs it, and the rest are called. */
void
conc_future_report(FutureObject *self, PyObject *callback)
{
    if (!PyErr_ExceptionMatches(PyExc_Exception)) {
        PyErr_WriteUnraisable(callback);
        return;
    }
    PyObject *error = conc_take_exception();
    PyObject *logged = PyObject_CallMethod((PyObject *)self, "_log_callback_error", "OO", callback, error);
    if (logged == NULL)
        PyErr_WriteUnraisable(callback);
    Py_XDECREF(logged);
    Py_DECREF(error);
}

void
conc_future_call_callback(FutureObject *self, PyObject *callback)
{
    PyObject *result = PyObject_CallOneArg(callback, (PyObject *)self);
    if (result == NULL)
        conc_future_report(self, callback);
    Py_XDECREF(result);
}

int
conc_future_make_change(FutureObject *self, struct conc_future_change *change)
{
    bool applied;
    int rc = 0;
    Py_BEGIN_CRITICAL_SECTION(self);
    applied = apply(self, change, false);
    Py_END_CRITICAL_SECTION();
    if (!applied)
        rc = change_under_condition(self, change);
    if (change->made && conc_future_is_final(change->to) && !conc_future_is_final(change->found)) {
        /* A callback may take long: who waits is woken before. */
        if (change->unwoken != NULL && change->callbacks == NULL)
            *change->unwoken = conc_complete_unwoken(&self->done);
        else
            conc_complete(&self->done);
    }
    if (change->callbacks != NULL) {
        PyObject *error = rc < 0 ? conc_take_exception() : NULL;
        for (Py_ssize_t i = 0; i < PyList_GET_SIZE(change->callbacks); i++)
            conc_future_call_callback(self, PyList_GET_ITEM(change->callbacks, i));
        Py_CLEAR(change->callbacks);
        if (error != NULL) {
            PyErr_SetObject((PyObject *)Py_TYPE(error), error);
            Py_DECREF(error);
        }
    }
    return rc;
}

struct conc_future_change
conc_future_finishing(PyObject *result, PyObject *exception)
{
    return (struct conc_future_change){
        .from = CONC_FROM_ALIVE,
        .to = FUTURE_FINISHED,
        .result = result,
        .exception = exception,
        .tell = exception == NULL ? "add_result" : "add_exception",
    };
}

struct conc_future_change
conc_future_cancelling(void)
{
    return (struct conc_future_change){.from = CONC_FROM(FUTURE_PENDING), .to = FUTURE_CANCELLED};
}

struct conc_future_change
conc_future_notifying(void)
{
    return (struct conc_future_change){
        .from = CONC_FROM(FUTURE_CANCELLED),
        .to = FUTURE_CANCELLED_AND_NOTIFIED,
        .tell = "add_cancelled",
    };
}

/* ---- for the workers ----------------------------------------------------------------------------------------------- */

bool
conc_future_claim(FutureObject *self)
{
    int pending = FUTURE_PENDING;
    return atomic_compare_exchange_strong_explicit(&self->state, &pending, FUTURE_RUNNING, memory_order_acq_rel,
                                                   memory_order_relaxed);
}

void
conc_future_set_runner(FutureObject *self)
{
    atomic_store_explicit(&self->runner, PyThread_get_thread_ident(), memory_order_relaxed);
}

/* A worker has nobody to raise to, and a change that is not made would leave those who wait for ever. */
static void
make_change_or_report(FutureObject *self, struct conc_future_change *change)
{
    unsigned tries = 0;
    while (conc_future_make_change(self, change) < 0) {
        if (change->made || !try_again(&tries)) {
            PyErr_WriteUnraisable((PyObject *)self);
            return;
        }
    }
}

void
conc_future_fail(FutureObject *self, PyObject *exception)
{
    struct conc_future_change change = conc_future_finishing(NULL, exception);
    make_change_or_report(self, &change);
}

_Atomic(uint32_t) *
conc_future_finish_unwoken(FutureObject *self, PyObject *result)
{
    _Atomic(uint32_t) *unwoken = NULL;
    PyObject *exception = result == NULL ? conc_take_exception() : NULL;
    struct conc_future_change change = conc_future_finishing(result, exception);
    change.unwoken = &unwoken;
    make_change_or_report(self, &change);
    Py_XDECREF(result);
    Py_XDECREF(exception);
    return unwoken;
}

void
conc_future_finish(FutureObject *self, PyObject *result)
{
    _Atomic(uint32_t) *unwoken = conc_future_finish_unwoken(self, result);
    if (unwoken != NULL)
        conc_unpark(unwoken, CONC_UNPARK_ALL);
}

void
conc_future_notify_cancelled(FutureObject *self)
{
    struct conc_future_change change = conc_future_notifying();
    make_change_or_report(self, &change);
}

void
conc_future_cancel(FutureObject *self)
{
    struct conc_future_change change = conc_future_cancelling();
    make_change_or_report(self, &change);
    conc_future_notify_cancelled(self);
}
