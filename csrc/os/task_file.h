/* SPDX-License-Identifier: Apache-2.0 */
/* os/task_file.h - the files of /proc/self/task/<tid>, from which the system tells of a thread of this process; their
 * formats are os/proc_text.h's.
 *
 * Contract: negative errnos are the system's. -ENOENT: no such thread, no such file in this kernel, or no /proc;
 * -ESRCH: the thread has ended since the file was opened; -EACCES, -EPERM: it may not be read. conc_task_check() tells
 * a thread that is gone from the rest.
 */
#ifndef CONC_OS_TASK_FILE_H
#define CONC_OS_TASK_FILE_H

#include <stddef.h>
#include <stdint.h>

/* [owned] a descriptor (>= 0) for any number of reads, each of which finds what is so then. */
int conc_task_file_open(int tid, const char *name);

/* The file from its beginning, cut at `size`: how many bytes. */
int64_t conc_task_file_read(int fd, char *text, size_t size);

void conc_task_file_close(int fd);

/* Opened, read and closed. */
int64_t conc_task_file_look(int tid, const char *name, char *text, size_t size);

#endif
