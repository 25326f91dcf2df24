/* SPDX-License-Identifier: Apache-2.0 */
/* os/process_children.h - which processes a process has started, and who a process is. */
#ifndef CONC_OS_PROCESS_CHILDREN_H
#define CONC_OS_PROCESS_CHILDREN_H

#include <stdint.h>

/* Calls found(context, pid) for each living child of the process `pid`, zombies included: how many. One that begins or
 * ends meanwhile may be missed. -ESRCH: there is no such process; -EACCES: it may not be looked at; -ENOSYS where the
 * system does not list them; other errors (-EMFILE) when some may be missing. */
int conc_process_children(int pid, void (*found)(void *context, int pid), void *context);

/* When the process began, in the system's clock ticks since it was started: with its number, which is given anew, it
 * says who it is. -ESRCH: gone, or about to be reaped; other errors as they come. */
int conc_process_start_ticks(int pid, int64_t *ticks);

/* Whether we may see what the process's threads wait in: 0, -EACCES or -EPERM: that takes the right to trace it (ptrace(2));
 * other errors as they come. */
int conc_process_may_trace(int pid);

#endif
