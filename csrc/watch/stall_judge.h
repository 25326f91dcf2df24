/* SPDX-License-Identifier: Apache-2.0 */
/* watch/stall_judge.h - when something is a stall: a pure function of what a watcher sees at each of its ticks.
 *
 * Somebody who asks for the GIL gets it from Python code within some milliseconds. So the judge has one thread ask (the
 * voice) when the GIL seems not to move. That it waits while the same thread holds the GIL for `limit_ns` is a stall; a
 * program of one thread that computes in Python is none.
 *
 * A loop beats: a callback that it runs each `beat_ns`. It is late when none came for beat_ns + limit_ns, so that what is
 * late has not turned for limit_ns at least.
 *
 * Only time counts in which the watcher itself could run: a process that was stopped (by a signal, a debugger, a machine
 * that sleeps) has no stalls for it. No system call, no lock.
 */
#ifndef CONC_WATCH_STALL_JUDGE_H
#define CONC_WATCH_STALL_JUDGE_H

#include <stdbool.h>
#include <stdint.h>

/* What the watcher sees at a tick. */
struct conc_stall_look {
    int64_t now_ns;             /* monotonic */
    bool known;                 /* the GIL can be read: then, of the voice's interpreter, */
    bool locked;
    int holder;                 /* native id; -1: not known */
    uint64_t switches;
    uint64_t answers;           /* how often the voice has had the GIL */
    bool waiting;               /* the voice waits for it now */
    bool busy;                  /* the voice runs Python code, and cannot be asked */
};

/* A set of these is what a tick answers. */
enum conc_stall_verdict {
    CONC_STALL_ASK = 1,         /* have the voice ask for the GIL */
    CONC_STALL_GIL_BEGINS = 2,  /* gil_since_ns says since when */
    CONC_STALL_GIL_ENDS = 4,
};

struct conc_stall_judge {
    int64_t limit_ns, tick_ns;  /* constant */
    bool gil;                   /* constant: there is one to judge */
    bool begun;
    int64_t now_ns, awake_ns;   /* the last tick's; the time that counts */
    bool known, locked;
    int holder;
    uint64_t switches, answers;
    int64_t held_since, gil_since_ns;   /* in awake_ns; the same moment as the monotonic clock says */
    int64_t answered_at;        /* in awake_ns */
    int64_t waiting_since;      /* in awake_ns; -1: the voice does not wait */
    bool asked, stalled;
};

void conc_stall_judge_init(struct conc_stall_judge *judge, int64_t limit_ns, int64_t tick_ns, bool gil);

/* A set of enum conc_stall_verdict. */
unsigned conc_stall_judge_tick(struct conc_stall_judge *judge, const struct conc_stall_look *look);

enum conc_stall_loop_phase {
    CONC_LOOP_STILL,            /* has not beaten yet, or is known not to run */
    CONC_LOOP_TURNS,
    CONC_LOOP_LATE,             /* no beat for too long: somebody must ask whether it runs at all */
    CONC_LOOP_STALLED,          /* it does */
};

struct conc_stall_loop {
    enum conc_stall_loop_phase phase;
    uint64_t beats;
    int64_t since;              /* of the last beat, in awake_ns */
    int64_t since_ns;           /* the same by the monotonic clock */
};

/* After the judge's tick: what became of the loop that has beaten `beats` times. *ended: it was stalled and turns again. */
void conc_stall_loop_tick(struct conc_stall_loop *loop, const struct conc_stall_judge *judge, int64_t beat_ns,
                          uint64_t beats, bool *ended);

#endif
