/* SPDX-License-Identifier: Apache-2.0 */
/* watch/files.c - see the header. */
#include "watch/files.h"

#include <errno.h>

#include "os/task_file.h"

static const char *const names[CONC_WATCH_FILES] = {
    [CONC_WATCH_SYSCALL] = "syscall", [CONC_WATCH_SCHEDSTAT] = "schedstat", [CONC_WATCH_STAT] = "stat",
    [CONC_WATCH_STATUS] = "status",   [CONC_WATCH_COMM] = "comm",
};

void
conc_watch_kept_init(struct conc_watch_kept *kept)
{
    for (int i = 0; i < CONC_WATCH_KEPT; i++)
        kept->fd[i] = -1;
}

static int64_t
read_kept(struct conc_watch_files *files, int *fd, int tid, enum conc_watch_file file, char *text, size_t size)
{
    if (*fd < 0) {
        int opened = conc_task_file_open(files->pid, tid, names[file]);
        if (opened < 0)
            return opened;
        *fd = opened;
        files->open++;
    }
    return conc_task_file_read(*fd, text, size);
}

int64_t
conc_watch_files_read(struct conc_watch_files *files, struct conc_watch_kept *kept, int tid, enum conc_watch_file file,
                      char *text, size_t size)
{
    if (files->refused[file] != 0)
        return files->refused[file];
    int64_t n;
    if (file < CONC_WATCH_KEPT && (kept->fd[file] >= 0 || files->open < files->most))
        n = read_kept(files, &kept->fd[file], tid, file, text, size);
    else
        n = conc_task_file_look(files->pid, tid, names[file], text, size);
    if (n >= 0)
        return n;
    switch (n) {
    case -ENOENT:
    case -ESRCH:
        return n;
    case -EMFILE:
    case -ENFILE:
    case -ENOMEM:
        /* Others want them, too: no more are kept. */
        files->failed[file] = (int)n;
        files->most = files->open;
        return n;
    default:
        files->refused[file] = (int)n;
        return n;
    }
}

void
conc_watch_files_refuse(struct conc_watch_files *files, enum conc_watch_file file, int err)
{
    files->refused[file] = err;
}

void
conc_watch_files_close(struct conc_watch_files *files, struct conc_watch_kept *kept)
{
    for (int i = 0; i < CONC_WATCH_KEPT; i++) {
        if (kept->fd[i] < 0)
            continue;
        conc_task_file_close(kept->fd[i]);
        kept->fd[i] = -1;
        files->open--;
    }
}
