/* SPDX-License-Identifier: Apache-2.0 */
/* sched/task.h - one piece of work on its way to a worker. Intrusive: it is the head of the owner's own struct.
 *
 * Exactly one of run and cancel is called, once; it disposes of the task. Until then the owner must not touch it.
 */
#ifndef CONC_SCHED_TASK_H
#define CONC_SCHED_TASK_H

struct conc_worker;

struct conc_task {
    struct conc_task *next;                                         /* the queue's */
    void (*run)(struct conc_task *task, struct conc_worker *worker);    /* on a worker */
    void (*cancel)(struct conc_task *task);     /* instead of run, in the thread that drops it from the queue */
};

#endif
