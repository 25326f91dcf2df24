/* SPDX-License-Identifier: Apache-2.0 */
/* ipc/child.h - a child process from its start to its end, shared by the threads of its parent.
 *
 *   RUNNING ──the first conc_child_poll() or conc_child_wait() that finds it ended──> ENDED (status and usage kept)
 *
 * The end is a struct conc_completion, done once the status is known, so that whatever waits for completions waits for
 * children too. Any number of threads may call anything here at once but conc_child_drop(). In a process forked from
 * the parent every call answers -ECHILD.
 */
#ifndef CONC_IPC_CHILD_H
#define CONC_IPC_CHILD_H

#include <stdint.h>

#include "os/process.h"
#include "os/spawn.h"
#include "sync/completion.h"
#include "sync/lock.h"

struct conc_child {
    struct conc_process process;            /* constant; its pidfd is closed with the end, by lock */
    uint32_t generation;                    /* constant: the fork generation of the parent */
    int64_t started_ns;                     /* constant */
    int64_t parent_max_rss_bytes;           /* constant: of the parent as the program began, or unknown */
    struct conc_lock lock;
    unsigned sleepers;                      /* by lock: threads that sleep on the pidfd */
    struct conc_completion ended;
    int64_t alive_ns;                       /* by lock until ended: when it was last known to run */
    int64_t noticed_ns;                     /* the rest: written before ended is done, then constant */
    int lost;                               /* -ECHILD when the status was taken elsewhere; else 0 */
    struct conc_process_end end;            /* its code when not lost */
    struct conc_child *next;                /* of the abandoned */
};

/* Starts the program of `plan` [borrowed until return]: 0 and [owned] *out, or a negative errno and the step that
 * failed. Also reaps abandoned children that have ended. */
int conc_child_start(const struct conc_spawn *plan, struct conc_child **out, enum conc_spawn_step *failed);

/* 0: it has ended; -EAGAIN: it runs; -ECHILD: it is no child of this process. Never waits. */
int conc_child_poll(struct conc_child *child);

/* Sleeps until it has ended: 0, -ETIMEDOUT, -ECHILD as above, or -EINTR when the calling thread handled a signal. */
int conc_child_wait(struct conc_child *child, int64_t deadline_ns);

/* 0, also when it has ended already: nothing is sent then, and never to another process. -EINVAL: no such signal. */
int conc_child_signal(struct conc_child *child, int signal_number);

/* What it has used: at its end if it has ended, else until now. *final says which. -ESRCH: it has just been reaped
 * elsewhere; -ECHILD as above. */
int conc_child_usage(struct conc_child *child, struct conc_process_usage *usage, bool *final);

/* Frees it [moves]. A child that still runs is left to run, and is reaped by a later conc_child_start(). */
void conc_child_drop(struct conc_child *child);

#endif
