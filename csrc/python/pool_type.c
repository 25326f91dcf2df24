/* SPDX-License-Identifier: Apache-2.0 */
/* python/pool_type.c - conc._core.Pool: a struct conc_pool whose workers can run Python, and the worker's side of that.
 *
 * A worker makes its thread state when it starts, attaches for the first Python task and stays attached while more of
 * them follow; it detaches before it runs native work or parks. "Entering" is the first attach, in which the Python side
 * (conc.executors) gives the thread its name and runs the user's initializer.
 */
#include "python/pool_type.h"

#include <errno.h>

#include "base/alloc.h"
#include "os/clock.h"
#include "os/park.h"
#include "python/convert.h"
#include "python/errors.h"
#include "python/wait.h"

/* Python tasks in a row before the GIL is offered to others, if no bytecode of theirs did that. */
#define BURST 64

struct local {
    struct conc_attachment attachment;
    PoolObject *pool;                   /* a reference, taken by retain */
    bool entered;
    unsigned burst;                     /* tasks since the last breath */
    _Atomic(uint32_t) *unwoken;         /* threads that wait for the last task: woken once we have let go, or go on */
};

/* ---- the worker ---------------------------------------------------------------------------------------------------- */

static void
hook_retain(void *ctx)
{
    Py_INCREF((PyObject *)ctx);         /* the submitter is attached */
}

static void
hook_release(void *ctx)
{
    Py_DECREF((PyObject *)ctx);
}

static int
hook_begin(struct conc_worker *worker, void **out)
{
    PoolObject *pool = conc_pool_ctx(conc_worker_pool(worker));
    struct local *local = conc_alloc(sizeof(*local));
    if (local == NULL)
        return -ENOMEM;
    int err = conc_attachment_make(&local->attachment, pool->interp);
    if (err != 0) {
        conc_free(local);
        return err;
    }
    local->pool = pool;
    *out = local;
    return 0;
}

/* Attached. 0, or -1 with an exception: the initializer's. */
static int
enter_python(struct conc_worker *worker, struct local *local)
{
    local->entered = true;
    PyObject *entered =
        PyObject_CallMethod((PyObject *)local->pool, "_enter_worker", "I", conc_worker_index(worker));
    Py_XDECREF(entered);
    return entered == NULL ? -1 : 0;
}

/* Attaches, and counts how often and how long that took. */
static void
attach(struct local *local)
{
    if (local->attachment.attached)
        return;
    int64_t before = conc_now_ns();
    conc_attach(&local->attachment);
    atomic_fetch_add_explicit(&local->pool->attaches, 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&local->pool->attach_wait_ns, conc_now_ns() - before, memory_order_relaxed);
}

static void
wake_waiting(struct local *local)
{
    if (local->unwoken != NULL)
        conc_unpark(local->unwoken, CONC_UNPARK_ALL);
    local->unwoken = NULL;
}

void
conc_pool_worker_finish(struct conc_worker *worker, FutureObject *future, PyObject *result)
{
    struct local *local = conc_worker_local(worker);
    wake_waiting(local);
    local->unwoken = conc_future_finish_unwoken(future, result);
}

void
conc_pool_worker_attach(struct conc_worker *worker)
{
    struct local *local = conc_worker_local(worker);
    wake_waiting(local);
    attach(local);
    if (!local->entered && enter_python(worker, local) < 0)
        PyErr_WriteUnraisable((PyObject *)local->pool);     /* a name could not be given: the work still can be done */
}

void
conc_pool_worker_detach(struct conc_worker *worker)
{
    struct local *local = conc_worker_local(worker);
    local->burst = 0;
    conc_detach(&local->attachment);
    wake_waiting(local);
}

void
conc_pool_worker_breathe(struct conc_worker *worker)
{
    struct local *local = conc_worker_local(worker);
    if (++local->burst < BURST)
        return;
    conc_pool_worker_detach(worker);
    attach(local);
}

static void
cancel_all(struct conc_task *task)
{
    while (task != NULL) {
        struct conc_task *next = task->next;    /* cancel() frees the task */
        task->cancel(task);
        task = next;
    }
}

/* With an initializer, workers enter at once; if it fails, the pool is of no use to anybody. */
static int
hook_enter(struct conc_worker *worker)
{
    struct local *local = conc_worker_local(worker);
    if (!local->pool->eager)
        return 0;
    conc_attach(&local->attachment);
    if (enter_python(worker, local) == 0)
        return 0;
    PyObject *error = conc_take_exception();
    PyObject *logged = PyObject_CallMethod((PyObject *)local->pool, "_log_initializer_error", "O", error);
    if (logged == NULL)
        PyErr_WriteUnraisable((PyObject *)local->pool);
    Py_XDECREF(logged);
    Py_DECREF(error);
    atomic_store(&local->pool->broken, true);
    conc_pool_break(local->pool->pool);
    cancel_all(conc_pool_take_queued(local->pool->pool));
    return -EPIPE;
}

