/* SPDX-License-Identifier: Apache-2.0 */
/* os/task_state.h - what a thread of this process is doing, as the kernel sees it at this moment (a sample). */
#ifndef CONC_OS_TASK_STATE_H
#define CONC_OS_TASK_STATE_H

enum conc_task_state {
    CONC_TASK_RUNNABLE,         /* could run, and is not on a CPU */
    CONC_TASK_RUNNING,          /* on a CPU */
    CONC_TASK_NOT_RUNNING,      /* waits: sleep, lock, I/O, stopped */
    CONC_TASK_ENDED,            /* no such thread any more, or it is being reaped */
};

/* 0; or -ENOSYS where the platform does not tell, -EACCES and the like where it refuses. */
int conc_task_state_read(int tid, enum conc_task_state *state);

/* 0 when a thread of this process has the id `tid`, and -ESRCH when none has. An id is given anew some time after its
 * thread is gone. Other errors as they come where the system refuses to tell. */
int conc_task_check(int tid);

/* Waits, a millisecond at most, until the thread `tid` of this process, which has done the last that it does for us, is
 * gone for the kernel as well: until then a fork counts it, and Python warns of forking with threads. */
void conc_task_wait_gone(int tid);

#endif
