/* SPDX-License-Identifier: Apache-2.0 */
/* ipc/child.c - see the header. Nobody waits with the lock held: threads sleep on the process side by side, and the
 * first to take the lock afterwards takes the status. */
#include "ipc/child.h"

#include <errno.h>

#include "base/alloc.h"
#include "os/clock.h"
#include "os/registry.h"

/* Children whose owner is gone. A stack that is only pushed to or taken whole needs no lock, and so no fork hook: a
 * child process forked while it is taken forgets those of its parent, which are not its children anyway. */
struct abandoned {
    _Atomic(struct conc_child *) head;
};

static int
make_abandoned(void **made)
{
    struct abandoned *abandoned = conc_alloc(sizeof(*abandoned));
    if (abandoned == NULL)
        return -ENOMEM;
    atomic_init(&abandoned->head, NULL);
    *made = abandoned;
    return 0;
}

static void
free_child(struct conc_child *child)
{
    conc_process_close(&child->process);
    conc_free(child);
}

static void
abandon(struct abandoned *abandoned, struct conc_child *child)
{
    child->next = atomic_load_explicit(&abandoned->head, memory_order_relaxed);
    /* release: pairs with the acquire of who takes the stack. */
    while (!atomic_compare_exchange_weak_explicit(&abandoned->head, &child->next, child, memory_order_release,
                                                  memory_order_relaxed))
        ;
}

static void
reap_abandoned(struct abandoned *abandoned)
{
    if (atomic_load_explicit(&abandoned->head, memory_order_relaxed) == NULL)
        return;
    struct conc_child *child = atomic_exchange_explicit(&abandoned->head, NULL, memory_order_acquire);
    while (child != NULL) {
        struct conc_child *next = child->next;
        if (conc_child_poll(child) == -EAGAIN)
            abandon(abandoned, child);
        else
            free_child(child);
        child = next;
    }
}

static bool
is_ours(const struct conc_child *child)
{
    return child->generation == conc_fork_generation();
}

int
conc_child_start(const struct conc_spawn *plan, struct conc_child **out, enum conc_spawn_step *failed)
{
    void *abandoned;
    *failed = CONC_SPAWN_CREATE;
    int err = conc_registry_slot(CONC_SLOT_ABANDONED_CHILDREN, make_abandoned, &abandoned);
    if (err != 0)
        return err;
    reap_abandoned(abandoned);

    struct conc_child *child = conc_alloc(sizeof(*child));
    if (child == NULL)
        return -ENOMEM;
    conc_lock_init(&child->lock);
    conc_completion_init(&child->ended);
    child->generation = conc_fork_generation();
    child->started_ns = conc_now_ns();
    err = conc_spawn_run(plan, &child->process, failed);
    if (err != 0) {
        conc_free(child);
        return err;
    }
    child->parent_max_rss_bytes = conc_process_own_max_rss();
    child->alive_ns = child->started_ns;
    *out = child;
    return 0;
}

/* All with the lock held. `watched`: the caller slept until the end, so the end is now. */
static int
look_locked(struct conc_child *child, bool watched)
{
    if (conc_completion_done(&child->ended))
        return 0;
    int err = conc_process_reap(&child->process, &child->end);
    int64_t now = conc_now_ns();
    if (err == -EAGAIN || watched)
        child->alive_ns = now;
    if (err != 0 && err != -ECHILD)
        return err;
    child->noticed_ns = now;
    child->lost = err;
    conc_complete(&child->ended);
    return 0;
}

/* Who keeps an ended child keeps no descriptor; but none may be closed that a thread sleeps on. */
static void
let_go_locked(struct conc_child *child)
{
    if (child->sleepers == 0 && conc_completion_done(&child->ended))
        conc_process_close(&child->process);
}

int
conc_child_poll(struct conc_child *child)
{
    if (conc_completion_done(&child->ended))
        return 0;
    if (!is_ours(child))
        return -ECHILD;
    conc_lock_acquire(&child->lock);
    int err = look_locked(child, false);
    let_go_locked(child);
    conc_lock_release(&child->lock);
    return err;
}

int
conc_child_wait(struct conc_child *child, int64_t deadline_ns)
{
    if (conc_completion_done(&child->ended))
        return 0;
    if (!is_ours(child))
        return -ECHILD;
    conc_lock_acquire(&child->lock);
    int err = look_locked(child, false);
    while (err == -EAGAIN) {
        child->sleepers++;
        conc_lock_release(&child->lock);
        err = conc_process_await(&child->process, deadline_ns);
        conc_lock_acquire(&child->lock);
        child->sleepers--;
        if (err == 0)                       /* -EAGAIN again: the pidfd may be a moment ahead of the status */
            err = look_locked(child, true);
    }
    let_go_locked(child);
    conc_lock_release(&child->lock);
    return err;
}

int
conc_child_signal(struct conc_child *child, int signal_number)
{
    if (conc_completion_done(&child->ended))
        return 0;
    if (!is_ours(child))
        return -ECHILD;
    conc_lock_acquire(&child->lock);
    int err = 0;
    if (!conc_completion_done(&child->ended))
        err = conc_process_signal(&child->process, signal_number);
    conc_lock_release(&child->lock);
    return err == -ESRCH ? 0 : err;
}

int
conc_child_usage(struct conc_child *child, struct conc_process_usage *usage, bool *final)
{
    int err = 0;
    if (!conc_completion_done(&child->ended)) {
        if (!is_ours(child))
            return -ECHILD;
        conc_lock_acquire(&child->lock);
        if (!conc_completion_done(&child->ended))
            err = conc_process_usage_now(&child->process, usage);
        conc_lock_release(&child->lock);
    }
    *final = conc_completion_done(&child->ended);
    if (*final)
        *usage = child->end.usage;
    return *final ? 0 : err;
}

void
conc_child_drop(struct conc_child *child)
{
    void *abandoned;
    if (conc_child_poll(child) == -EAGAIN &&
        conc_registry_slot(CONC_SLOT_ABANDONED_CHILDREN, make_abandoned, &abandoned) == 0)
        abandon(abandoned, child);
    else
        free_child(child);
}
