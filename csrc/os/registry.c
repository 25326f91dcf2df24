/* SPDX-License-Identifier: Apache-2.0 */
/* os/registry.c - the only file of the core that may hold static state. */
#include "os/registry.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stddef.h>

#include "os/park.h"
#include "os/thread_exit.h"
#include "os/thread_stack.h"

static struct {
    pthread_mutex_t lock;
    struct conc_fork_hook *hooks;           /* by lock */
    void *slots[CONC_SLOT_COUNT];           /* by lock */
    _Atomic(uint32_t) fork_generation;
    pthread_once_t once;
    int init_err;                           /* set inside once */
    _Atomic(ptrdiff_t) exit_offset;         /* set inside once */
    atomic_bool parks_on_two;               /* set inside once */
    struct conc_thread_stacks thread_stacks;
} registry = {
    .lock = PTHREAD_MUTEX_INITIALIZER,
    .once = PTHREAD_ONCE_INIT,
    .thread_stacks.lock = PTHREAD_MUTEX_INITIALIZER,
};

static void
before_fork(void)
{
    pthread_mutex_lock(&registry.lock);
    for (struct conc_fork_hook *hook = registry.hooks; hook != NULL; hook = hook->next)
        hook->prepare(hook);
}

static void
after_fork_in_parent(void)
{
    for (struct conc_fork_hook *hook = registry.hooks; hook != NULL; hook = hook->next)
        hook->parent(hook);
    pthread_mutex_unlock(&registry.lock);
}

static void
after_fork_in_child(void)
{
    atomic_fetch_add(&registry.fork_generation, 1);
    for (struct conc_fork_hook *hook = registry.hooks; hook != NULL; hook = hook->next)
        hook->child(hook);
    pthread_mutex_unlock(&registry.lock);
}

static void
install(void)
{
    atomic_store(&registry.parks_on_two, conc_park_learn_two());
    conc_thread_stacks_init(&registry.thread_stacks);
    atomic_store(&registry.exit_offset, conc_thread_exit_learn());
    registry.init_err = -pthread_atfork(before_fork, after_fork_in_parent, after_fork_in_child);
}

int
conc_registry_init(void)
{
    (void)pthread_once(&registry.once, install);
    return registry.init_err;
}

uint32_t
conc_fork_generation(void)
{
    return atomic_load(&registry.fork_generation);
}

ptrdiff_t
conc_registry_exit_offset(void)
{
    return atomic_load_explicit(&registry.exit_offset, memory_order_relaxed);
}

bool
conc_registry_parks_on_two(void)
{
    return atomic_load_explicit(&registry.parks_on_two, memory_order_relaxed);
}

struct conc_thread_stacks *
conc_registry_thread_stacks(void)
{
    return &registry.thread_stacks;
}

void
conc_registry_add_fork_hook(struct conc_fork_hook *hook)
{
    pthread_mutex_lock(&registry.lock);
    hook->prev = NULL;
    hook->next = registry.hooks;
    if (registry.hooks != NULL)
        registry.hooks->prev = hook;
    registry.hooks = hook;
    pthread_mutex_unlock(&registry.lock);
}

void
conc_registry_remove_fork_hook(struct conc_fork_hook *hook)
{
    pthread_mutex_lock(&registry.lock);
    if (hook->prev != NULL)
        hook->prev->next = hook->next;
    else
        registry.hooks = hook->next;
    if (hook->next != NULL)
        hook->next->prev = hook->prev;
    pthread_mutex_unlock(&registry.lock);
}

int
conc_registry_slot(enum conc_slot slot, int (*make)(void **made), void **out)
{
    int err = 0;
    pthread_mutex_lock(&registry.lock);
    if (registry.slots[slot] == NULL) {
        void *made = NULL;
        err = make(&made);
        if (err == 0)
            registry.slots[slot] = made;
    }
    *out = registry.slots[slot];
    pthread_mutex_unlock(&registry.lock);
    return err;
}