static void
hook_end(struct conc_worker *worker)
{
    struct local *local = conc_worker_local(worker);
    conc_attach(&local->attachment);
    if (local->entered) {
        PyObject *left = PyObject_CallMethod((PyObject *)local->pool, "_leave_worker", NULL);
        if (left == NULL)
            PyErr_WriteUnraisable((PyObject *)local->pool);
        Py_XDECREF(left);
    }
    Py_DECREF(local->pool);
    conc_attachment_drop(&local->attachment);
    conc_free(local);
}

/* ---- the object ---------------------------------------------------------------------------------------------------- */

static PyObject *
pool_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    static char *keywords[] = {"max_workers", "future_type", "eager", "stack_size", "spin_ns", NULL};
    unsigned int max_workers;
    PyObject *future_type;
    int eager = 0;
    Py_ssize_t stack_size = 0;
    long long spin_ns = 0;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "IO!|pnL:Pool", keywords, &max_workers, &PyType_Type, &future_type,
                                     &eager, &stack_size, &spin_ns))
        return NULL;
    CoreState *core = conc_core_state_of(type);
    if (!PyType_IsSubtype((PyTypeObject *)future_type, core->future_state_type)) {
        PyErr_Format(PyExc_TypeError, "future_type must be a subclass of FutureState, not %R", future_type);
        return NULL;
    }
    PoolObject *self = PoolObject_CAST(type->tp_alloc(type, 0));
    if (self == NULL)
        return NULL;
    self->core = core;
    self->interp = PyInterpreterState_Get();
    self->future_type = (PyTypeObject *)Py_NewRef(future_type);
    self->eager = eager != 0;
    const struct conc_pool_attr attr = {
        .max_workers = max_workers,
        .stack_size = (size_t)stack_size,
        .spin_ns = spin_ns,
        .detach = conc_detach_python,
        .hooks = {hook_retain, hook_release, hook_begin, hook_enter, conc_pool_worker_detach, hook_end},
        .ctx = self,
    };
    int err = conc_pool_create(&attr, &self->pool);
    if (err != 0) {
        Py_DECREF(self);
        return conc_raise("make a pool", err);
    }
    return (PyObject *)self;
}

static int
pool_traverse(PyObject *op, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(op));
    Py_VISIT(PoolObject_CAST(op)->future_type);
    return 0;
}

static int
pool_clear(PyObject *op)
{
    Py_CLEAR(PoolObject_CAST(op)->future_type);
    return 0;
}

/* No worker lives here: each holds a reference. In the child of a fork, theirs are still counted, and this never runs. */
static void
pool_dealloc(PyObject *op)
{
    PoolObject *self = PoolObject_CAST(op);
    PyTypeObject *type = Py_TYPE(op);
    PyObject_GC_UnTrack(op);
    if (self->pool != NULL) {
        conc_pool_close(self->pool);
        conc_pool_release(self->pool);
    }
    (void)pool_clear(op);
    type->tp_free(op);
    Py_DECREF(type);
}

PyObject *
conc_pool_raise_submit(int err)
{
    switch (err) {
    case -ESHUTDOWN:
        PyErr_SetString(PyExc_RuntimeError, "cannot schedule new futures after shutdown");
        return NULL;
    case -EPIPE:
        return conc_raise_imported_text("concurrent.futures.thread", "BrokenThreadPool",
                                        "a thread initializer failed, the thread pool is not usable anymore");
    case -EAGAIN:
        PyErr_SetString(PyExc_RuntimeError,
                        "can't start a worker: the system has no more threads to give (see ulimit -u and the cgroup's "
                        "pids.max)");
        return NULL;
    default:
        return conc_raise("submit to a pool", err);
    }
}

PyDoc_STRVAR(submit_doc,
"submit($self, function, /, *args, **kwargs)\n--\n\n"
"Queue function(*args, **kwargs) and return its future. A Kernel runs without the interpreter.");

static PyObject *
pool_submit(PyObject *op, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    if (nargs == 0) {
        PyErr_SetString(PyExc_TypeError, "submit() missing 1 required positional argument: 'function'");
        return NULL;
    }
    return conc_pool_submit_call(PoolObject_CAST(op), args, nargs, kwnames, NULL);
}

PyDoc_STRVAR(submit_ranked_doc,
"submit_ranked($self, priority, deadline, function, /, *args, **kwargs)\n--\n\n"
"As submit(). The higher priority begins first, of equal ones the earlier deadline (seconds from now, or None); what has\n"
"not begun by then ends in a TimeoutError.");

