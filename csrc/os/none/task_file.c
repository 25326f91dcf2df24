/* SPDX-License-Identifier: Apache-2.0 */
/* os/none/task_file.c - there are no such files on this platform. */
#include "os/task_file.h"

#include <errno.h>

int
conc_task_file_open(int pid, int tid, const char *name)
{
    (void)pid, (void)tid, (void)name;
    return -ENOSYS;
}

int64_t
conc_task_file_read(int fd, char *text, size_t size)
{
    (void)fd, (void)text, (void)size;
    return -ENOSYS;
}

void
conc_task_file_close(int fd)
{
    (void)fd;
}

int64_t
conc_task_file_look(int pid, int tid, const char *name, char *text, size_t size)
{
    (void)pid, (void)tid, (void)name, (void)text, (void)size;
    return -ENOSYS;
}
