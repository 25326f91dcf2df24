/* SPDX-License-Identifier: Apache-2.0 */
/* python/batch_type.c - conc._core.Batch: the iterator of map(kernel, items).
 *
 * The items' arguments are parsed here, run natively as one range by the pool's workers, which never attach, and their
 * results converted here, in the thread that asks for them and is attached anyway.
 */
#include "python/core.h"

#include <errno.h>

#include "kernels/batch.h"
#include "os/clock.h"
#include "os/registry.h"
#include "python/attach.h"
#include "python/errors.h"
#include "python/in_use.h"
#include "python/kernel_type.h"
#include "python/pool_type.h"
#include "python/wait.h"
#include "sched/range.h"

typedef struct {
    PyObject_HEAD
    KernelObject *kernel;               /* owned */
    struct conc_kernel_batch *batch;    /* borrowed: the range releases it, so it lives as long as `range` */
    struct conc_range *range;           /* owned; NULL once there is nothing more to give */
    size_t count;                       /* items that were parsed and run */
    PyObject *parse_error;              /* owned: what item `count` ends the iteration with; NULL: nothing */
    int64_t deadline_ns;
    uint32_t generation;                /* fork generation of its making */
    bool in_use;                        /* by the critical section: a thread is in __next__; the rest is its own */
    size_t next;
} BatchObject;

#define BatchObject_CAST(op) ((BatchObject *)(op))

static int
batch_traverse(PyObject *op, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(op));
    Py_VISIT(BatchObject_CAST(op)->kernel);
    Py_VISIT(BatchObject_CAST(op)->parse_error);
    return 0;
}

static int
batch_clear(PyObject *op)
{
    Py_CLEAR(BatchObject_CAST(op)->kernel);
    Py_CLEAR(BatchObject_CAST(op)->parse_error);
    return 0;
}

/* Who stops asking wants no more results: what has not begun is not run. */
static void
let_go(BatchObject *self)
{
    if (self->range == NULL)
        return;
    conc_range_cancel(self->range);
    if (self->kernel->owner != NULL && self->generation == conc_fork_generation()) {
        /* The code may go with us: what runs comes to the end of its item first. */
        CONC_BEGIN_DETACHED             /* uses: self->range */
        while (conc_range_wait_ended(self->range, CONC_FOREVER) != 0)
            continue;
        CONC_END_DETACHED
    }
    conc_range_release(self->range);
    self->range = NULL;
    self->batch = NULL;
}

static void
batch_dealloc(PyObject *op)
{
    PyTypeObject *type = Py_TYPE(op);
    PyObject_GC_UnTrack(op);
    let_go(BatchObject_CAST(op));
    (void)batch_clear(op);
    type->tp_free(op);
    Py_DECREF(type);
}

/* The arguments of one item are gathered here: one from each column. */
#define MAX_COLUMNS 8

/* Parses the items into the batch up to the first that cannot be, as map would run up to it; its error is kept. */
static void
parse_items(BatchObject *self, struct conc_kernel_batch *batch, PyObject *columns)
{
    size_t width = (size_t)PyTuple_GET_SIZE(columns);
    PyObject *args[MAX_COLUMNS];
    for (size_t i = 0; i < batch->count; i++, self->count++) {
        for (size_t column = 0; column < width; column++)
            args[column] = PyTuple_GET_ITEM(PyTuple_GET_ITEM(columns, (Py_ssize_t)column), (Py_ssize_t)i);
        if (self->kernel->binding->parse(self->kernel, conc_kernel_batch_state(batch, i), args, width, NULL) < 0) {
            self->parse_error = conc_take_exception();
            return;
        }
    }
}

/* The number of items in `columns`, tuples of one length; -1 with an exception when they are not. */
static Py_ssize_t
count_items(PyObject *columns)
{
    Py_ssize_t width = PyTuple_GET_SIZE(columns);
    if (width < 1 || width > MAX_COLUMNS) {
        PyErr_Format(PyExc_TypeError, "a kernel is mapped over 1 to %d iterables, not %zd", MAX_COLUMNS, width);
        return -1;
    }
    for (Py_ssize_t i = 0; i < width; i++) {
        PyObject *column = PyTuple_GET_ITEM(columns, i);
        if (!PyTuple_Check(column) || PyTuple_GET_SIZE(column) != Py_SIZE(PyTuple_GET_ITEM(columns, 0))) {
            PyErr_SetString(PyExc_TypeError, "columns must be tuples of one length");
            return -1;
        }
    }
    return PyTuple_GET_SIZE(PyTuple_GET_ITEM(columns, 0));
}

