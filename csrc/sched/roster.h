/* SPDX-License-Identifier: Apache-2.0 */
/* sched/roster.h - the threads of one interpreter: whom its exit waits for, and a door that is shut when it has.
 *
 * A thread that needs the interpreter and has nothing yet that keeps it alive comes in through the door
 * (conc_roster_enter) and leaves when it has. Who takes the interpreter down shuts the door and waits until nobody is
 * inside; from then on nobody comes in, and no thread is listed any more.
 *
 * Lives by reference count: a thread that ends late still has it. Any thread may call anything here, except what says
 * otherwise.
 */
#ifndef CONC_SCHED_ROSTER_H
#define CONC_SCHED_ROSTER_H

#include <stdbool.h>
#include <stdint.h>

#include "sched/thread.h"

struct conc_roster;

/* [owned] *out; 0 or -ENOMEM. */
int conc_roster_create(struct conc_roster **out);
void conc_roster_take(struct conc_roster *roster);
void conc_roster_release(struct conc_roster *roster);

/* Lists a thread that is about to be started, and keeps a reference to it. -ESHUTDOWN when the door is shut. */
int conc_roster_add(struct conc_roster *roster, struct conc_thread *thread, bool daemon);

/* Takes it off: at its end, or when its start has failed. Nothing when it is not listed. */
void conc_roster_remove(struct conc_roster *roster, struct conc_thread *thread);

/* [owned] the first that has begun and is no daemon, taken off the list; NULL when there is none. The calling thread
 * and threads of a parent process are passed over: nobody can wait for those. */
struct conc_thread *conc_roster_next(struct conc_roster *roster);

/* [owned] any thread that is still listed, taken off the list; NULL when there is none. */
struct conc_thread *conc_roster_take_any(struct conc_roster *roster);

/* False when the door is shut; else the caller is inside until conc_roster_leave(). */
bool conc_roster_enter(struct conc_roster *roster);
void conc_roster_leave(struct conc_roster *roster);

/* Shuts the door. */
void conc_roster_close(struct conc_roster *roster);
bool conc_roster_is_closed(struct conc_roster *roster);

/* Waits until nobody is inside, after conc_roster_close(): 0, -ETIMEDOUT or -EINTR. */
int conc_roster_wait_empty(struct conc_roster *roster, int64_t deadline_ns);

#endif
