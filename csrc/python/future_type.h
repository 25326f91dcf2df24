/* SPDX-License-Identifier: Apache-2.0 */
/* python/future_type.h - conc._core.FutureState: the C half of conc.Future, for those who complete one.
 *
 *   PENDING ──claim──> RUNNING ──finish──> FINISHED
 *      └────cancel───> CANCELLED ──notify──> CANCELLED_AND_NOTIFIED
 */
#ifndef CONC_PYTHON_FUTURE_TYPE_H
#define CONC_PYTHON_FUTURE_TYPE_H

#include "python/core.h"

#include <stdbool.h>

typedef struct FutureObject FutureObject;

/* [owned] a new pending future of `type`, a subclass of FutureState; its __init__ is not called. `of_pool`: a worker
 * completes it, so that waiting for it in the child of a fork is an error and not a hang. NULL with an exception. */
FutureObject *conc_future_new(PyTypeObject *type, bool of_pool);

/* PENDING -> RUNNING. False when it was cancelled. Needs no attached thread. */
bool conc_future_claim(FutureObject *future);

/* Attached; all swallow no error: what a callback raises is reported, and nothing stays set. */
void conc_future_finish(FutureObject *future, PyObject *result);        /* moves; NULL: the current exception */
void conc_future_fail(FutureObject *future, PyObject *exception);       /* borrowed */
void conc_future_cancel(FutureObject *future);                  /* and tells who waits, as a worker would */
void conc_future_notify_cancelled(FutureObject *future);        /* after conc_future_claim() said false */

#endif
