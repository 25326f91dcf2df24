/* SPDX-License-Identifier: Apache-2.0 */
/* sched/deque.c - see the header. Indices only grow; a task's place is its index modulo the array's size. */
#include "sched/deque.h"

#include <errno.h>

#include "base/alloc.h"

struct conc_deque_array {
    struct conc_deque_array *outgrown;      /* the one before, half the size */
    int64_t mask;                           /* size - 1 */
    _Atomic(struct conc_task *) tasks[];
};

static struct conc_deque_array *
array_new(int64_t size, struct conc_deque_array *outgrown)
{
    struct conc_deque_array *array = conc_alloc(sizeof(*array) + (size_t)size * sizeof(array->tasks[0]));
    if (array == NULL)
        return NULL;
    array->outgrown = outgrown;
    array->mask = size - 1;
    return array;
}

int
conc_deque_init(struct conc_deque *deque, unsigned log2_size)
{
    struct conc_deque_array *array = array_new(INT64_C(1) << log2_size, NULL);
    if (array == NULL)
        return -ENOMEM;
    atomic_init(&deque->top, 0);
    atomic_init(&deque->bottom, 0);
    atomic_init(&deque->array, array);
    return 0;
}

void
conc_deque_destroy(struct conc_deque *deque)
{
    struct conc_deque_array *array = atomic_load_explicit(&deque->array, memory_order_relaxed);
    while (array != NULL) {
        struct conc_deque_array *outgrown = array->outgrown;
        conc_free(array);
        array = outgrown;
    }
}

void
conc_deque_forget(struct conc_deque *deque)
{
    atomic_store_explicit(&deque->top, 0, memory_order_relaxed);
    atomic_store_explicit(&deque->bottom, 0, memory_order_relaxed);
}

/* The owner: an array of twice the size with the tasks of [top, bottom) in it; NULL when there is no memory. */
static CONC_NOINLINE struct conc_deque_array *
grow(struct conc_deque *deque, struct conc_deque_array *array, int64_t top, int64_t bottom)
{
    struct conc_deque_array *larger = array_new(2 * (array->mask + 1), array);
    if (larger == NULL)
        return NULL;
    for (int64_t i = top; i < bottom; i++) {
        struct conc_task *task = atomic_load_explicit(&array->tasks[i & array->mask], memory_order_relaxed);
        atomic_store_explicit(&larger->tasks[i & larger->mask], task, memory_order_relaxed);
    }
    /* release: pairs with the thief's acquire, which then finds the tasks in it. */
    atomic_store_explicit(&deque->array, larger, memory_order_release);
    return larger;
}

int
conc_deque_push(struct conc_deque *deque, struct conc_task *task)
{
    int64_t bottom = atomic_load_explicit(&deque->bottom, memory_order_relaxed);
    /* acquire: pairs with the thief's exchange of top: the place that it has read from may be written anew. */
    int64_t top = atomic_load_explicit(&deque->top, memory_order_acquire);
    struct conc_deque_array *array = atomic_load_explicit(&deque->array, memory_order_relaxed);
    if (CONC_UNLIKELY(bottom - top > array->mask)) {
        array = grow(deque, array, top, bottom);
        if (array == NULL)
            return -ENOMEM;
    }
    atomic_store_explicit(&array->tasks[bottom & array->mask], task, memory_order_relaxed);
    /* release: whoever sees the new bottom sees the task, and what it points to. seq_cst: a worker that goes to sleep
     * counts itself as idle, then looks here; one that pushes looks at the count afterwards. One of them sees the other. */
    atomic_store_explicit(&deque->bottom, bottom + 1, memory_order_seq_cst);
    return 0;
}

struct conc_task *
conc_deque_take(struct conc_deque *deque)
{
    int64_t bottom = atomic_load_explicit(&deque->bottom, memory_order_relaxed) - 1;
    struct conc_deque_array *array = atomic_load_explicit(&deque->array, memory_order_relaxed);
    /* seq_cst, as the two loads in steal(): either the thief sees that the last task is claimed, or we see that it has
     * been stolen, or both go for the exchange and one wins. */
    atomic_store_explicit(&deque->bottom, bottom, memory_order_seq_cst);
    int64_t top = atomic_load_explicit(&deque->top, memory_order_seq_cst);
    struct conc_task *task = NULL;
    if (top <= bottom) {
        task = atomic_load_explicit(&array->tasks[bottom & array->mask], memory_order_relaxed);
        if (top < bottom)
            return task;
        if (!atomic_compare_exchange_strong_explicit(&deque->top, &top, top + 1, memory_order_seq_cst,
                                                     memory_order_relaxed))
            task = NULL;
    }
    /* release, since it gives back a bottom that a thief may read instead of the one that push() stored. */
    atomic_store_explicit(&deque->bottom, bottom + 1, memory_order_release);
    return task;
}

struct conc_task *
conc_deque_steal(struct conc_deque *deque)
{
    for (;;) {
        int64_t top = atomic_load_explicit(&deque->top, memory_order_seq_cst);
        int64_t bottom = atomic_load_explicit(&deque->bottom, memory_order_seq_cst);
        if (top >= bottom)
            return NULL;
        struct conc_deque_array *array = atomic_load_explicit(&deque->array, memory_order_acquire);
        struct conc_task *task = atomic_load_explicit(&array->tasks[top & array->mask], memory_order_relaxed);
        /* Who wins owns what it read: the place is written anew only when top has moved on. */
        if (atomic_compare_exchange_strong_explicit(&deque->top, &top, top + 1, memory_order_seq_cst,
                                                    memory_order_relaxed))
            return task;
    }
}

size_t
conc_deque_length(struct conc_deque *deque)
{
    int64_t top = atomic_load_explicit(&deque->top, memory_order_seq_cst);
    int64_t bottom = atomic_load_explicit(&deque->bottom, memory_order_seq_cst);
    return bottom > top ? (size_t)(bottom - top) : 0;
}
