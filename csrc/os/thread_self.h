/* SPDX-License-Identifier: Apache-2.0 */
/* os/thread_self.h - what the operating system calls the calling thread. */
#ifndef CONC_OS_THREAD_SELF_H
#define CONC_OS_THREAD_SELF_H

#include <stdbool.h>

/* The kernel's id of the calling thread (the tid under /proc/self/task); -ENOSYS where there is none. */
int conc_thread_self_id(void);

/* Whether the calling thread is the process's first one (after a fork: the one that forked). */
bool conc_thread_self_is_main(void);

/* Timed waits of the calling thread end when they are due and not some 50 us later, for the sake of fewer wake-ups, as by
 * default; and it need not wait for the end of another thread's turn on the CPU, where the kernel can see to that (Linux
 * since 6.12). For a thread that runs for some microseconds at a time. */
void conc_thread_self_wake_promptly(void);

/* Names the calling thread for the operating system's tools; cut at what it takes (Linux: 15 bytes). */
void conc_thread_self_set_name(const char *name);

#endif
