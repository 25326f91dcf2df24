/* SPDX-License-Identifier: Apache-2.0 */
/* python/in_use.h - an iterator that one thread uses at a time: waiting detaches, so that another thread, or a signal handler,
 * may come while one is inside. */
#ifndef CONC_PYTHON_IN_USE_H
#define CONC_PYTHON_IN_USE_H

#include "python/core.h"

/* Sets `*in_use`, a field of `op`, and gives what it was. */
static inline bool
conc_in_use_set(PyObject *op, bool *in_use, bool now)
{
    bool before;
    (void)op;                           /* with a GIL there is nothing to lock */
    Py_BEGIN_CRITICAL_SECTION(op);
    before = *in_use;
    *in_use = now;
    Py_END_CRITICAL_SECTION();
    return before;
}

/* Goes in: true, and the caller leaves by conc_in_use_leave(); or false with ValueError. */
static inline bool
conc_in_use_enter(PyObject *op, bool *in_use)
{
    if (!conc_in_use_set(op, in_use, true))
        return true;
    PyErr_SetString(PyExc_ValueError, "this iterator is already in use by another thread");
    return false;
}

static inline void
conc_in_use_leave(PyObject *op, bool *in_use)
{
    (void)conc_in_use_set(op, in_use, false);
}

#endif
