/* SPDX-License-Identifier: Apache-2.0 */
/* os/task_list.h - which threads a process has, as the kernel counts them (/proc/<pid>/task). */
#ifndef CONC_OS_TASK_LIST_H
#define CONC_OS_TASK_LIST_H

#include <stddef.h>

/* [owned] a descriptor (>= 0) for the functions below, closed by conc_task_list_close(). `pid` 0 is the calling process.
 * -ENOENT: no such process, or no /proc; -EACCES: it may not be read; -ENOSYS where the platform has no such list. */
int conc_task_list_open(int pid);

/* How many threads there are now, at the price of one system call that looks at none of them. */
int conc_task_list_count(int list);

/* Calls found(context, tid) for each thread there is, the oldest first: how many. One that begins or ends meanwhile may or
 * may not be among them; when others end, one that is there may be missed. */
int conc_task_list_read(int list, void (*found)(void *context, int tid), void *context);

void conc_task_list_close(int list);

#endif
