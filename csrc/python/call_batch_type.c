/* SPDX-License-Identifier: Apache-2.0 */
/* python/call_batch_type.c - conc._core.CallBatch: the iterator of map(function, *iterables) for a Python function.
 *
 * No future and no task is made for an item. The items stand in a row of places; tasks of the pool, lanes, take one place
 * after the other off a cursor and put what the call gave where its argument was. Items are taken singly and in order, so
 * that two of them may wait for each other, as in the standard pool.
 *
 *     fed:     place 0 1 2 ... published          by the thread that maps, or at each __next__ when there is a buffer size
 *     taken:   place 0 ... cursor                 by the lanes
 *     given:   place 0 ... next                   by __next__
 *
 * A lane that finds nothing more to take leaves; whoever feeds starts another one.
 */
#include "python/core.h"

#include <errno.h>

#include "base/alloc.h"
#include "base/refcount.h"
#include "os/park.h"
#include "os/registry.h"
#include "python/errors.h"
#include "python/pool_type.h"
#include "python/wait.h"
#include "sync/lock.h"

#define LEAST_BLOCK 64
#define MOST_BLOCK ((size_t)1 << 20)

enum place_state { PLACE_OPEN, PLACE_RESULT, PLACE_EXCEPTION, PLACE_CANCELLED };

struct block {
    struct block *next;                 /* written before a place of it is published */
    size_t first, size;                 /* the places [first, first + size) */
    atomic_uchar *states;               /* [size], enum place_state; seq_cst against calls->awaited */
    PyObject *values[];                 /* [size], owned: the argument, then what came of it; NULL once it is given */
};

/* Nobody waits for a place. */
#define NO_PLACE SIZE_MAX

struct calls {
    struct conc_refcount refs;          /* the iterator's and one for each lane */
    PoolObject *pool;                   /* owned */
    PyObject *function;                 /* owned */
    PyObject *context;                  /* owned: contextvars at the time of map() */
    bool spread;                        /* each argument is a tuple of arguments */
    uint32_t generation;                /* fork generation of its making */
    uint64_t takes_back;                /* of the pool, at that time */
    unsigned width;                     /* lanes at most */
    struct block *first_block;

    atomic_size_t published;            /* places whose argument is there; release */
    atomic_size_t cursor;               /* the next place to be taken; NO_PLACE: no more are */
    atomic_size_t limit;                /* this place and those behind it will not be taken */
    atomic_size_t awaited;              /* the place that __next__ waits for, or NO_PLACE */
    _Atomic(uint32_t) epoch;            /* parked on by __next__ */
    atomic_bool abandoned;              /* nobody wants results */
    struct conc_lock lock;              /* protects the rest */
    unsigned lanes;                     /* submitted, not left */
};

struct lane {
    struct conc_task task;
    struct calls *calls;                /* a reference */
};

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

/* ---- the calls ----------------------------------------------------------------------------------------------------- */

static struct block *
block_new(size_t first, size_t size)
{
    struct block *block = conc_alloc(sizeof(*block) + size * (sizeof(block->values[0]) + sizeof(block->states[0])));
    if (block == NULL) {
        PyErr_NoMemory();
        return NULL;
    }
    block->first = first;
    block->size = size;
    block->states = (atomic_uchar *)&block->values[size];
    return block;
}

/* Attached. */
static void
drop_calls(struct calls *calls)
{
    if (!conc_ref_drop(&calls->refs))
        return;
    while (calls->first_block != NULL) {
        struct block *block = calls->first_block;
        calls->first_block = block->next;
        for (size_t i = 0; i < block->size; i++)
            Py_XDECREF(block->values[i]);
        conc_free(block);
    }
    Py_DECREF(calls->function);
    Py_DECREF(calls->context);
    Py_DECREF(calls->pool);
    conc_free(calls);
}


/* Somebody may wait for what has just come: everything that was done before is seen by whoever is woken. */
static void
wake(struct calls *calls)
{
    atomic_fetch_add(&calls->epoch, 1);
    conc_unpark(&calls->epoch, CONC_UNPARK_ALL);
}

/* No further place is taken. */
static void
stop_taking(struct calls *calls)
{
    size_t at = atomic_exchange(&calls->cursor, NO_PLACE);
    if (at != NO_PLACE)
        atomic_store(&calls->limit, at);
    wake(calls);
}

