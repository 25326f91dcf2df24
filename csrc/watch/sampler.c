/* SPDX-License-Identifier: Apache-2.0 */
/* watch/sampler.c - see the header. The record is the thread's own. A lock that it holds while it looks, and a fork takes,
 * leaves the child a whole record.
 */
#include "watch/sampler.h"

#include <errno.h>
#include <stddef.h>

#include "base/alloc.h"
#include "base/compiler.h"
#include "os/affinity.h"
#include "os/clock.h"
#include "os/park.h"
#include "os/registry.h"
#include "os/thread.h"
#include "os/thread_self.h"
#include "sync/completion.h"
#include "sync/lock.h"

/* Others may want the CPU of one that waits longer. */
#define SHORT_WAIT_NS INT64_C(20000)

/* Looks between two at which it is moved: that takes some 10 us. */
#define LOOKS_TO_MOVE 4

struct conc_sampler {
    struct conc_fork_hook fork_hook;
    struct conc_lock lock;              /* of the record */
    struct conc_watch_record record;    /* by lock; once ended, constant */
    struct conc_completion begun;       /* the first look is over */
    struct conc_completion over;        /* the last one is */
    int begin_err;                      /* set before `begun` */
    _Atomic(uint32_t) stop;             /* parked on */
    const int *tids;                    /* [borrowed] until `begun` */
    int tid_count;
    int64_t cost_ns;                    /* by lock */
    int32_t cpus;                       /* of the thread, when it began; 0: not known */
    int64_t moved;                      /* the number of the look after which it was last moved to another one */
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

static int32_t
count_cpus(void)
{
    struct conc_bitset cpus = {0};
    size_t count = conc_affinity_get(&cpus) == 0 ? conc_bitset_count(&cpus) : 0;
    conc_bitset_clear(&cpus);
    return (int32_t)count;
}

/* A thread that is woken stays on its CPU, whoever runs there and whatever is idle, as long as the kernel thinks little of the
 * chance to find another one (SIS_UTIL): with two of them, as soon as one is busy. So each look would be at the cost of who
 * holds the GIL, and of all who wait for it. */
static void
make_way(struct conc_sampler *sampler)
{
    struct conc_watch_record *record = &sampler->record;
    if (record->looks - sampler->moved < LOOKS_TO_MOVE || !conc_record_is_in_the_way(record, sampler->cpus))
        return;
    sampler->moved = record->looks;
    (void)conc_affinity_leave_cpu();    /* where it cannot, it stays */
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
    make_way(sampler);
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
    sampler->cpus = count_cpus();
    conc_lock_acquire(&sampler->lock);
    int err = sampler->begin_err = begin(sampler);
    sampler->record.pace.cost_ns = conc_thread_cpu_ns();    /* the first look is not like the others */
    conc_lock_release(&sampler->lock);
    conc_complete(&sampler->begun);
    if (err != 0)
        return NULL;            /* it is nobody's: it is never stopped */
    while (atomic_load_explicit(&sampler->stop, memory_order_acquire) == 0) {
        if (conc_now_ns() >= sampler->record.pace.due_ns)
            look(sampler);
        else
            (void)conc_park_for(CONC_PARK_SLEEP, &sampler->stop, 0, sampler->record.pace.due_ns);
    }
    finish(sampler);
    conc_complete(&sampler->over);
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

/* Awake, at first without giving its CPU away. */
static bool
wait_awake(struct conc_completion *completion, int64_t deadline_ns)
{
    int64_t short_ns = conc_deadline_after(SHORT_WAIT_NS);
    for (;;) {
        if (conc_completion_done(completion))
            return true;
        int64_t now_ns = conc_now_ns();
        if (now_ns >= deadline_ns)
            return false;
        if (now_ns < short_ns)
            conc_cpu_relax();
        else
            conc_os_thread_yield();
    }
}

int
conc_sampler_create(const struct conc_sampler_attr *attr, struct conc_sampler **out)
{
    struct conc_sampler *sampler = conc_alloc(sizeof(*sampler));
    if (sampler == NULL)
        return -ENOMEM;
    conc_lock_init(&sampler->lock);
    conc_completion_init(&sampler->begun);
    conc_completion_init(&sampler->over);
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
    *out = sampler;
    return 0;
}

bool
conc_sampler_begins_by(struct conc_sampler *sampler, int64_t deadline_ns)
{
    return wait_awake(&sampler->begun, deadline_ns);
}

int
conc_sampler_begun(struct conc_sampler **owned)
{
    struct conc_sampler *sampler = *owned;
    while (conc_completion_wait(&sampler->begun, CONC_FOREVER) != 0)
        ;                               /* a signal: it is handled when the caller is back */
    int err = sampler->begin_err;
    if (err != 0) {
        conc_os_thread_join(&sampler->thread, 0);
        discard(sampler);
        *owned = NULL;
    }
    return err;
}

int
conc_sampler_start(const struct conc_sampler_attr *attr, struct conc_sampler **out)
{
    int err = conc_sampler_create(attr, out);
    return err != 0 ? err : conc_sampler_begun(out);
}

static void
ask_to_stop(struct conc_sampler *sampler)
{
    /* release: pairs with the thread's look at it. */
    atomic_store_explicit(&sampler->stop, 1, memory_order_release);
    conc_unpark(&sampler->stop, 1);
}

bool
conc_sampler_stops_by(struct conc_sampler *sampler, int64_t deadline_ns)
{
    if (sampler->ended)
        return true;
    ask_to_stop(sampler);
    return wait_awake(&sampler->over, deadline_ns);
}

void
conc_sampler_stop(struct conc_sampler *sampler)
{
    if (sampler->ended)
        return;
    ask_to_stop(sampler);
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
