/* SPDX-License-Identifier: Apache-2.0 */
/* sched/roster.c - see the header.
 *
 *   door:  how many are inside, times two; plus one when it is shut. Parked on by who waits until nobody is inside.
 */
#include "sched/roster.h"

#include <errno.h>
#include <stdatomic.h>
#include <stddef.h>

#include "base/alloc.h"
#include "base/refcount.h"
#include "os/park.h"
#include "os/registry.h"
#include "os/thread.h"
#include "sync/lock.h"

#define DOOR_SHUT 1u
#define DOOR_ONE 2u

struct conc_roster {
    struct conc_refcount refs;
    struct conc_lock lock;
    struct conc_thread *first, *last;       /* by lock; in the order of their starts */
    _Atomic(uint32_t) door;
    struct conc_fork_hook hook;
};

static struct conc_roster *
roster_of(struct conc_fork_hook *hook)
{
    return (struct conc_roster *)(void *)((char *)hook - offsetof(struct conc_roster, hook));
}

static void
prepare_fork(struct conc_fork_hook *hook)
{
    conc_lock_acquire(&roster_of(hook)->lock);
}

static void
after_fork_in_parent(struct conc_fork_hook *hook)
{
    conc_lock_release(&roster_of(hook)->lock);
}

static void
after_fork_in_child(struct conc_fork_hook *hook)
{
    struct conc_roster *roster = roster_of(hook);
    /* Who was inside stayed in the parent: nobody forks in there. */
    atomic_store(&roster->door, atomic_load(&roster->door) & DOOR_SHUT);
    conc_lock_release(&roster->lock);
}

int
conc_roster_create(struct conc_roster **out)
{
    struct conc_roster *roster = conc_alloc(sizeof(*roster));
    if (roster == NULL)
        return -ENOMEM;
    conc_ref_init(&roster->refs);
    conc_lock_init(&roster->lock);
    roster->hook.prepare = prepare_fork;
    roster->hook.parent = after_fork_in_parent;
    roster->hook.child = after_fork_in_child;
    conc_registry_add_fork_hook(&roster->hook);
    *out = roster;
    return 0;
}

void
conc_roster_take(struct conc_roster *roster)
{
    conc_ref_take(&roster->refs);
}

void
conc_roster_release(struct conc_roster *roster)
{
    if (roster == NULL || !conc_ref_drop(&roster->refs))
        return;
    conc_registry_remove_fork_hook(&roster->hook);
    struct conc_thread *thread;
    while ((thread = conc_roster_take_any(roster)) != NULL)
        conc_thread_release(thread);
    conc_free(roster);
}

/* -- the list; all with the lock held -------------------------------------------------------------------------------- */

static void
append(struct conc_roster *roster, struct conc_thread *thread)
{
    struct conc_thread_link *link = conc_thread_link(thread);
    link->listed = true;
    link->next = NULL;
    link->prev = roster->last;
    if (roster->last != NULL)
        conc_thread_link(roster->last)->next = thread;
    else
        roster->first = thread;
    roster->last = thread;
}

static void
unlink_thread(struct conc_roster *roster, struct conc_thread *thread)
{
    struct conc_thread_link *link = conc_thread_link(thread);
    if (link->prev != NULL)
        conc_thread_link(link->prev)->next = link->next;
    else
        roster->first = link->next;
    if (link->next != NULL)
        conc_thread_link(link->next)->prev = link->prev;
    else
        roster->last = link->prev;
    link->listed = false;
}

static bool
can_be_waited_for(struct conc_thread *thread)
{
    if (conc_thread_link(thread)->daemon || !conc_thread_has_begun(thread) || conc_thread_in_parent(thread))
        return false;
    return conc_thread_ident(thread) != conc_os_thread_ident() || conc_thread_has_ended(thread);
}

/* -- ---------------------------------------------------------------------------------------------------------------- */

int
conc_roster_add(struct conc_roster *roster, struct conc_thread *thread, bool daemon)
{
    conc_lock_acquire(&roster->lock);
    bool closed = conc_roster_is_closed(roster);
    if (!closed && !conc_thread_link(thread)->listed) {
        conc_thread_take(thread);
        conc_thread_link(thread)->daemon = daemon;
        append(roster, thread);
    }
    conc_lock_release(&roster->lock);
    return closed ? -ESHUTDOWN : 0;
}

void
conc_roster_remove(struct conc_roster *roster, struct conc_thread *thread)
{
    conc_lock_acquire(&roster->lock);
    bool listed = conc_thread_link(thread)->listed;
    if (listed)
        unlink_thread(roster, thread);
    conc_lock_release(&roster->lock);
    if (listed)
        conc_thread_release(thread);
}

struct conc_thread *
conc_roster_next(struct conc_roster *roster)
{
    conc_lock_acquire(&roster->lock);
    struct conc_thread *thread = roster->first;
    while (thread != NULL && !can_be_waited_for(thread))
        thread = conc_thread_link(thread)->next;
    if (thread != NULL)
        unlink_thread(roster, thread);
    conc_lock_release(&roster->lock);
    return thread;
}

struct conc_thread *
conc_roster_take_any(struct conc_roster *roster)
{
    conc_lock_acquire(&roster->lock);
    struct conc_thread *thread = roster->first;
    if (thread != NULL)
        unlink_thread(roster, thread);
    conc_lock_release(&roster->lock);
    return thread;
}

bool
conc_roster_enter(struct conc_roster *roster)
{
    uint32_t door = atomic_load(&roster->door);
    do {
        if (door & DOOR_SHUT)
            return false;
    } while (!atomic_compare_exchange_weak(&roster->door, &door, door + DOOR_ONE));
    return true;
}

void
conc_roster_leave(struct conc_roster *roster)
{
    if (atomic_fetch_sub(&roster->door, DOOR_ONE) == (DOOR_ONE | DOOR_SHUT))
        conc_unpark(&roster->door, CONC_UNPARK_ALL);
}

void
conc_roster_close(struct conc_roster *roster)
{
    atomic_fetch_or(&roster->door, DOOR_SHUT);
}

bool
conc_roster_is_closed(struct conc_roster *roster)
{
    return (atomic_load(&roster->door) & DOOR_SHUT) != 0;
}

int
conc_roster_wait_empty(struct conc_roster *roster, int64_t deadline_ns)
{
    for (;;) {
        uint32_t door = atomic_load(&roster->door);
        if (door < DOOR_ONE)
            return 0;
        int err = conc_park_interruptible(CONC_PARK_JOIN, &roster->door, door, deadline_ns);
        if (err != 0)
            return err;
    }
}
