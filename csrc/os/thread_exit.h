/* SPDX-License-Identifier: Apache-2.0 */
/* os/thread_exit.h - when the kernel has let go of a thread.
 *
 * A thread's own last word comes too early: it is still counted by the kernel, so that a fork right after it is a fork
 * with threads. The kernel tells by a word of the thread's own: it holds the thread's id while the thread lives, is set
 * to 0 at its end, and one waiter is woken (set_tid_address(2)). Where that word stands is the C library's secret, the same
 * for each of its threads, so it is learned once by a look at the calling thread.
 */
#ifndef CONC_OS_THREAD_EXIT_H
#define CONC_OS_THREAD_EXIT_H

#include <stddef.h>
#include <stdint.h>

/* How far that word stands behind what conc_os_thread_ident() returns; 0 where it cannot be known. For the registry,
 * which keeps it. */
ptrdiff_t conc_thread_exit_learn(void);

/* The kernel's id of a thread that was created and neither joined nor detached yet, known before it has run; 0 when it is
 * gone; -ENOSYS where that cannot be known. It may be asked of a detached thread as well for as long as its stack is there
 * (os/thread_stack.h). */
int conc_thread_exit_id(unsigned long ident);

/* Waits until the kernel has let go of it: 0, -ETIMEDOUT; -EINTR by a signal or an interrupt (os/interrupt.h); -ENOSYS as
 * above. One waiter at a time. Orders no memory: conc_os_thread_join(), which then returns at once, does. */
int conc_thread_exit_wait(unsigned long ident, int64_t deadline_ns);

#endif
