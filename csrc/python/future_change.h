/* SPDX-License-Identifier: Apache-2.0 */
/* python/future_change.h - a future's fields and the one way in which its state changes; for future_type.c and
 * future_change.c alone.
 *
 * The standard library's helpers (wait, as_completed, asyncio.wrap_future) look at _state, _condition and _waiters. A
 * future costs no condition until somebody reaches for it. From then on every change of state is made with that
 * condition held and its waiters told, exactly as concurrent.futures does; before, a change is one compare-and-swap.
 * Native waits go to the completion in either case.
 *
 * Lock order: the user's condition, then the object's critical section. No Python code runs inside the latter.
 */
#ifndef CONC_PYTHON_FUTURE_CHANGE_H
#define CONC_PYTHON_FUTURE_CHANGE_H

#include "python/core.h"

#include <stdatomic.h>

#include "python/future_type.h"
#include "sync/completion.h"

enum future_state {
    FUTURE_PENDING,
    FUTURE_RUNNING,
    FUTURE_CANCELLED,
    FUTURE_CANCELLED_AND_NOTIFIED,
    FUTURE_FINISHED,
};

struct FutureObject {
    PyObject_HEAD
    struct conc_completion done;        /* complete from CANCELLED or FINISHED on */
    atomic_int state;                   /* enum future_state */
    uint32_t generation;                /* fork generation of its making; constant. In the gap: many futures may wait */
    struct conc_pool *pool;             /* whose worker completes it, or NULL; constant; only compared, may be gone */
    _Atomic(unsigned long) runner;      /* the thread that runs its task; 0: none that is known */
    /* By the critical section; owned or NULL: */
    PyObject *result;
    PyObject *exception;
    PyObject *callbacks;                /* a list, until done */
    PyObject *condition;                /* a threading.Condition, once somebody reached for it */
    PyObject *waiters;                  /* a list, likewise; changed by those who hold the condition */
};

#define FutureObject_CAST(op) ((FutureObject *)(op))

static inline enum future_state
conc_future_state(FutureObject *self)
{
    /* acquire: a result is written before the state that tells of it. */
    return (enum future_state)atomic_load_explicit(&self->state, memory_order_acquire);
}

static inline bool
conc_future_is_final(enum future_state state)
{
    return state != FUTURE_PENDING && state != FUTURE_RUNNING;
}

/* One change: from any state in the set `from` to `to`, with what comes with it. */
struct conc_future_change {
    unsigned from;                      /* bit per enum future_state */
    enum future_state to;
    PyObject *result, *exception;       /* borrowed; for FINISHED */
    const char *tell;                   /* the method of each of the condition's waiters, or NULL */
    _Atomic(uint32_t) **unwoken;        /* where to leave the word of threads that wait, for conc_unpark(); NULL: wake them */
    /* Out: */
    bool made;
    enum future_state found;            /* the state before */
    PyObject *callbacks;                /* owned; taken when the change ended the future */
};

#define CONC_FROM(state) (1u << (state))

#define CONC_FROM_ALIVE (CONC_FROM(FUTURE_PENDING) | CONC_FROM(FUTURE_RUNNING))

/* The change that ends a future with one of the two, the other NULL; both are borrowed until it is made. */
struct conc_future_change conc_future_finishing(PyObject *result, PyObject *exception);
struct conc_future_change conc_future_cancelling(void);
struct conc_future_change conc_future_notifying(void);

/* Makes the change for all who look, wakes native waiters, calls the callbacks. -1 with an exception when the user's
 * condition failed; change->made says what was done. */
int conc_future_make_change(FutureObject *future, struct conc_future_change *change);

/* Reports the exception that `callback` raised, which is then no longer current. */
void conc_future_report(FutureObject *future, PyObject *callback);

/* Calls one done callback; what it raises is reported. */
void conc_future_call_callback(FutureObject *future, PyObject *callback);

#endif
