/* SPDX-License-Identifier: Apache-2.0 */
/* watch/files.h - a watched process's files in /proc, read as cheaply as descriptors allow: one that is kept open costs half
 * of one that is opened for each look, and there is a bound to how many are. What the system refuses is not asked for
 * again, and why is kept. One owner, no lock.
 */
#ifndef CONC_WATCH_FILES_H
#define CONC_WATCH_FILES_H

#include <stddef.h>
#include <stdint.h>

enum conc_watch_file {
    CONC_WATCH_SYSCALL,
    CONC_WATCH_SCHEDSTAT,
    CONC_WATCH_STAT,
    CONC_WATCH_STATUS,
    CONC_WATCH_COMM,
    CONC_WATCH_FILES,
};

/* The first so many are kept open. */
#define CONC_WATCH_KEPT 3

struct conc_watch_files {
    int pid;                    /* 0: our own process */
    int open, most;             /* descriptors that are kept, and may be */
    int refused[CONC_WATCH_FILES];  /* negative errno: for no thread of this process; 0: not so far */
    int clock_refused;          /* the same of the CPU clocks of our own threads (os/task_clock.h) */
    int failed[CONC_WATCH_FILES];   /* the last other failure: of descriptors or memory that were lacking */
};

/* A thread's descriptors, and -1 for those that are not open. */
struct conc_watch_kept {
    int fd[CONC_WATCH_KEPT];
};

void conc_watch_kept_init(struct conc_watch_kept *kept);

/* The file of thread `tid` from its beginning, cut at `size`: how many bytes; -ESRCH: the thread is gone, whoever has its id
 * now; -ENOENT: it is, or the file does not exist, which is the same until the caller says conc_watch_files_refuse(); other
 * errors as they come. */
int64_t conc_watch_files_read(struct conc_watch_files *files, struct conc_watch_kept *kept, int tid,
                              enum conc_watch_file file, char *text, size_t size);

/* The file is not to be had although its thread lives: it is not asked for again. */
void conc_watch_files_refuse(struct conc_watch_files *files, enum conc_watch_file file, int err);

void conc_watch_files_close(struct conc_watch_files *files, struct conc_watch_kept *kept);

#endif
