/* SPDX-License-Identifier: Apache-2.0 */
/* python/calls.h - the many calls of one map(function, *iterables); for calls.c and call_batch_type.c alone.
 *
 * No future and no task is made for an item. The items stand in a row of places; tasks of the pool, lanes, take one place
 * after the other off a cursor and put what the call gave where its argument was. Items are taken singly and in order, so
 * that two of them may wait for each other, as in the standard pool.
 *
 *     fed:     place 0 1 2 ... published          by the thread that maps, or at each __next__ when there is a buffer size
 *     taken:   place 0 ... cursor                 by the lanes
 *     given:   place 0 ... next                   by __next__
 *
 * A lane that finds nothing more to take leaves; whoever feeds starts another one. All functions are called attached.
 */
#ifndef CONC_PYTHON_CALLS_H
#define CONC_PYTHON_CALLS_H

#include "python/core.h"

#include <stdatomic.h>
#include <stdbool.h>

#include "base/refcount.h"
#include "python/pool_type.h"
#include "sync/lock.h"

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

/* [owned] with a first block for about `hint` places; NULL with an exception. */
struct calls *conc_calls_new(PoolObject *pool, PyObject *function, bool spread, Py_ssize_t hint);
void conc_calls_drop(struct calls *calls);

/* [owned] a block of `size` places from `first` on, or of fewer where that is a great many; NULL with an exception. */
struct block *conc_calls_block(size_t first, size_t size);

/* One more lane if there may be one more: 0, or what conc_pool_submit() answered when there is none at all. */
int conc_calls_add_lane(struct calls *calls);

/* No further place is taken. */
void conc_calls_stop(struct calls *calls);

#endif
