/* SPDX-License-Identifier: Apache-2.0 */
/* python/task.c - the two tasks that Python submits one by one: a call, which runs attached, and a kernel, which runs
 * detached and attaches once it has a result to hand over.
 *
 * A task owns references, so it is made and freed attached; the worker that runs it sees to that.
 */
#include "python/core.h"

#include <errno.h>

#include "base/alloc.h"
#include "os/clock.h"
#include "python/errors.h"
#include "python/future_type.h"
#include "python/pool_type.h"

struct call_task {
    struct conc_task task;
    PoolObject *pool;                   /* owned */
    FutureObject *future;               /* owned */
    PyObject *context;                  /* owned: the submitter's contextvars at that time, for this call alone */
    int64_t deadline_ns;                /* it is not to begin later */
    PyObject *function;                 /* owned */
    PyObject *kwnames;                  /* owned tuple or NULL */
    Py_ssize_t nargs;                   /* positional */
    Py_ssize_t total;                   /* positional and keyword */
    PyObject *args[];                   /* owned */
};

struct kernel_task {
    struct conc_task task;
    PoolObject *pool;                   /* owned */
    FutureObject *future;               /* owned */
    KernelObject *kernel;               /* owned */
    int64_t deadline_ns;                /* it is not to begin later */
    void *state;                        /* owned */
};

/* Whether the time to begin is over; asks no clock where there is no deadline. */
static bool
is_late(int64_t deadline_ns)
{
    return deadline_ns != CONC_FOREVER && conc_now_ns() > deadline_ns;
}

/* Attached. */
static PyObject *
raise_late(void)
{
    PyErr_SetString(PyExc_TimeoutError, "the task had not begun by its deadline");
    return NULL;
}

/* Attached: the pool drops the task unrun. */
static void
drop_future(PoolObject *pool, FutureObject *future)
{
    if (atomic_load(&pool->broken)) {
        conc_future_finish(future, conc_pool_raise_submit(-EPIPE));
        conc_future_notify_cancelled(future);   /* it was cancelled before: those who wait must hear of it */
    } else {
        conc_future_cancel(future);
    }
}

/* ---- a call -------------------------------------------------------------------------------------------------------- */

static void
call_free(struct call_task *call)
{
    Py_XDECREF(call->kwnames);
    for (Py_ssize_t i = 0; i < call->total; i++)
        Py_DECREF(call->args[i]);
    Py_DECREF(call->function);
    Py_DECREF(call->context);
    Py_DECREF(call->future);
    Py_DECREF(call->pool);
    conc_free(call);
}

/* Attached, for a call whose future was claimed. */
static PyObject *
call_function(struct call_task *call)
{
    if (is_late(call->deadline_ns))
        return raise_late();
    if (PyContext_Enter(call->context) < 0)
        return NULL;
    PyObject *result = PyObject_Vectorcall(call->function, call->args, (size_t)call->nargs, call->kwnames);
    PyObject *error = result == NULL ? conc_take_exception() : NULL;
    if (PyContext_Exit(call->context) < 0)
        PyErr_WriteUnraisable(call->function);
    if (error != NULL) {
        PyErr_SetObject((PyObject *)Py_TYPE(error), error);
        Py_DECREF(error);
    }
    return result;
}

static void
call_run(struct conc_task *task, struct conc_worker *worker)
{
    struct call_task *call = (struct call_task *)task;
    conc_pool_worker_attach(worker);
    if (!conc_future_claim(call->future))
        conc_future_notify_cancelled(call->future);
    else {
        conc_future_set_runner(call->future);
        conc_pool_worker_finish(worker, call->future, call_function(call));
    }
    call_free(call);
    conc_pool_worker_breathe(worker);
}

static void
call_cancel(struct conc_task *task)
{
    struct call_task *call = (struct call_task *)task;
    drop_future(call->pool, call->future);
    call_free(call);
}

static struct call_task *
call_new(PoolObject *pool, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    Py_ssize_t total = nargs - 1 + (kwnames == NULL ? 0 : PyTuple_GET_SIZE(kwnames));
    struct call_task *call = conc_alloc(sizeof(*call) + (size_t)total * sizeof(call->args[0]));
    if (call == NULL) {
        PyErr_NoMemory();
        return NULL;
    }
    call->context = PyContext_CopyCurrent();
    call->future = call->context == NULL ? NULL : conc_future_new(pool->future_type, pool->pool);
    if (call->future == NULL) {
        Py_XDECREF(call->context);
        conc_free(call);
        return NULL;
    }
    call->task = (struct conc_task){NULL, call_run, call_cancel};
    call->pool = (PoolObject *)Py_NewRef((PyObject *)pool);
    call->function = Py_NewRef(args[0]);
    call->kwnames = Py_XNewRef(kwnames);
    call->nargs = nargs - 1;
    call->total = total;
    for (Py_ssize_t i = 0; i < total; i++)
        call->args[i] = Py_NewRef(args[i + 1]);
    return call;
}

