/* SPDX-License-Identifier: Apache-2.0 */
/* os/linux/descriptor_kind.c - fstat(2), or stat(2) through /proc/<pid>/fd for another process. */
#include "os/descriptor_kind.h"

#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>

static int
look(int pid, int fd, struct stat *st)
{
    if (pid == 0)
        return fstat(fd, st);
    char path[64];
    snprintf(path, sizeof(path), "/proc/%d/fd/%d", pid, fd);
    return stat(path, st);
}

int
conc_descriptor_kind(int pid, int fd, enum conc_descriptor_kind *kind)
{
    struct stat st;
    if (look(pid, fd, &st) != 0)
        return -errno;
    if (S_ISREG(st.st_mode) || S_ISDIR(st.st_mode) || S_ISBLK(st.st_mode))
        *kind = CONC_DESCRIPTOR_DISK;
    else if (S_ISSOCK(st.st_mode))
        *kind = CONC_DESCRIPTOR_SOCKET;
    else if (S_ISFIFO(st.st_mode))
        *kind = CONC_DESCRIPTOR_PIPE;
    else
        *kind = CONC_DESCRIPTOR_OTHER;
    return 0;
}