static PyObject *
pool_submit_ranked(PyObject *op, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    struct conc_rank rank;
    if (nargs < 3) {
        PyErr_Format(PyExc_TypeError, "submit_ranked() takes at least 3 positional arguments (%zd given)", nargs);
        return NULL;
    }
    rank.priority = PyLong_AsLongLong(args[0]);
    if (rank.priority == -1 && PyErr_Occurred())
        return NULL;
    if (conc_parse_timeout(args[1], &rank.deadline_ns) < 0)
        return NULL;
    return conc_pool_submit_call(PoolObject_CAST(op), args + 2, nargs - 2, kwnames, &rank);
}

PyDoc_STRVAR(map_kernel_doc,
"map_kernel($self, kernel, columns, timeout=None, /)\n--\n\n"
"An iterator over kernel(*row) for the rows of `columns`, a tuple of tuples of one length, in order; the rows run\n"
"natively on all workers.");

static PyObject *
pool_map_kernel(PyObject *op, PyObject *args)
{
    PoolObject *self = PoolObject_CAST(op);
    PyObject *kernel, *columns, *timeout = Py_None;
    int64_t deadline;
    if (!PyArg_ParseTuple(args, "O!O!|O:map_kernel", self->core->kernel_type, &kernel, &PyTuple_Type, &columns,
                          &timeout))
        return NULL;
    if (conc_parse_timeout(timeout, &deadline) < 0)
        return NULL;
    return conc_batch_new(self, KernelObject_CAST(kernel), columns, deadline);
}

PyObject *
conc_pool_raise_dropped(PoolObject *pool)
{
    if (atomic_load(&pool->broken))
        return conc_pool_raise_submit(-EPIPE);
    return conc_raise_imported("concurrent.futures", "CancelledError", NULL);
}

PyDoc_STRVAR(map_calls_doc,
"map_calls($self, function, source, spread, at_once, buffersize=None, timeout=None, /)\n--\n\n"
"An iterator over function(item), or function(*item) if `spread`, for the items of the iterator `source`, in order.");

static PyObject *
pool_map_calls(PyObject *op, PyObject *args)
{
    PyObject *function, *source, *buffer_size = Py_None, *timeout = Py_None;
    int spread, at_once;
    int64_t deadline;
    if (!PyArg_ParseTuple(args, "OOpp|OO:map_calls", &function, &source, &spread, &at_once, &buffer_size, &timeout))
        return NULL;
    size_t most = buffer_size == Py_None ? SIZE_MAX : PyLong_AsSize_t(buffer_size);
    if (most == (size_t)-1 && PyErr_Occurred())
        return NULL;
    if (!PyIter_Check(source)) {
        PyErr_Format(PyExc_TypeError, "source must be an iterator, not %R", source);
        return NULL;
    }
    if (conc_parse_timeout(timeout, &deadline) < 0)
        return NULL;
    return conc_call_batch_new(PoolObject_CAST(op), function, source, spread != 0, at_once != 0, most, deadline);
}

PyDoc_STRVAR(parallel_for_doc,
"parallel_for($self, function, begin, end, grain, data, /)\n--\n\nSee conc.ThreadPoolExecutor.parallel_for().");
PyDoc_STRVAR(map_into_doc,
"map_into($self, out, function, input, /)\n--\n\nSee conc.ThreadPoolExecutor.map_into().");

PyDoc_STRVAR(close_doc, "close($self, /)\n--\n\nTake no more tasks; what is queued still runs.");

static PyObject *
pool_close(PyObject *op, PyObject *Py_UNUSED(ignored))
{
    conc_pool_close(PoolObject_CAST(op)->pool);
    Py_RETURN_NONE;
}

PyDoc_STRVAR(cancel_queued_doc, "cancel_queued($self, /)\n--\n\nCancel every task that no worker has begun.");

static PyObject *
pool_cancel_queued(PyObject *op, PyObject *Py_UNUSED(ignored))
{
    cancel_all(conc_pool_take_queued(PoolObject_CAST(op)->pool));
    Py_RETURN_NONE;
}

PyDoc_STRVAR(request_stop_doc, "request_stop($self, /)\n--\n\nAsk every kernel that runs in the pool to end soon.");

static PyObject *
pool_request_stop(PyObject *op, PyObject *Py_UNUSED(ignored))
{
    conc_pool_request_stop(PoolObject_CAST(op)->pool);
    Py_RETURN_NONE;
}

static int
wait_ended(void *pool, int64_t deadline_ns)
{
    return conc_pool_wait_ended(pool, deadline_ns);
}

PyDoc_STRVAR(join_doc,
"join($self, timeout=None, /)\n--\n\n"
"Wait until every worker of a closed pool is gone; whether they are.");