static PyObject *
submit_call(PoolObject *pool, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames, const struct conc_rank *rank)
{
    struct call_task *call = call_new(pool, args, nargs, kwnames);
    if (call == NULL)
        return NULL;
    PyObject *future = Py_NewRef((PyObject *)call->future);     /* the task may be gone once it is submitted */
    call->deadline_ns = rank == NULL ? CONC_FOREVER : rank->deadline_ns;
    int err = conc_pool_submit_ranked(pool->pool, &call->task, rank);
    if (err != 0) {
        call_free(call);
        Py_DECREF(future);
        return conc_pool_raise_submit(err);
    }
    return future;
}

/* ---- a kernel ------------------------------------------------------------------------------------------------------ */

static void
kernel_task_free(struct kernel_task *task)
{
    if (task->state != NULL)
        conc_kernel_state_free(task->kernel->binding->core, task->state);
    Py_DECREF(task->kernel);
    Py_DECREF(task->future);
    Py_DECREF(task->pool);
    conc_free(task);
}

static void
kernel_task_run(struct conc_task *base, struct conc_worker *worker)
{
    struct kernel_task *task = (struct kernel_task *)base;
    conc_pool_worker_detach(worker);
    bool claimed = conc_future_claim(task->future);
    int err = 0;
    bool late = claimed && is_late(task->deadline_ns);
    if (claimed && !late)
        err = task->kernel->binding->core->run(task->state, conc_pool_stop(task->pool->pool));
    conc_pool_worker_attach(worker);
    if (claimed)
        conc_pool_worker_finish(worker, task->future,
                                late ? raise_late() : conc_kernel_finish(task->kernel, task->state, err));
    else
        conc_future_notify_cancelled(task->future);
    kernel_task_free(task);
    conc_pool_worker_breathe(worker);
}

static void
kernel_task_cancel(struct conc_task *base)
{
    struct kernel_task *task = (struct kernel_task *)base;
    drop_future(task->pool, task->future);
    kernel_task_free(task);
}

static struct kernel_task *
kernel_task_new(PoolObject *pool, KernelObject *kernel)
{
    struct kernel_task *task = conc_alloc(sizeof(*task));
    if (task == NULL) {
        PyErr_NoMemory();
        return NULL;
    }
    task->future = conc_future_new(pool->future_type, pool->pool);
    if (task->future == NULL) {
        conc_free(task);
        return NULL;
    }
    task->task = (struct conc_task){NULL, kernel_task_run, kernel_task_cancel};
    task->pool = (PoolObject *)Py_NewRef((PyObject *)pool);
    task->kernel = (KernelObject *)Py_NewRef((PyObject *)kernel);
    return task;
}

static PyObject *
submit_kernel(PoolObject *pool, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames,
              const struct conc_rank *rank)
{
    KernelObject *kernel = KernelObject_CAST(args[0]);
    struct kernel_task *task = kernel_task_new(pool, kernel);
    if (task == NULL)
        return NULL;
    PyObject *future = Py_NewRef((PyObject *)task->future);
    task->state = conc_kernel_state_new(kernel, args + 1, (size_t)(nargs - 1), kwnames);
    if (task->state == NULL) {
        /* Wrong arguments are an error of the call, as with any function: the future holds it. */
        conc_future_finish(task->future, NULL);
        kernel_task_free(task);
        return future;
    }
    task->deadline_ns = rank == NULL ? CONC_FOREVER : rank->deadline_ns;
    int err = conc_pool_submit_ranked(pool->pool, &task->task, rank);
    if (err != 0) {
        kernel_task_free(task);
        Py_DECREF(future);
        return conc_pool_raise_submit(err);
    }
    return future;
}

PyObject *
conc_pool_submit_call(PoolObject *pool, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames,
                      const struct conc_rank *rank)
{
    if (Py_IS_TYPE(args[0], pool->core->kernel_type))
        return submit_kernel(pool, args, nargs, kwnames, rank);
    return submit_call(pool, args, nargs, kwnames, rank);
}
