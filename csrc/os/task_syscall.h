/* SPDX-License-Identifier: Apache-2.0 */
/* os/task_syscall.h - which system call a thread of this process waits in at this moment (a sample). */
#ifndef CONC_OS_TASK_SYSCALL_H
#define CONC_OS_TASK_SYSCALL_H

#include "os/proc_text.h"

/* 0 and *call. The caller itself is CONC_SYSCALL_RUNNING.
 *
 * -ESRCH when the thread is gone; -ENOENT where this kernel does not tell; -EACCES or -EPERM where it takes the right
 * to trace the process (ptrace(2)), which a process that has changed its user, or was made undumpable, lacks even over
 * itself; other errors as they come. */
int conc_task_syscall_read(int tid, struct conc_task_syscall *call);

/* What manual pages call the system call. NULL for one that is not in our list: all that commonly wait are. */
const char *conc_syscall_name(long number);

#endif
