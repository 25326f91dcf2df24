/* SPDX-License-Identifier: Apache-2.0 */
/* os/thread.h - operating-system threads. Functions return 0 or a negative errno. */
#ifndef CONC_OS_THREAD_H
#define CONC_OS_THREAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct conc_thread_stack;

struct conc_os_thread_attr {
    size_t stack_size;          /* bytes; 0 = the process's default */
    bool block_signals;         /* block all but the synchronous ones; else the creator's mask is kept */
    bool reuse_stack;           /* of the default size: one that an earlier thread has used will do (os/thread_stack.h) */
};

struct conc_os_thread {
    unsigned long ident;                /* what names it */
    struct conc_thread_stack *stack;    /* of attr.reuse_stack; NULL: the C library's own */
};

/* Starts a thread that runs entry(arg), whose result is ignored. What `arg` points to must outlive the thread or be
 * freed by it. Somebody must join or detach *thread, once. The new thread takes no memory from the allocator here, so one
 * that computes alone needs its stack and no more.
 * -EAGAIN: no more threads are to be had; -EINVAL: the stack size is not possible. */
int conc_os_thread_create(const struct conc_os_thread_attr *attr, void *(*entry)(void *), void *arg,
                          struct conc_os_thread *thread);

/* Waits for its end and frees what it held: at once when the kernel has let go of it (os/thread_exit.h). `faults` are the
 * page faults that it had in its life; negative when they are not known. */
void conc_os_thread_join(const struct conc_os_thread *thread, int64_t faults);

/* It frees what it holds by itself at its end. */
void conc_os_thread_detach(const struct conc_os_thread *thread, int64_t faults);

/* Creates one that is detached from the first, for a thread whose end somebody learns of by other means; on a stack of its
 * own. The same errors, and -ENOMEM. */
int conc_os_thread_start(const struct conc_os_thread_attr *attr, void (*entry)(void *), void *arg);

/* What threading.get_ident() returns in the calling thread, and what names it here. */
unsigned long conc_os_thread_ident(void);

/* Gives the CPU to another thread that wants it. */
void conc_os_thread_yield(void);

/* What one of the system's condition variables and one of its mutexes take, in bytes: where a thread waits lies within. */
size_t conc_os_condition_bytes(void);
size_t conc_os_mutex_bytes(void);

#endif
