/* SPDX-License-Identifier: Apache-2.0 */
/* python/future_type.h - conc._core.FutureState: the C half of conc.Future, for those who complete one.
 *
 *   PENDING ──claim──> RUNNING ──finish──> FINISHED
 *      └────cancel───> CANCELLED ──notify──> CANCELLED_AND_NOTIFIED
 */
#ifndef CONC_PYTHON_FUTURE_TYPE_H
#define CONC_PYTHON_FUTURE_TYPE_H

#include "python/core.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct conc_pool;
typedef struct FutureObject FutureObject;

/* [owned] a new pending future of `type`, a subclass of FutureState; its __init__ is not called. `pool`: whose
 * worker completes it, so that waiting for it in the child of a fork is an error and not a hang; or NULL. It is only
 * compared. NULL with an exception. */
FutureObject *conc_future_new(PyTypeObject *type, struct conc_pool *pool);

/* PENDING -> RUNNING. False when it was cancelled. Needs no attached thread. */
bool conc_future_claim(FutureObject *future);

/* The calling thread runs the task of a claimed future, and nobody else can end it. For who asks who waits for whom. */
void conc_future_set_runner(FutureObject *future);

/* Attached; all swallow no error: what a callback raises is reported, and nothing stays set. */
void conc_future_finish(FutureObject *future, PyObject *result);        /* moves; NULL: the current exception */
/* The same, but leaves the threads that wait to the caller, who wakes them with conc_unpark(answer) if it is not NULL: best
 * once it has detached, since they need the interpreter. The future may be gone then. */
_Atomic(uint32_t) *conc_future_finish_unwoken(FutureObject *future, PyObject *result);
void conc_future_fail(FutureObject *future, PyObject *exception);       /* borrowed */
void conc_future_cancel(FutureObject *future);                  /* and tells who waits, as a worker would */
void conc_future_notify_cancelled(FutureObject *future);        /* after conc_future_claim() said false */

#endif
