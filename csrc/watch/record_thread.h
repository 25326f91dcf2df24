/* SPDX-License-Identifier: Apache-2.0 */
/* watch/record_thread.h - one thread of a record: what it does now, and how its time since the last look is divided. */
#ifndef CONC_WATCH_RECORD_THREAD_H
#define CONC_WATCH_RECORD_THREAD_H

#include <stdbool.h>
#include <stdint.h>

#include "watch/record.h"

/* For so long, while a thread queues for a CPU that gave up a GIL, its time is left open: what it queued for shows when it has
 * run. Of a wait that took longer, whom it was for would not be known. */
#define CONC_RECORD_OPEN_NS INT64_C(100000000)

/* Looks at a thread of the record after who has each GIL was seen; at one that has not moved only if it is `its_turn`.
 * False: it is gone. */
bool conc_record_thread_look(struct conc_watch_record *record, struct conc_watched *watched, bool its_turn);

/* Whether a thread that waited for a GIL goes on, since that is known to have been others' and is another one's now: then it
 * need not be looked at. What it waited until the last look is put down to who had the GIL then. */
bool conc_record_thread_waits_on(struct conc_watch_record *record, struct conc_watched *watched);

/* Looks at a new one for the first time. False: it is gone. */
bool conc_record_thread_begin(struct conc_watch_record *record, struct conc_watched *watched);

/* The time that the next look would have divided: there will be none. */
void conc_record_thread_settle(struct conc_watch_record *record, struct conc_watched *watched, int64_t now_ns);

#endif
