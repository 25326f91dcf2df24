/* SPDX-License-Identifier: Apache-2.0 */
/* python/pool_type.h - conc._core.Pool, for the files that make its tasks and its batches. */
#ifndef CONC_PYTHON_POOL_TYPE_H
#define CONC_PYTHON_POOL_TYPE_H

#include "python/core.h"

#include <stdatomic.h>
#include <stdbool.h>

#include "python/attach.h"
#include "python/future_type.h"
#include "python/kernel_type.h"
#include "sched/pool.h"

/* Every worker holds a reference, so that the object lives as long as any of them; the pool is closed by the owner. */
typedef struct {
    PyObject_HEAD
    struct conc_pool *pool;             /* owned; constant */
    CoreState *core;                    /* borrowed: the type keeps the module alive */
    PyInterpreterState *interp;         /* whose tasks these are; outlived, since its exit drains the pool */
    PyTypeObject *future_type;          /* owned; constant */
    bool eager;                         /* workers enter Python when they start, not with their first Python task */
    atomic_bool broken;                 /* a worker could not enter */
    _Atomic(uint64_t) attaches;         /* by workers */
    _Atomic(int64_t) attach_wait_ns;    /* in all of them together */
} PoolObject;

#define PoolObject_CAST(op) ((PoolObject *)(op))

/* Attaches the calling worker, and has it enter Python the first time. */
void conc_pool_worker_attach(struct conc_worker *worker);

/* Attached: finishes a task's future as conc_future_finish(). Threads that wait for it are woken when the worker lets go
 * of the interpreter, which they need, or begins another task. */
void conc_pool_worker_finish(struct conc_worker *worker, FutureObject *future, PyObject *result);

/* Detaches it, so that what runs next touches no Python. */
void conc_pool_worker_detach(struct conc_worker *worker);

/* After a task that ran attached: lets others have the GIL now and then, also when no bytecode runs between. */
void conc_pool_worker_breathe(struct conc_worker *worker);

/* Raises what conc_pool_submit() or conc_range_start() answered; NULL. */
PyObject *conc_pool_raise_submit(int err);

/* python/task.c: [owned] the future of function(*args, **kwargs) on the pool, in the convention of METH_FASTCALL with
 * args[0] the function, a Kernel or any callable. With a rank, which may be NULL, it goes by that, and ends in a
 * TimeoutError if it has not begun by its deadline. NULL with an exception. */
PyObject *conc_pool_submit_call(PoolObject *pool, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames,
                                const struct conc_rank *rank);

/* Raises why what was queued will not run: the pool is broken, or it was cancelled; NULL. */
PyObject *conc_pool_raise_dropped(PoolObject *pool);

/* python/call_batch_type.c: [owned] an iterator over function(argument) for what the iterator `source` gives, in order, or
 * function(*arguments) if `spread`. `buffer_size`: so many are taken from the source ahead of results; SIZE_MAX: all, now.
 * `at_once`: the source is quick, so that no call need begin before all are taken. */
PyObject *conc_call_batch_new(PoolObject *pool, PyObject *function, PyObject *source, bool spread, bool at_once,
                              size_t buffer_size, int64_t deadline_ns);

/* python/native.c: the methods of Pool that loop over a native function. */
PyObject *conc_pool_parallel_for(PyObject *pool, PyObject *args);
PyObject *conc_pool_map_into(PyObject *pool, PyObject *args);

/* python/batch_type.c: [owned] an iterator over kernel(*row) for the rows of `columns`, a tuple of tuples, in order. */
PyObject *conc_batch_new(PoolObject *pool, KernelObject *kernel, PyObject *columns, int64_t deadline_ns);

#endif