static bool
take_place(struct calls *calls, size_t *place)
{
    size_t at = atomic_load_explicit(&calls->cursor, memory_order_relaxed);
    do {
        /* acquire: the argument is there. */
        if (at >= atomic_load_explicit(&calls->published, memory_order_acquire))
            return false;
    } while (!atomic_compare_exchange_weak(&calls->cursor, &at, at + 1));
    *place = at;
    return true;
}

static PyObject *
call(struct calls *calls, PyObject *argument)
{
    if (calls->spread)
        return PyObject_Vectorcall(calls->function, ((PyTupleObject *)argument)->ob_item,
                                   (size_t)PyTuple_GET_SIZE(argument), NULL);
    return PyObject_CallOneArg(calls->function, argument);
}

static void
finish_place(struct calls *calls, struct block *block, size_t place, enum place_state state)
{
    /* seq_cst, as `awaited`: either we see that it is waited for, or who waits sees it. */
    atomic_store(&block->states[place - block->first], state);
    if (atomic_load(&calls->awaited) == place)
        wake(calls);
}

/* Attached, in the lane's context. False when the call has forked: nobody here takes results. */
static bool
run_place(struct calls *calls, struct block *block, size_t place)
{
    PyObject **value = &block->values[place - block->first];
    PyObject *argument = *value, *result = call(calls, argument);
    if (calls->generation != conc_fork_generation())
        return false;
    enum place_state state = PLACE_RESULT;
    if (result == NULL) {
        result = conc_take_exception();
        state = PLACE_EXCEPTION;
    }
    if (atomic_load_explicit(&calls->abandoned, memory_order_relaxed))
        Py_SETREF(result, Py_NewRef(Py_None));
    *value = result;
    Py_DECREF(argument);
    finish_place(calls, block, place, state);
    return true;
}

/* Takes places as long as there are any. False when a call has forked. */
static bool
run_places(struct calls *calls, struct conc_worker *worker)
{
    struct block *block = calls->first_block;
    struct conc_pool *pool = calls->pool->pool;
    for (size_t place; take_place(calls, &place);) {
        while (place - block->first >= block->size)
            block = block->next;
        if (conc_pool_takes_back(pool) != calls->takes_back) {
            stop_taking(calls);         /* shut down with cancel_futures, or broken: this one has not begun either */
            finish_place(calls, block, place, PLACE_CANCELLED);
            return true;
        }
        if (!run_place(calls, block, place) || !conc_worker_run_urgent(worker))
            return false;
        conc_pool_worker_breathe(worker);
    }
    return true;
}

/* A lane has nothing to take: true when it has left, and is gone; false when there is something by now. */
static bool
lane_leaves(struct lane *lane)
{
    struct calls *calls = lane->calls;
    conc_lock_acquire(&calls->lock);
    bool more = atomic_load(&calls->cursor) < atomic_load(&calls->published);
    calls->lanes -= !more;
    conc_lock_release(&calls->lock);
    if (more)
        return false;
    conc_free(lane);
    drop_calls(calls);
    return true;
}

static void
run_lane(struct conc_task *task, struct conc_worker *worker)
{
    struct lane *lane = (struct lane *)task;
    struct calls *calls = lane->calls;
    conc_pool_worker_attach(worker);
    PyObject *context = PyContext_Copy(calls->context);
    if (context == NULL || PyContext_Enter(context) < 0) {
        PyErr_WriteUnraisable(calls->function);         /* no memory: without a context of its own */
        Py_CLEAR(context);
    }
    do {
        if (!run_places(calls, worker))
            return;                     /* in the child of a fork: another process's, left as it was */
    } while (!lane_leaves(lane));
    if (context != NULL && PyContext_Exit(context) < 0)
        PyErr_WriteUnraisable(NULL);
    Py_XDECREF(context);
}

static void
cancel_lane(struct conc_task *task)
{
    stop_taking(((struct lane *)task)->calls);
    (void)lane_leaves((struct lane *)task);
}

