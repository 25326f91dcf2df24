/* SPDX-License-Identifier: Apache-2.0 */
/* os/task_file.h - the files of /proc/<pid>/task/<tid>, from which the system tells of a thread of a process; their
 * formats are os/proc_text.h's. `pid` 0 is the calling process.
 *
 * Contract: negative errnos are the system's. -ENOENT: no such thread, no such file in this kernel, or no /proc;
 * -ESRCH: the thread has ended since the file was opened; -EACCES, -EPERM: it may not be read. conc_task_check() tells
 * a thread that is gone from the rest. After a fork an open file still tells of the parent's thread.
 */
#ifndef CONC_OS_TASK_FILE_H
#define CONC_OS_TASK_FILE_H

#include <stddef.h>
#include <stdint.h>

/* [owned] a descriptor (>= 0) for any number of reads, each of which finds what is so then. */
int conc_task_file_open(int pid, int tid, const char *name);

/* The file from its beginning, cut at `size`: how many bytes. */
int64_t conc_task_file_read(int fd, char *text, size_t size);

void conc_task_file_close(int fd);

/* Opened, read and closed. */
int64_t conc_task_file_look(int pid, int tid, const char *name, char *text, size_t size);

#endif
