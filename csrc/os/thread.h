/* SPDX-License-Identifier: Apache-2.0 */
/* os/thread.h - start an operating-system thread. Functions return 0 or a negative errno. */
#ifndef CONC_OS_THREAD_H
#define CONC_OS_THREAD_H

#include <stdbool.h>
#include <stddef.h>

struct conc_os_thread_attr {
    size_t stack_size;          /* bytes; 0 = the process's default */
    bool block_signals;         /* block all but the synchronous ones; else the creator's mask is kept */
};

/* Starts a detached thread that runs entry(arg). What `arg` points to must outlive the thread or be freed by it.
 * -EAGAIN: no more threads are to be had; -EINVAL: the stack size is not possible. */
int conc_os_thread_start(const struct conc_os_thread_attr *attr, void (*entry)(void *), void *arg);

/* What threading.get_ident() returns in the calling thread. */
unsigned long conc_os_thread_ident(void);

/* Gives the CPU to another thread that wants it. */
void conc_os_thread_yield(void);

#endif
