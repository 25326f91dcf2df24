/* SPDX-License-Identifier: Apache-2.0 */
/* os/thread_stack.h - stacks of the default size that go from one thread to the next.
 *
 * The C library keeps stacks as well, but gives the pages of each back to the kernel at its thread's end, which costs a
 * thread that does nothing a fifteenth of its life, and one that has used some of them up to a half.
 *
 *   taken ──its thread is joined────────────────> kept ──> taken again
 *     └────its thread is detached──> kept, but not given out until the kernel has let go of the thread (os/thread_exit.h)
 *
 * So a stack is never given out while something runs on it. At most CONC_THREAD_STACKS_KEPT are kept, and as many more as
 * have a thread that is about to be gone. In the child of a fork the stacks of the threads that stayed behind are kept, as
 * the C library does with its own.
 */
#ifndef CONC_OS_THREAD_STACK_H
#define CONC_OS_THREAD_STACK_H

#include <pthread.h>
#include <stddef.h>
#include <stdint.h>

#include "os/registry.h"

#define CONC_THREAD_STACKS_KEPT 16

/* What a kept stack may hold of memory is twice this: pages further down are given back to the kernel. */
#define CONC_THREAD_STACK_RESIDENT_BYTES (64u << 10)

struct conc_thread_stack {
    struct conc_thread_stack *next, *prev;  /* in one of the two lists below; prev among the taken alone */
    char *lowest;                           /* of the bytes that a thread may use; the guard is below */
    size_t size, guard;                     /* bytes */
    unsigned long ident;                    /* of the detached thread that may still be on it; 0: nobody is */
    int64_t touched;                        /* pages that may be resident, since it was last cut down */
};

/* The process's: the registry keeps it. */
struct conc_thread_stacks {
    pthread_mutex_t lock;
    struct conc_thread_stack *taken, *kept; /* by lock; the one that was kept last is the first */
    unsigned kept_count;                    /* by lock */
    struct conc_fork_hook hook;
};

void conc_thread_stacks_init(struct conc_thread_stacks *stacks);

/* [owned] *out: a stack for a thread that is about to be created, with `guard` bytes below it that fault;
 * conc_thread_stack_give() takes it back. -ENOMEM; -EINVAL: a size is no number of pages; -ENOSYS: the system does not tell
 * when a thread is gone. */
int conc_thread_stack_take(size_t size, size_t guard, struct conc_thread_stack **out);

/* `ident` is its detached thread, which may be the caller or may be gone; 0 when the thread was joined or never came to be.
 * `touched_pages`: how many pages the thread has touched first, at most; negative when that is not known. */
void conc_thread_stack_give(struct conc_thread_stack *stack, unsigned long ident, int64_t touched_pages);

#endif
