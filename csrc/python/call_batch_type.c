/* SPDX-License-Identifier: Apache-2.0 */
/* python/call_batch_type.c - conc._core.CallBatch: the iterator of map(function, *iterables) for a Python function. It feeds
 * the calls (calls.h) and gives their results.
 */
#include "python/core.h"

#include <errno.h>

#include "os/park.h"
#include "os/registry.h"
#include "python/calls.h"
#include "python/errors.h"
#include "python/in_use.h"
#include "python/wait.h"

typedef struct {
    PyObject_HEAD
    struct calls *calls;                /* a reference; NULL once there is nothing more to give */
    PyObject *source;                   /* owned: where more arguments come from, or NULL */
    struct block *last_block;           /* where the next argument goes */
    struct block *block;                /* where the next result is */
    size_t fed, next;
    int64_t deadline_ns;
    bool in_use;                        /* by the critical section: a thread is in __next__; the rest is its own */
} CallBatchObject;

#define CallBatchObject_CAST(op) ((CallBatchObject *)(op))

/* ---- feeding ------------------------------------------------------------------------------------------------------- */

/* Puts the source's next argument in its place, not published: 1; 0 when there is none; -1 with an exception. */
static int
feed(CallBatchObject *self)
{
    PyObject *argument = PyIter_Next(self->source);
    if (argument == NULL) {
        if (PyErr_Occurred())
            return -1;
        Py_CLEAR(self->source);
        return 0;
    }
    struct block *last = self->last_block;
    if (self->fed - last->first == last->size) {
        last->next = conc_calls_block(self->fed, 2 * last->size);
        if (last->next == NULL) {
            Py_DECREF(argument);
            return -1;
        }
        last = self->last_block = last->next;
    }
    last->values[self->fed - last->first] = argument;
    self->fed++;
    return 1;
}

/* 0, or -1 with the exception for a pool that takes no more. */
static int
publish(CallBatchObject *self, size_t lanes)
{
    atomic_store(&self->calls->published, self->fed);
    int err = 0;
    for (size_t i = 0; i < lanes && err == 0; i++)
        err = conc_calls_add_lane(self->calls);
    if (err != 0)
        (void)conc_pool_raise_submit(err);
    return err == 0 ? 0 : -1;
}

/* Feeds what is to be fed before anybody asks for a result: all, or `buffer_size` arguments. `at_once`: the source gives
 * them without running code that could take long, so that nothing need begin meanwhile. */
static int
feed_first(CallBatchObject *self, bool at_once, size_t buffer_size)
{
    int fed = 1;
    while (self->fed < buffer_size && (fed = feed(self)) == 1) {
        if (!at_once && publish(self, 1) < 0)
            return -1;
    }
    if (fed < 0)
        return -1;
    if (buffer_size == SIZE_MAX)
        Py_CLEAR(self->source);
    size_t width = self->calls->width;
    return at_once ? publish(self, self->fed < width ? self->fed : width) : 0;
}

PyObject *
conc_call_batch_new(PoolObject *pool, PyObject *function, PyObject *source, bool spread, bool at_once,
                    size_t buffer_size, int64_t deadline_ns)
{
    PyTypeObject *type = pool->core->call_batch_type;
    CallBatchObject *self = CallBatchObject_CAST(type->tp_alloc(type, 0));
    if (self == NULL)
        return NULL;
    Py_ssize_t hint = PyObject_LengthHint(source, 0);
    self->calls = hint < 0 ? NULL : conc_calls_new(pool, function, spread, hint);
    if (self->calls == NULL) {
        Py_DECREF(self);
        return NULL;
    }
    self->source = Py_NewRef(source);
    self->block = self->last_block = self->calls->first_block;
    self->deadline_ns = deadline_ns;
    if (feed_first(self, at_once, buffer_size) < 0) {
        Py_DECREF(self);
        return NULL;
    }
    return (PyObject *)self;
}

/* ---- the iterator -------------------------------------------------------------------------------------------------- */