/* One more lane if there may be one more: 0, or what conc_pool_submit() answered when there is none at all. */
static int
add_lane(struct calls *calls)
{
    conc_lock_acquire(&calls->lock);
    bool add = calls->lanes < calls->width;
    calls->lanes += add;
    conc_lock_release(&calls->lock);
    if (!add)
        return 0;
    struct lane *lane = conc_alloc(sizeof(*lane));
    int err = lane == NULL ? -ENOMEM : 0;
    if (err == 0) {
        *lane = (struct lane){{NULL, run_lane, cancel_lane}, calls};
        conc_ref_take(&calls->refs);
        err = conc_pool_submit(calls->pool->pool, &lane->task);
        if (err == 0)
            return 0;
        conc_free(lane);
        drop_calls(calls);
    }
    conc_lock_acquire(&calls->lock);
    calls->lanes--;
    bool none = calls->lanes == 0;
    conc_lock_release(&calls->lock);
    return none || err == -ESHUTDOWN || err == -EPIPE ? err : 0;
}

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
        last->next = block_new(self->fed, last->size < MOST_BLOCK ? 2 * last->size : MOST_BLOCK);
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
        err = add_lane(self->calls);
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

static struct calls *
calls_new(PoolObject *pool, PyObject *function, bool spread, Py_ssize_t hint)
{
    struct calls *calls = conc_alloc(sizeof(*calls));
    if (calls == NULL) {
        PyErr_NoMemory();
        return NULL;
    }
    size_t size = hint < LEAST_BLOCK ? LEAST_BLOCK : (size_t)hint;
    PyObject *context = PyContext_CopyCurrent();
    struct block *block = context == NULL ? NULL : block_new(0, size < MOST_BLOCK ? size : MOST_BLOCK);
    if (block == NULL) {
        Py_XDECREF(context);
        conc_free(calls);
        return NULL;
    }
    conc_ref_init(&calls->refs);
    calls->pool = (PoolObject *)Py_NewRef((PyObject *)pool);
    calls->function = Py_NewRef(function);
    calls->context = context;
    calls->spread = spread;
    calls->generation = conc_fork_generation();
    calls->takes_back = conc_pool_takes_back(pool->pool);
    calls->width = conc_pool_max_workers(pool->pool);
    calls->first_block = block;
    atomic_init(&calls->limit, NO_PLACE);
    atomic_init(&calls->awaited, NO_PLACE);
    conc_lock_init(&calls->lock);
    return calls;
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
    self->calls = hint < 0 ? NULL : calls_new(pool, function, spread, hint);
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
    drop_calls(calls);
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
call_batch_dealloc(PyObject *op)
{
    CallBatchObject *self = CallBatchObject_CAST(op);
    PyTypeObject *type = Py_TYPE(op);
    PyObject_GC_UnTrack(op);
    if (self->calls != NULL && self->next > 0)
        stop_taking(self->calls);
    (void)call_batch_clear(op);
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
        err = wait->place >= atomic_load(&calls->limit) ? -ECANCELED : conc_park(&calls->epoch, seen, deadline_ns);
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
    PyErr_SetObject((PyObject *)Py_TYPE(value), value);
    Py_DECREF(value);
    return NULL;
}

/* Waiting detaches, so another thread, or a signal handler, may come while one is inside. */
static bool
set_in_use(CallBatchObject *self, bool in_use)
{
    bool before;
    Py_BEGIN_CRITICAL_SECTION(self);
    before = self->in_use;
    self->in_use = in_use;
    Py_END_CRITICAL_SECTION();
    return before;
}

static PyObject *
call_batch_next(PyObject *op)
{
    CallBatchObject *self = CallBatchObject_CAST(op);
    if (set_in_use(self, true)) {
        PyErr_SetString(PyExc_ValueError, "this iterator is already in use by another thread");
        return NULL;
    }
    PyObject *value = next_value(self);
    if (value == NULL && self->calls != NULL) {
        stop_taking(self->calls);
        (void)call_batch_clear(op);
    }
    (void)set_in_use(self, false);
    return value;
}

PyDoc_STRVAR(call_batch_doc, "The results of a function over many items, in order; made by Pool.map_calls().");

static PyType_Slot call_batch_slots[] = {
    {Py_tp_doc, (void *)call_batch_doc},
    {Py_tp_iter, PyObject_SelfIter},
    {Py_tp_iternext, call_batch_next},
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
