/* SPDX-License-Identifier: Apache-2.0 */
/* watch/sampler.c - see the header. The record is the thread's own. A lock that it holds while it looks, and a fork takes,
 * leaves the child a whole record.
 */
#include "watch/sampler.h"

#include <errno.h>
#include <stddef.h>

#include "base/alloc.h"
#include "os/clock.h"
#include "os/park.h"
#include "os/registry.h"
#include "os/thread.h"
#include "os/thread_self.h"
#include "sync/completion.h"
#include "sync/lock.h"

struct conc_sampler {
    struct conc_fork_hook fork_hook;
    struct conc_lock lock;              /* of the record */
    struct conc_watch_record record;    /* by lock; once ended, constant */
    struct conc_completion begun;       /* the first look is over */
    int begin_err;                      /* set before `begun` */
    _Atomic(uint32_t) stop;             /* parked on */
    const int *tids;                    /* [borrowed] until `begun` */
    int tid_count;
    int64_t cost_ns;                    /* by lock */
    struct conc_os_thread thread;
    bool ended;                         /* of who stops it, or of the child of a fork */
};

static struct conc_sampler *
sampler_of_hook(struct conc_fork_hook *hook)
{
    return (struct conc_sampler *)((char *)hook - offsetof(struct conc_sampler, fork_hook));
}

static void
lock_for_fork(struct conc_fork_hook *hook)
{
    conc_lock_acquire(&sampler_of_hook(hook)->lock);
}

static void
unlock_after_fork(struct conc_fork_hook *hook)
{
    conc_lock_release(&sampler_of_hook(hook)->lock);
}

/* The thread stayed in the parent, of whose threads our descriptors tell. */
static void
end_in_child(struct conc_fork_hook *hook)
{
    struct conc_sampler *sampler = sampler_of_hook(hook);
    conc_record_close_files(&sampler->record);
    sampler->ended = true;
    conc_lock_init(&sampler->lock);
}

/* ---- the thread ------------------------------------------------------------------------------------------------------- */

static int
begin(struct conc_sampler *sampler)
{
    struct conc_watch_record *record = &sampler->record;
    int err = conc_record_begin(record, conc_now_ns(), conc_unix_ns());
    if (err != 0)
        return err;
    for (int i = 0; record->list < 0 && i < sampler->tid_count; i++)
        conc_record_add_thread(record, sampler->tids[i]);
    conc_record_look(record, record->begin_ns);
    return 0;
}

static void
look(struct conc_sampler *sampler)
{
    struct conc_watch_record *record = &sampler->record;
    conc_lock_acquire(&sampler->lock);
    int64_t now_ns = conc_now_ns();
    conc_pace_look(&record->pace, now_ns);
    conc_record_look(record, now_ns);
    if (conc_pace_wants_cost(&record->pace)) {
        sampler->cost_ns = conc_thread_cpu_ns();
        conc_pace_judge(&record->pace, now_ns, sampler->cost_ns);
    }
    conc_lock_release(&sampler->lock);
}

static void
finish(struct conc_sampler *sampler)
{
    conc_lock_acquire(&sampler->lock);
    conc_record_finish(&sampler->record, conc_now_ns());
    sampler->cost_ns = conc_thread_cpu_ns();
    conc_lock_release(&sampler->lock);
}

static void *
sampler_main(void *arg)
{
    struct conc_sampler *sampler = arg;
    conc_thread_self_set_name("conc-watch");
    conc_thread_self_wake_promptly();
    conc_lock_acquire(&sampler->lock);
    int err = sampler->begin_err = begin(sampler);
    sampler->record.pace.cost_ns = conc_thread_cpu_ns();    /* the first look is not like the others */
    conc_lock_release(&sampler->lock);
    conc_complete(&sampler->begun);
    if (err != 0)
        return NULL;
    while (atomic_load_explicit(&sampler->stop, memory_order_acquire) == 0) {
        if (conc_now_ns() >= sampler->record.pace.due_ns)
            look(sampler);
        else
            (void)conc_park_for(CONC_PARK_SLEEP, &sampler->stop, 0, sampler->record.pace.due_ns);
    }
    finish(sampler);
    return NULL;
}

/* ---- from outside ----------------------------------------------------------------------------------------------------- */

static void
discard(struct conc_sampler *sampler)
{
    conc_registry_remove_fork_hook(&sampler->fork_hook);
    conc_record_clear(&sampler->record);
    conc_free(sampler);
}

int
conc_sampler_start(const struct conc_sampler_attr *attr, struct conc_sampler **out)
{
    struct conc_sampler *sampler = conc_alloc(sizeof(*sampler));
    if (sampler == NULL)
        return -ENOMEM;
    conc_lock_init(&sampler->lock);
    conc_completion_init(&sampler->begun);
    sampler->record.interval_ns = attr->interval_ns;
    sampler->record.segment_room = attr->segment_room;
    sampler->record.files.pid = attr->pid;
    sampler->record.files.most = attr->descriptors;
    sampler->record.gils = attr->gils;
    sampler->record.list = -ENOENT;
    sampler->tids = attr->tids;
    sampler->tid_count = attr->tid_count;
    sampler->fork_hook = (struct conc_fork_hook){lock_for_fork, unlock_after_fork, end_in_child, NULL, NULL};
    conc_registry_add_fork_hook(&sampler->fork_hook);
    const struct conc_os_thread_attr thread_attr = {.block_signals = true};
    int err = conc_os_thread_create(&thread_attr, sampler_main, sampler, &sampler->thread);
    if (err != 0) {
        discard(sampler);
        return err;
    }
    while (conc_completion_wait(&sampler->begun, CONC_FOREVER) != 0)
        ;                               /* a signal: it is handled when the caller is back */
    if (sampler->begin_err != 0) {
        err = sampler->begin_err;
        conc_os_thread_join(&sampler->thread, 0);
        discard(sampler);
        return err;
    }
    *out = sampler;
    return 0;
}

void
conc_sampler_stop(struct conc_sampler *sampler)
{
    if (sampler->ended)
        return;
    /* release: pairs with the thread's look at it. */
    atomic_store_explicit(&sampler->stop, 1, memory_order_release);
    conc_unpark(&sampler->stop, 1);
    conc_os_thread_join(&sampler->thread, 0);
    sampler->ended = true;
}

bool
conc_sampler_ended(const struct conc_sampler *sampler)
{
    return sampler->ended;
}

const struct conc_watch_record *
conc_sampler_record(const struct conc_sampler *sampler)
{
    return &sampler->record;
}

int
conc_sampler_tid(const struct conc_sampler *sampler)
{
    return sampler->record.own_tid;
}

int64_t
conc_sampler_cost_ns(const struct conc_sampler *sampler)
{
    return sampler->cost_ns;
}

void
conc_sampler_free(struct conc_sampler *sampler)
{
    if (sampler == NULL)
        return;
    conc_sampler_stop(sampler);
    discard(sampler);
}
