/* SPDX-License-Identifier: Apache-2.0 */
/* os/linux/task_file.c - proc(5). These files are made anew by each read at offset 0, whole in a single one. */
#include "os/task_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

int
conc_task_file_open(int pid, int tid, const char *name)
{
    char path[64];
    if (pid == 0)
        snprintf(path, sizeof(path), "/proc/self/task/%d/%s", tid, name);
    else
        snprintf(path, sizeof(path), "/proc/%d/task/%d/%s", pid, tid, name);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    return fd < 0 ? -errno : fd;
}

int64_t
conc_task_file_read(int fd, char *text, size_t size)
{
    ssize_t n = pread(fd, text, size, 0);
    return n < 0 ? -errno : n;
}

void
conc_task_file_close(int fd)
{
    close(fd);
}

int64_t
conc_task_file_look(int pid, int tid, const char *name, char *text, size_t size)
{
    int fd = conc_task_file_open(pid, tid, name);
    if (fd < 0)
        return fd;
    int64_t n = conc_task_file_read(fd, text, size);
    conc_task_file_close(fd);
    return n;
}
