/* SPDX-License-Identifier: Apache-2.0 */
/* sched/queue.h - tasks in the order in which they came. No lock of its own: the owner serialises. */
#ifndef CONC_SCHED_QUEUE_H
#define CONC_SCHED_QUEUE_H

#include <stddef.h>

#include "sched/task.h"

struct conc_queue {
    struct conc_task *head, **tail;
    size_t length;
};

static inline void
conc_queue_init(struct conc_queue *queue)
{
    queue->head = NULL;
    queue->tail = &queue->head;
    queue->length = 0;
}

static inline void
conc_queue_push(struct conc_queue *queue, struct conc_task *task)
{
    task->next = NULL;
    *queue->tail = task;
    queue->tail = &task->next;
    queue->length++;
}

/* The oldest task, or NULL. */
static inline struct conc_task *
conc_queue_pop(struct conc_queue *queue)
{
    struct conc_task *task = queue->head;
    if (task == NULL)
        return NULL;
    queue->head = task->next;
    if (queue->head == NULL)
        queue->tail = &queue->head;
    queue->length--;
    return task;
}

/* All tasks as a list linked by `next`, oldest first; the queue is then empty. */
static inline struct conc_task *
conc_queue_take_all(struct conc_queue *queue)
{
    struct conc_task *tasks = queue->head;
    conc_queue_init(queue);
    return tasks;
}

#endif
