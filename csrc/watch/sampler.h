/* SPDX-License-Identifier: Apache-2.0 */
/* watch/sampler.h - a thread of its own that looks at all others, until it is stopped. It never touches Python.
 *
 *   conc_sampler_start() ──> looks ──conc_sampler_stop()──> ended      (what it saw stands in its record)
 *                              └────────────fork────────────> ended      in the child
 *
 * Several may run at once; none knows another, and each sees the others' threads.
 */
#ifndef CONC_WATCH_SAMPLER_H
#define CONC_WATCH_SAMPLER_H

#include <stdbool.h>
#include <stdint.h>

#include "watch/record.h"

struct conc_sampler;

struct conc_sampler_attr {
    int64_t interval_ns;        /* > 0 */
    int pid;                    /* 0: our own process */
    int descriptors;            /* that it may keep open */
    int32_t segment_room;       /* 0: as many as usual */
    struct conc_watch_gils gils;
    const int *tids;            /* [borrowed] until it has begun: threads that are there, where they cannot be listed */
    int tid_count;
};

/* [owned] a running sampler that has looked once. -ENOMEM, -EAGAIN: no thread is to be had. */
int conc_sampler_start(const struct conc_sampler_attr *attr, struct conc_sampler **sampler);

/* Looks a last time, and waits for the thread's end: one look at most. Later calls, and those in the child of a fork, do
 * nothing. One thread calls it at a time. */
void conc_sampler_stop(struct conc_sampler *sampler);

/* The same in two steps, for a caller whom others wait for: what takes a fraction of a millisecond as a rule is first waited for
 * awake, so that the caller is not seen to wait with what it keeps from them, until the deadline. True: it is done, and
 * conc_sampler_begun() or conc_sampler_stop(), one of which must follow in any case, returns at once. */
int conc_sampler_create(const struct conc_sampler_attr *attr, struct conc_sampler **sampler);
bool conc_sampler_begins_by(struct conc_sampler *sampler, int64_t deadline_ns);
bool conc_sampler_stops_by(struct conc_sampler *sampler, int64_t deadline_ns);

/* Waits until a sampler that was created has looked once. -ENOMEM: it could not; it is gone, and *sampler NULL. */
int conc_sampler_begun(struct conc_sampler **sampler);

/* Whether it has been stopped, or stayed behind at a fork. */
bool conc_sampler_ended(const struct conc_sampler *sampler);

/* [borrowed] until conc_sampler_free(), of an ended one. In the child of a fork it tells of the parent until the fork. */
const struct conc_watch_record *conc_sampler_record(const struct conc_sampler *sampler);

/* Native id of its thread, which may have ended. */
int conc_sampler_tid(const struct conc_sampler *sampler);

/* CPU time of its thread, of an ended one. */
int64_t conc_sampler_cost_ns(const struct conc_sampler *sampler);

/* Stops it as well; NULL is allowed. */
void conc_sampler_free(struct conc_sampler *sampler);

#endif
