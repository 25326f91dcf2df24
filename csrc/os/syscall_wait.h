/* SPDX-License-Identifier: Apache-2.0 */
/* os/syscall_wait.h - what a thread waits for, told from the system call that it waits in. */
#ifndef CONC_OS_SYSCALL_WAIT_H
#define CONC_OS_SYSCALL_WAIT_H

#include <stdint.h>

#include "os/park.h"
#include "os/proc_text.h"

enum conc_wait_kind {
    CONC_WAIT_FUTEX,            /* a lock, a condition, a thread's end, ... of the program's */
    CONC_WAIT_DESCRIPTOR,
    CONC_WAIT_DISK,             /* files by their names, and all of a file system */
    CONC_WAIT_POLL,             /* any of several descriptors */
    CONC_WAIT_IO,               /* data, without a descriptor that tells more */
    CONC_WAIT_LOCK,             /* a lock of the system's: of a file, a semaphore */
    CONC_WAIT_PROCESS,          /* a child's end */
    CONC_WAIT_SLEEP,
    CONC_WAIT_AGAIN,            /* the call that a signal or a stop broke off goes on: which, is not told */
    CONC_WAIT_OTHER,
};

struct conc_syscall_wait {
    enum conc_wait_kind kind;
    int descriptor;             /* of DESCRIPTOR and POLL on one that is known; else -1 */
    uint64_t futex;             /* address, of FUTEX; else 0 */
    enum conc_park_cause cause; /* of FUTEX: what conc_park_for() was told; UNTOLD when it was not ours */
};

/* What a thread waits for that is BLOCKED in `call`. 0; -ENOSYS where the numbers are not known, and *wait is OTHER. */
int conc_syscall_wait_of(const struct conc_task_syscall *call, struct conc_syscall_wait *wait);

#endif