static PyObject *
pool_join(PyObject *op, PyObject *const *args, Py_ssize_t nargs)
{
    int64_t deadline;
    if (nargs > 1) {
        PyErr_Format(PyExc_TypeError, "join() takes at most 1 argument (%zd given)", nargs);
        return NULL;
    }
    if (conc_parse_timeout(nargs == 0 ? NULL : args[0], &deadline) < 0)
        return NULL;
    int err = conc_wait(wait_ended, PoolObject_CAST(op)->pool, deadline);
    if (err == -EINTR)
        return NULL;
    if (err != 0 && err != -ETIMEDOUT)
        return conc_raise("wait for a pool's workers", err);
    return PyBool_FromLong(err == 0);
}

PyDoc_STRVAR(counts_doc,
"counts($self, /)\n--\n\n"
"(workers, idle, queued): workers alive, workers parked, tasks that no worker has begun; one moment's view.");

static PyObject *
pool_counts(PyObject *op, PyObject *Py_UNUSED(ignored))
{
    struct conc_pool_stats stats;
    conc_pool_read_stats(PoolObject_CAST(op)->pool, &stats);
    return Py_BuildValue("(IIn)", stats.workers, stats.idle, (Py_ssize_t)stats.queued);
}

PyDoc_STRVAR(totals_doc,
"totals($self, /)\n--\n\n"
"(run, stolen, parked, split, attaches, attach_wait_ns) since the pool was made; see conc.PoolStats.");

static PyObject *
pool_totals(PyObject *op, PyObject *Py_UNUSED(ignored))
{
    PoolObject *self = PoolObject_CAST(op);
    struct conc_pool_stats stats;
    conc_pool_read_stats(self->pool, &stats);
    return Py_BuildValue("(KKKKKL)", (unsigned long long)stats.run, (unsigned long long)stats.stolen,
                         (unsigned long long)stats.parked, (unsigned long long)stats.split,
                         (unsigned long long)atomic_load(&self->attaches), (long long)atomic_load(&self->attach_wait_ns));
}

PyDoc_STRVAR(is_broken_doc, "is_broken($self, /)\n--\n\nWhether an initializer failed, so that the pool takes no work.");

static PyObject *
pool_is_broken(PyObject *op, PyObject *Py_UNUSED(ignored))
{
    return PyBool_FromLong(atomic_load(&PoolObject_CAST(op)->broken));
}

static PyMethodDef pool_methods[] = {
    {"submit", (PyCFunction)(void (*)(void))pool_submit, METH_FASTCALL | METH_KEYWORDS, submit_doc},
    {"submit_ranked", (PyCFunction)(void (*)(void))pool_submit_ranked, METH_FASTCALL | METH_KEYWORDS, submit_ranked_doc},
    {"map_calls", pool_map_calls, METH_VARARGS, map_calls_doc},
    {"map_kernel", pool_map_kernel, METH_VARARGS, map_kernel_doc},
    {"parallel_for", conc_pool_parallel_for, METH_VARARGS, parallel_for_doc},
    {"map_into", conc_pool_map_into, METH_VARARGS, map_into_doc},
    {"close", pool_close, METH_NOARGS, close_doc},
    {"cancel_queued", pool_cancel_queued, METH_NOARGS, cancel_queued_doc},
    {"request_stop", pool_request_stop, METH_NOARGS, request_stop_doc},
    {"join", (PyCFunction)(void (*)(void))pool_join, METH_FASTCALL, join_doc},
    {"counts", pool_counts, METH_NOARGS, counts_doc},
    {"totals", pool_totals, METH_NOARGS, totals_doc},
    {"is_broken", pool_is_broken, METH_NOARGS, is_broken_doc},
    {NULL, NULL, 0, NULL},
};

PyDoc_STRVAR(pool_doc,
"Pool(max_workers, future_type, eager=False, stack_size=0, spin_ns=0)\n--\n\n"
"Native workers for Python calls and kernels. A subclass gives _enter_worker(index), _leave_worker() and\n"
"_log_initializer_error(error), which workers call attached; eager: as soon as they start.");

static PyType_Slot pool_slots[] = {
    {Py_tp_doc, (void *)pool_doc},
    {Py_tp_new, pool_new},
    {Py_tp_traverse, pool_traverse},
    {Py_tp_clear, pool_clear},
    {Py_tp_dealloc, pool_dealloc},
    {Py_tp_methods, pool_methods},
    {0, NULL},
};

static PyType_Spec pool_spec = {
    .name = "conc._core.Pool",
    .basicsize = sizeof(PoolObject),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = pool_slots,
};

int
conc_pool_exec(PyObject *module)
{
    return conc_add_type(module, &conc_core_state(module)->pool_type, &pool_spec);
}