/* Alone with its calls the iterator is the only owner of what they hold; a lane would be another one. */
static bool
is_sole_owner(CallBatchObject *self)
{
    return self->calls != NULL && atomic_load(&self->calls->refs.value) == 1;
}

static int
call_batch_traverse(PyObject *op, visitproc visit, void *arg)
{
    CallBatchObject *self = CallBatchObject_CAST(op);
    Py_VISIT(Py_TYPE(op));
    Py_VISIT(self->source);
    if (!is_sole_owner(self))
        return 0;
    Py_VISIT(self->calls->function);
    Py_VISIT(self->calls->context);
    Py_VISIT((PyObject *)self->calls->pool);
    for (struct block *block = self->calls->first_block; block != NULL; block = block->next) {
        for (size_t i = 0; i < block->size; i++)
            Py_VISIT(block->values[i]);
    }
    return 0;
}

static void
let_go(CallBatchObject *self)
{
    struct calls *calls = self->calls;
    if (calls == NULL)
        return;
    self->calls = NULL;
    atomic_store_explicit(&calls->abandoned, true, memory_order_relaxed);
    conc_calls_drop(calls);
}

static int
call_batch_clear(PyObject *op)
{
    Py_CLEAR(CallBatchObject_CAST(op)->source);
    let_go(CallBatchObject_CAST(op));
    return 0;
}

/* As a generator that was never asked for a result, one that is dropped untouched leaves its calls to run. */
static void
end(CallBatchObject *self)
{
    if (self->calls != NULL && self->next > 0)
        conc_calls_stop(self->calls);
    (void)call_batch_clear((PyObject *)self);
}

static void
call_batch_dealloc(PyObject *op)
{
    PyTypeObject *type = Py_TYPE(op);
    PyObject_GC_UnTrack(op);
    end(CallBatchObject_CAST(op));
    type->tp_free(op);
    Py_DECREF(type);
}

struct place_wait {
    struct calls *calls;
    atomic_uchar *state;
    size_t place;
};

/* 0, -ECANCELED when it will never be done, -ETIMEDOUT, -EINTR. */
static int
wait_place(void *raw, int64_t deadline_ns)
{
    struct place_wait *wait = raw;
    struct calls *calls = wait->calls;
    int err = 0;
    atomic_store(&calls->awaited, wait->place);
    while (err == 0) {
        uint32_t seen = atomic_load(&calls->epoch);
        if (atomic_load(wait->state) != PLACE_OPEN)
            break;
        err = wait->place >= atomic_load(&calls->limit)
                  ? -ECANCELED
                  : conc_park_interruptible(CONC_PARK_JOIN, &calls->epoch, seen, deadline_ns);
    }
    atomic_store(&calls->awaited, NO_PLACE);
    return atomic_load(wait->state) != PLACE_OPEN ? 0 : err;
}

/* Waits until place `next` is done: 0, or -1 with the exception of a timeout, a cancellation or a signal handler. */
static int
wait_for(CallBatchObject *self, atomic_uchar *state)
{
    struct calls *calls = self->calls;
    if (calls->generation != conc_fork_generation()) {
        PyErr_SetString(PyExc_RuntimeError, "this map's workers are in the process that this one was forked from");
        return -1;
    }
    struct place_wait wait = {calls, state, self->next};
    struct conc_pool *pool = calls->pool->pool;
    bool blocks = conc_worker_blocks(pool);
    int err = conc_wait(wait_place, &wait, self->deadline_ns);
    if (blocks)
        conc_worker_resumes(pool);
    if (err == 0)
        return 0;
    if (err == -ETIMEDOUT)
        PyErr_SetNone(PyExc_TimeoutError);
    else if (err == -ECANCELED)
        (void)conc_pool_raise_dropped(calls->pool);
    else if (err != -EINTR)
        (void)conc_raise("wait for a map", err);
    return -1;
}

