/* SPDX-License-Identifier: Apache-2.0 */
/* watch/record.h - all that a watch has seen so far, and how one look at everything is added to it. One owner, no lock:
 * the sampler's thread, and whoever reads it when that has ended.
 */
#ifndef CONC_WATCH_RECORD_H
#define CONC_WATCH_RECORD_H

#include <stdbool.h>
#include <stdint.h>

#include "watch/files.h"
#include "watch/holds.h"
#include "watch/look.h"
#include "watch/pace.h"
#include "watch/runs.h"
#include "watch/sums.h"
#include "watch/watched.h"

struct conc_watch_record {
    int32_t segment_room;       /* set before conc_record_begin(): runs that are kept; 0: as many as usual */
    int64_t interval_ns;
    int64_t begin_ns, begin_unix_ns, end_ns;
    struct conc_pace pace;
    struct conc_watch_files files;
    struct conc_watch_gils gils;
    struct conc_watched_table threads;
    struct conc_runs segments;  /* detail: cpu, system call, descriptor */
    struct conc_holds holds;
    struct conc_sums waits;     /* for a GIL: by waiter and holder */
    int list;                   /* os/task_list.h; negative: threads are not listed (any more) */
    int list_err;               /* why they cannot be: a negative errno, or 0 */
    int listed;                 /* how many there were when they were last listed */
    int own_tid;                /* of the sampler: not recorded */
    int gil_err;                /* the last failure to read the GILs; 0: none */
    int32_t ready;              /* threads that by their own clocks want a CPU, or have one, at this look */
    int32_t delayed;            /* index of one of them that had to wait for its CPU, or CONC_SUMS_NOBODY */
    int64_t looks;
    int64_t last_ns;            /* of the last look */
    int32_t turn;               /* whose turn it is to be looked at although it has not moved */
    int32_t close_turn;         /* and closely */
};

/* 0 or -ENOMEM. `record` is zeroed but for segment_room, interval_ns, files.pid, files.most and gils. */
int conc_record_begin(struct conc_watch_record *record, int64_t now_ns, int64_t unix_ns);

/* Adds a thread that is known from elsewhere, where they cannot be listed. */
void conc_record_add_thread(struct conc_watch_record *record, int tid);

/* One look at all threads and GILs. */
void conc_record_look(struct conc_watch_record *record, int64_t now_ns);

/* Whether the caller, who has just looked, runs on a CPU that a watched thread wants while there are more than enough of them:
 * `cpus`. At worst the thread has begun to wait for something else. */
bool conc_record_is_in_the_way(struct conc_watch_record *record, int32_t cpus);

/* The last one, close at all threads. No descriptor is left open. */
void conc_record_finish(struct conc_watch_record *record, int64_t now_ns);

/* Closes what is open: in the child of a fork, too. */
void conc_record_close_files(struct conc_watch_record *record);

void conc_record_clear(struct conc_watch_record *record);

#endif
