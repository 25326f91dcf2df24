/* SPDX-License-Identifier: Apache-2.0 */
/* python/calls.c - see the header. */
#include "python/calls.h"

#include <errno.h>

#include "base/alloc.h"
#include "os/park.h"
#include "os/registry.h"

#define LEAST_BLOCK 64
#define MOST_BLOCK ((size_t)1 << 20)

struct lane {
    struct conc_task task;
    struct calls *calls;                /* a reference */
};

struct block *
conc_calls_block(size_t first, size_t size)
{
    if (size > MOST_BLOCK)
        size = MOST_BLOCK;
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
void
conc_calls_drop(struct calls *calls)
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
void
conc_calls_stop(struct calls *calls)
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
            conc_calls_stop(calls);         /* shut down with cancel_futures, or broken: this one has not begun either */
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
    conc_calls_drop(calls);
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
    conc_calls_stop(((struct lane *)task)->calls);
    (void)lane_leaves((struct lane *)task);
}

/* One more lane if there may be one more: 0, or what conc_pool_submit() answered when there is none at all. */
int
conc_calls_add_lane(struct calls *calls)
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
        conc_calls_drop(calls);
    }
    conc_lock_acquire(&calls->lock);
    calls->lanes--;
    bool none = calls->lanes == 0;
    conc_lock_release(&calls->lock);
    return none || err == -ESHUTDOWN || err == -EPIPE ? err : 0;
}

struct calls *
conc_calls_new(PoolObject *pool, PyObject *function, bool spread, Py_ssize_t hint)
{
    struct calls *calls = conc_alloc(sizeof(*calls));
    if (calls == NULL) {
        PyErr_NoMemory();
        return NULL;
    }
    size_t size = hint < LEAST_BLOCK ? LEAST_BLOCK : (size_t)hint;
    PyObject *context = PyContext_CopyCurrent();
    struct block *block = context == NULL ? NULL : conc_calls_block(0, size);
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
