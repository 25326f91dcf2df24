/* SPDX-License-Identifier: Apache-2.0 */
/* sched/fork_join.h - native subtasks: forked off for whoever is free, joined by who forked them.
 *
 *     struct part { struct conc_fork fork; ... } part;        on the stack: it is joined before it goes
 *     conc_fork(worker, &part.fork, run_part);
 *     ...work on the other part...
 *     conc_join(worker, &part.fork);                          the last forked first
 *
 * A subtask that nobody has stolen is run by the join, as a call. One that was stolen is waited for, and meanwhile the
 * joiner steals back from the thief (leapfrogging: Wagner and Calder, PPoPP 1993), so that what it runs on its stack is
 * always a part of what it waits for.
 */
#ifndef CONC_SCHED_FORK_JOIN_H
#define CONC_SCHED_FORK_JOIN_H

#include <stdatomic.h>

#include "sched/pool.h"

struct conc_fork {
    struct conc_task task;
    void (*run)(struct conc_fork *fork, struct conc_worker *worker);
    _Atomic(struct conc_worker *) thief;    /* who runs it, once it was stolen */
    atomic_uint state;                      /* see fork_join.c */
};

/* The worker, in one of its tasks, without the interpreter. Whoever runs `fork` calls run(fork, its worker), which must not
 * touch Python. */
void conc_fork(struct conc_worker *worker, struct conc_fork *fork,
               void (*run)(struct conc_fork *fork, struct conc_worker *worker));

/* The same worker, for what it has forked last and not joined: returns when it has run. */
void conc_join(struct conc_worker *worker, struct conc_fork *fork);

#endif