static void
release_batch(void *batch)
{
    conc_kernel_batch_free(batch);
}

static int
start(BatchObject *self, PoolObject *pool, PyObject *columns)
{
    Py_ssize_t count = count_items(columns);
    if (count < 0)
        return -1;
    struct conc_kernel_batch *batch = conc_kernel_batch_new(self->kernel->binding->core, (size_t)count);
    if (batch == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    parse_items(self, batch, columns);
    unsigned width = conc_pool_max_workers(pool->pool);
    const struct conc_range_attr attr = {
        .count = self->count,
        .width = self->count == 0 ? 1 : (self->count < width ? (unsigned)self->count : width),
        .body = conc_kernel_batch_run,
        .ctx = batch,
        .release = release_batch,
    };
    int err = conc_range_start(pool->pool, &attr, &self->range);
    if (err != 0) {
        conc_kernel_batch_free(batch);
        conc_pool_raise_submit(err);
        return -1;
    }
    self->batch = batch;
    return 0;
}

PyObject *
conc_batch_new(PoolObject *pool, KernelObject *kernel, PyObject *columns, int64_t deadline_ns)
{
    PyTypeObject *type = pool->core->batch_type;
    BatchObject *self = BatchObject_CAST(type->tp_alloc(type, 0));
    if (self == NULL)
        return NULL;
    self->kernel = (KernelObject *)Py_NewRef((PyObject *)kernel);
    self->deadline_ns = deadline_ns;
    self->generation = conc_fork_generation();
    if (start(self, pool, columns) < 0) {
        Py_DECREF(self);
        return NULL;
    }
    return (PyObject *)self;
}

struct item_wait {
    struct conc_range *range;
    size_t index;
};

static int
wait_item(void *raw, int64_t deadline_ns)
{
    struct item_wait *wait = raw;
    return conc_range_wait_item(wait->range, wait->index, deadline_ns);
}

/* 0, or -1 with the exception of a timeout, a cancellation or a signal handler. */
static int
wait_for(BatchObject *self, size_t index)
{
    if (conc_range_item_done(self->range, index))
        return 0;
    if (self->generation != conc_fork_generation()) {
        PyErr_SetString(PyExc_RuntimeError, "this map's workers are in the process that this one was forked from");
        return -1;
    }
    struct item_wait wait = {self->range, index};
    int err = conc_wait(wait_item, &wait, self->deadline_ns);
    switch (err) {
    case 0:
        return 0;
    case -EINTR:
        return -1;
    case -ETIMEDOUT:
        PyErr_SetNone(PyExc_TimeoutError);
        return -1;
    case -ECANCELED:
        conc_raise_imported("concurrent.futures", "CancelledError", NULL);
        return -1;
    default:
        conc_raise("wait for a batch", err);
        return -1;
    }
}

/* Like a generator, it is used up after an error. */
static PyObject *
next_value(BatchObject *self)
{
    if (self->range == NULL)
        return NULL;
    PyObject *value = NULL;
    size_t index = self->next;
    if (index < self->count) {
        if (wait_for(self, index) == 0)
            value = conc_kernel_finish(self->kernel, conc_kernel_batch_state(self->batch, index),
                                       self->batch->errs[index]);
    } else if (self->parse_error != NULL) {
        PyErr_SetObject((PyObject *)Py_TYPE(self->parse_error), self->parse_error);
    }
    if (value == NULL)
        let_go(self);
    else
        self->next = index + 1;
    return value;
}

static PyObject *
batch_next(PyObject *op)
{
    BatchObject *self = BatchObject_CAST(op);
    if (!conc_in_use_enter(op, &self->in_use))
        return NULL;
    PyObject *value = next_value(self);
    conc_in_use_leave(op, &self->in_use);
    return value;
}

PyDoc_STRVAR(batch_doc, "The results of a kernel over many items, in order; made by Pool.map_kernel().");

static PyType_Slot batch_slots[] = {
    {Py_tp_doc, (void *)batch_doc},
    {Py_tp_iter, PyObject_SelfIter},
    {Py_tp_iternext, batch_next},
    {Py_tp_traverse, batch_traverse},
    {Py_tp_clear, batch_clear},
    {Py_tp_dealloc, batch_dealloc},
    {0, NULL},
};

static PyType_Spec batch_spec = {
    .name = "conc._core.Batch",
    .basicsize = sizeof(BatchObject),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_IMMUTABLETYPE |
             Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = batch_slots,
};

int
conc_batch_exec(PyObject *module)
{
    return conc_add_type(module, &conc_core_state(module)->batch_type, &batch_spec);
}
