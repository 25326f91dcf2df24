/* SPDX-License-Identifier: Apache-2.0 */
/* python/data_stack.h - the first piece of a thread state's data stack, on which the interpreter keeps the frames of Python
 * functions: kept from one thread for the next. The interpreter maps it at a thread's first call and unmaps it at the
 * thread's end, which together with the page faults is a good part of what a short thread costs.
 */
#ifndef CONC_PYTHON_DATA_STACK_H
#define CONC_PYTHON_DATA_STACK_H

#include "python/core.h"

#include "base/refcount.h"

#define CONC_DATA_STACKS_KEPT 4

struct conc_data_stacks {
    struct conc_refcount refs;
    CONC_PY_LOCK(lock);
    unsigned count;                             /* by lock */
    _PyStackChunk *kept[CONC_DATA_STACKS_KEPT]; /* by lock; owned */
};

/* Gives the attached thread's new state a piece that is kept, if there is one. */
void conc_data_stack_lend(struct conc_data_stacks *stacks, PyThreadState *tstate);

/* Keeps the piece of a thread state that will run no more Python code, if there is room. Attached. */
void conc_data_stack_take_back(struct conc_data_stacks *stacks, PyThreadState *tstate);

/* [owned] by reference count, since a thread may outlive the module; NULL without memory. */
struct conc_data_stacks *conc_data_stacks_new(void);
void conc_data_stacks_take(struct conc_data_stacks *stacks);
void conc_data_stacks_release(struct conc_data_stacks *stacks);

#endif