/* Raises what a call raised; moves. A StopIteration would end the iteration as if all were done: as from a generator, it
 * is a RuntimeError with that as its cause. */
static PyObject *
raise_exception(PyObject *exception)
{
    if (!PyErr_GivenExceptionMatches(exception, PyExc_StopIteration)) {
        PyErr_SetObject((PyObject *)Py_TYPE(exception), exception);
        Py_DECREF(exception);
        return NULL;
    }
    PyErr_SetString(PyExc_RuntimeError, "a call of the map raised StopIteration");
    PyObject *error = conc_take_exception();
    PyException_SetCause(error, Py_NewRef(exception));
    PyException_SetContext(error, exception);
    PyErr_SetObject((PyObject *)Py_TYPE(error), error);
    Py_DECREF(error);
    return NULL;
}

/* Like a generator, it is used up after an error. */
static PyObject *
next_value(CallBatchObject *self)
{
    if (self->calls == NULL)
        return NULL;
    if (self->source != NULL) {
        int fed = feed(self);
        if (fed < 0 || (fed == 1 && publish(self, 1) < 0))
            return NULL;
    }
    if (self->next == self->fed)
        return NULL;
    while (self->next - self->block->first >= self->block->size)
        self->block = self->block->next;
    size_t at = self->next - self->block->first;
    atomic_uchar *state = &self->block->states[at];
    if (atomic_load_explicit(state, memory_order_acquire) == PLACE_OPEN && wait_for(self, state) < 0)
        return NULL;
    if (atomic_load_explicit(state, memory_order_acquire) == PLACE_CANCELLED)
        return conc_pool_raise_dropped(self->calls->pool);
    PyObject *value = self->block->values[at];
    self->block->values[at] = NULL;
    self->next++;
    if (atomic_load_explicit(state, memory_order_relaxed) == PLACE_RESULT)
        return value;
    return raise_exception(value);
}

PyDoc_STRVAR(close_doc,
"close($self, /)\n--\n\n"
"End the iteration, as a generator's close(): if it has begun, no further call does.");

static PyObject *
call_batch_close(PyObject *op, PyObject *Py_UNUSED(ignored))
{
    CallBatchObject *self = CallBatchObject_CAST(op);
    if (!conc_in_use_enter(op, &self->in_use))
        return NULL;
    end(self);
    conc_in_use_leave(op, &self->in_use);
    Py_RETURN_NONE;
}

static PyMethodDef call_batch_methods[] = {
    {"close", call_batch_close, METH_NOARGS, close_doc},
    {NULL, NULL, 0, NULL},
};

static PyObject *
call_batch_next(PyObject *op)
{
    CallBatchObject *self = CallBatchObject_CAST(op);
    if (!conc_in_use_enter(op, &self->in_use))
        return NULL;
    PyObject *value = next_value(self);
    if (value == NULL && self->calls != NULL) {
        conc_calls_stop(self->calls);
        (void)call_batch_clear(op);
    }
    conc_in_use_leave(op, &self->in_use);
    return value;
}

PyDoc_STRVAR(call_batch_doc, "The results of a function over many items, in order; made by Pool.map_calls().");

static PyType_Slot call_batch_slots[] = {
    {Py_tp_doc, (void *)call_batch_doc},
    {Py_tp_iter, PyObject_SelfIter},
    {Py_tp_iternext, call_batch_next},
    {Py_tp_methods, call_batch_methods},
    {Py_tp_traverse, call_batch_traverse},
    {Py_tp_clear, call_batch_clear},
    {Py_tp_dealloc, call_batch_dealloc},
    {0, NULL},
};

static PyType_Spec call_batch_spec = {
    .name = "conc._core.CallBatch",
    .basicsize = sizeof(CallBatchObject),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_IMMUTABLETYPE | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = call_batch_slots,
};

int
conc_call_batch_exec(PyObject *module)
{
    return conc_add_type(module, &conc_core_state(module)->call_batch_type, &call_batch_spec);
}
