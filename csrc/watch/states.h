/* SPDX-License-Identifier: Apache-2.0 */
/* watch/states.h - the five states of a thread, and why one is NOT_RUNNING. The numbers are those of
 * conc/watching/records.py. */
#ifndef CONC_WATCH_STATES_H
#define CONC_WATCH_STATES_H

#include <stdint.h>

enum conc_watch_state {
    CONC_WATCH_STARTING,
    CONC_WATCH_RUNNABLE,
    CONC_WATCH_RUNNING,
    CONC_WATCH_NOT_RUNNING,
    CONC_WATCH_ENDED,
};

enum conc_watch_reason {
    CONC_WATCH_NONE,            /* of every other state */
    CONC_WATCH_GIL,
    CONC_WATCH_FUTEX,
    CONC_WATCH_LOCK,
    CONC_WATCH_CONDITION,
    CONC_WATCH_JOIN,
    CONC_WATCH_IDLE,
    CONC_WATCH_DISK,
    CONC_WATCH_SOCKET,
    CONC_WATCH_PIPE,
    CONC_WATCH_POLL,
    CONC_WATCH_IO,
    CONC_WATCH_SLEEP,
    CONC_WATCH_PAGE_FAULT,
    CONC_WATCH_STOPPED,
    CONC_WATCH_SYSTEM_CALL,
    CONC_WATCH_UNKNOWN,
    CONC_WATCH_REASONS,
};

/* What a thread does at a moment. */
struct conc_doing {
    uint8_t state, reason;
    int32_t syscall;            /* number; -1: in none, or not known */
    int32_t descriptor;         /* that the call waits on; -1: none */
    int64_t interpreter;        /* whose GIL it waits for; of GIL alone */
};

static inline struct conc_doing
conc_doing_plainly(enum conc_watch_state state, enum conc_watch_reason reason)
{
    return (struct conc_doing){(uint8_t)state, (uint8_t)reason, -1, -1, 0};
}

#endif
