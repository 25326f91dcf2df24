/* SPDX-License-Identifier: Apache-2.0 */
/* watch/stall.h - a native thread that watches for stalls (watch/stall_judge.h), writes at once what it can without the
 * GIL, and tells the voice, a thread of the guarded interpreter, the rest.
 *
 *   watcher (all signals blocked, no Python)          voice (a Python thread, in conc_stall_next)
 *     look, judge, sleep a tick                         sleep
 *     ASK ───────────────────────────────────────────>  enter: attach, and so ask for the GIL; entered
 *     GIL_BEGINS: states and stacks to the output
 *     GIL_ENDS ──────────────────────────────────────>  CONC_STALL_GIL
 *     loop late ─────────────────────────────────────>  CONC_STALL_LOOP: does it run at all? then stacks, and the verdict
 *
 * One voice. After a fork nobody watches in the child, where conc_stall_sleep() returns at once, and there is nothing but
 * CONC_STALL_CLOSED; conc_stall_stop() does nothing there.
 */
#ifndef CONC_WATCH_STALL_H
#define CONC_WATCH_STALL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "watch/gil_layout.h"
#include "watch/stall_threads.h"

struct conc_stall;

struct conc_stall_attr {
    int64_t limit_ns;                   /* what lasts that long is a stall; > 0 */
    int64_t beat_ns;                    /* how often the loop beats; 0: there is no loop */
    int64_t examine_ns;                 /* how often the voice is to look for deadlocks; 0: never */
    bool gil;                           /* there is a GIL to watch */
    const struct conc_gil_layout *layout;   /* [borrowed, during open] NULL: who holds it is not known */
    int64_t interpreter;                /* whose GIL */
    int output;                         /* [borrowed] descriptor for reports */
    int signal;                         /* whose handler writes all Python stacks to ...; 0: none */
    int stacks;                         /* [borrowed] ... the pipe of which this is the end to read, not blocking */
};

enum conc_stall_event_kind {
    CONC_STALL_NOTHING,                 /* only asked for the GIL: go back to conc_stall_next() */
    CONC_STALL_GIL,                     /* a stall of the GIL is over: conc_stall_report() */
    CONC_STALL_LOOP,                    /* the loop is late: conc_stall_judge_loop() is awaited */
    CONC_STALL_LOOP_ENDED,              /* the stalled loop turns again: conc_stall_loop_times() */
    CONC_STALL_EXAMINE,
    CONC_STALL_CLOSED,
};

struct conc_stall_report {
    int64_t begin_ns, end_ns;           /* monotonic */
    int holder;                         /* native id; -1: not known */
    int write_err;                      /* 0, or the negative errno for which the output has it not whole */
    const char *stacks;                 /* [borrowed until the next conc_stall_next()] what the handler wrote */
    size_t stacks_length;
    const struct conc_stall_threads *threads;   /* [borrowed, likewise] */
};

/* [owned] *out, watching. -ENOMEM; -EAGAIN: no thread is to be had. */
int conc_stall_open(struct conc_stall **out, const struct conc_stall_attr *attr);

/* The loop turns. From any thread. */
void conc_stall_beat(struct conc_stall *stall);

/* For the voice. Sleeps, detached, until it is to ask for the GIL; conc_stall_enter() says that it does so now, and
 * conc_stall_entered(), attached, takes what there is. */
void conc_stall_sleep(struct conc_stall *stall);
void conc_stall_enter(struct conc_stall *stall);
enum conc_stall_event_kind conc_stall_entered(struct conc_stall *stall);

/* The report of the event CONC_STALL_GIL that was just taken. */
struct conc_stall_report conc_stall_report(struct conc_stall *stall);

/* When the loop last beat before it stalled, and when it did again (0: not yet). */
void conc_stall_loop_times(struct conc_stall *stall, int64_t *begin_ns, int64_t *end_ns);

/* The answer to CONC_STALL_LOOP: whether that is a stall. False: somebody else's beat came first. */
bool conc_stall_loop_is_late(struct conc_stall *stall);
void conc_stall_judge_loop(struct conc_stall *stall, bool stalled);

/* Writes to the output, for at most a second without progress: 0 or a negative errno. Any thread. */
int conc_stall_write(struct conc_stall *stall, const char *text, size_t length);

/* What all threads do now. One thread at a time, other than the watcher. */
void conc_stall_threads_now(struct conc_stall *stall, struct conc_stall_threads *threads);

/* Ends the watcher, which ends a stall that lasts; the voice gets what is left, and then CONC_STALL_CLOSED. Once. */
void conc_stall_stop(struct conc_stall *stall);

/* After conc_stall_stop() and the voice's end, or in the child of a fork. NULL is allowed. */
void conc_stall_close(struct conc_stall *stall);

#endif
