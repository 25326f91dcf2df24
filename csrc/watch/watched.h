/* SPDX-License-Identifier: Apache-2.0 */
/* watch/watched.h - the threads of a watch: what is known of each, those that ended too, and who has which id now. One
 * owner, no lock.
 */
#ifndef CONC_WATCH_WATCHED_H
#define CONC_WATCH_WATCHED_H

#include <stdbool.h>
#include <stdint.h>

#include "os/task_name.h"
#include "watch/files.h"
#include "watch/runs.h"
#include "watch/states.h"

/* A figure that is not known: never 0, which is a count. */
#define CONC_WATCH_NOT_KNOWN INT64_C(-1)

/* More threads than these are not recorded one by one. */
#define CONC_WATCH_MOST_THREADS 32768

/* What a thread has used since it began; CONC_WATCH_NOT_KNOWN where that is not known (yet). */
struct conc_watch_used {
    int64_t cpu_ns, run_delay_ns, voluntary, involuntary;
};

struct conc_watched {
    int32_t index;              /* in conc_watched_table.all */
    int32_t place;              /* in .alive while it lives */
    struct conc_watched *same_hash;
    int tid;
    char name[CONC_TASK_NAME_SIZE];
    int64_t start_ticks;        /* CONC_WATCH_NOT_KNOWN until first looked up */
    int64_t begin_ns, end_ns;   /* first seen; first missed, CONC_WATCH_NOT_KNOWN: not yet */
    bool born_before;
    bool closely_seen;          /* name and switches were read at least once */
    struct conc_watch_used before, now; /* when it was first seen (0 for those born later), and last */

    struct conc_doing doing;    /* at the last look */
    struct conc_doing waited;   /* what it waited for of late; state 0: it was not seen to wait */
    int32_t since_wait;         /* looks since then */
    int64_t gave_up;            /* interpreter whose GIL it gave up, and has not run since; CONC_WATCH_NOT_KNOWN: none */
    int cpu;                    /* that it ran on last; -1: not known */
    int64_t seen_ns;            /* of the last look */
    int32_t still;              /* looks for which it has not moved */
    int64_t delay_told_ns;      /* run delay by the system when it was last asked; CONC_WATCH_NOT_KNOWN: never */
    int64_t delay_given_ns;     /* time that was called RUNNABLE since then */

    struct conc_watch_kept kept;
    struct conc_run_track track;
    int64_t runnable_ns, running_ns;
    int64_t waiting_ns[CONC_WATCH_REASONS];
};

#define CONC_WATCH_HASH 4096

struct conc_watched_table {
    struct conc_watched **all;      /* [owned], and what they point to; in the order of their beginning */
    struct conc_watched **alive;    /* [owned] */
    int32_t count, alive_count, room;
    int64_t left_out;               /* found no room or memory: seen again and again */
    struct conc_watched *by_tid[CONC_WATCH_HASH];
};

/* NULL: none of that id lives. */
struct conc_watched *conc_watched_find(const struct conc_watched_table *table, int tid);

/* [borrowed] a new living thread, all else zeroed or not known. NULL: there is no memory, or there are too many. */
struct conc_watched *conc_watched_add(struct conc_watched_table *table, int tid);

/* It lives no more. */
void conc_watched_end(struct conc_watched_table *table, struct conc_watched *watched, int64_t now_ns);

void conc_watched_clear(struct conc_watched_table *table);

#endif
