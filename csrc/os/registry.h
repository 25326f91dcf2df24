/* SPDX-License-Identifier: Apache-2.0 */
/* os/registry.h - the one state that belongs to the process and not to an object: the fork generation, who wants to
 * hear of a fork, and process-wide things that must be made once. It holds no Python object.
 *
 * Lock order: the registry's lock, then a fork hook's own locks. No hook is added or removed while its locks are
 * held, and no slot is made while a caller holds any lock of the core.
 */
#ifndef CONC_OS_REGISTRY_H
#define CONC_OS_REGISTRY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Told of each fork(2) of the process. `prepare` takes the owner's locks, `parent` releases them, `child` makes the
 * owner usable in the child, where no other thread exists. They must be cheap and must not wait for a thread. */
struct conc_fork_hook {
    void (*prepare)(struct conc_fork_hook *hook);
    void (*parent)(struct conc_fork_hook *hook);
    void (*child)(struct conc_fork_hook *hook);
    struct conc_fork_hook *prev, *next;     /* by the registry's lock */
};

/* Installs the process's fork handlers; later calls do nothing. 0 or a negative errno. */
int conc_registry_init(void);

/* Counts forks on the way to this process: 0 in the process that first called conc_registry_init(). An object that
 * remembers another generation was made by a parent. */
uint32_t conc_fork_generation(void);

/* Where the kernel marks the end of a thread (os/thread_exit.h); 0: not known, or conc_registry_init() was not called. */
ptrdiff_t conc_registry_exit_offset(void);

/* Whether the kernel lets a thread wait on two words (os/park.h); false as well when conc_registry_init() was not called. */
bool conc_registry_parks_on_two(void);

/* The stacks that threads use one after the other (os/thread_stack.h); for it alone. */
struct conc_thread_stacks *conc_registry_thread_stacks(void);

void conc_registry_add_fork_hook(struct conc_fork_hook *hook);
void conc_registry_remove_fork_hook(struct conc_fork_hook *hook);

enum conc_slot {
    CONC_SLOT_CURL,             /* kernels/curl.c: libcurl's functions */
    CONC_SLOT_ABANDONED_CHILDREN,   /* ipc/child.c: children whose owner is gone */
    CONC_SLOT_COUNT,
};

/* The process-wide object in `slot`, made by `make` at the first call that succeeds and kept until the process ends.
 * `make` returns 0 and sets *made, or returns a negative errno, which is then the result. */
int conc_registry_slot(enum conc_slot slot, int (*make)(void **made), void **out);

#endif
