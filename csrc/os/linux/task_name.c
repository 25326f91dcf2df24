/* SPDX-License-Identifier: Apache-2.0 */
/* os/linux/task_name.c - /proc/self/task/<tid>/comm (proc(5)). */
#include "os/task_name.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

int
conc_task_name_set(int tid, const char *name)
{
    char path[64], cut[CONC_TASK_NAME_SIZE];
    snprintf(path, sizeof(path), "/proc/self/task/%d/comm", tid);
    conc_task_name_copy(cut, name);
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    ssize_t n = write(fd, cut, strlen(cut));
    int err = n < 0 ? -errno : 0;
    close(fd);
    return err;
}
