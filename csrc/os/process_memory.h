/* SPDX-License-Identifier: Apache-2.0 */
/* os/process_memory.h - reading the memory of a process, ours or another, at addresses that may be wrong.
 *
 * Addresses that are not mapped are an error and never a signal. What another thread writes meanwhile may be read half
 * old, half new; an aligned word is read whole in practice, which no standard promises.
 */
#ifndef CONC_OS_PROCESS_MEMORY_H
#define CONC_OS_PROCESS_MEMORY_H

#include <stddef.h>
#include <stdint.h>

struct conc_process_memory {
    int pid;
    int fd;             /* of its memory as a file; -1: read by system call */
};

struct conc_memory_piece {
    uint64_t address;   /* there */
    void *into;         /* here */
    size_t bytes;
};

/* `pid` 0: our own. 0, to be closed; -ESRCH: no such process; -EPERM, -EACCES: reading it takes the right to trace it
 * (ptrace(2)); -ENOSYS: not on this platform. In a child of fork(2) a memory of our own is still the parent's. */
int conc_process_memory_open(struct conc_process_memory *memory, int pid);

/* Reads the pieces in order. Returns how many, from the front, were read whole: fewer than `count` when the next one is
 * not (all) mapped, whose bytes then are unspecified; or, when there was none, -EFAULT or an error as above. */
int conc_process_memory_read(const struct conc_process_memory *memory, const struct conc_memory_piece *pieces, int count);

void conc_process_memory_close(struct conc_process_memory *memory);

#endif
