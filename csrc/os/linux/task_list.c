/* SPDX-License-Identifier: Apache-2.0 */
/* os/linux/task_list.c - getdents64(2) and the count of links of /proc/<pid>/task, which are its threads and two more. */
#include "os/task_list.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/scan.h"

/* linux_dirent64 (getdents64(2)), which no header of the C library declares. */
struct entry {
    uint64_t inode;
    int64_t offset;
    unsigned short length;
    unsigned char type;
    char name[];
};

int
conc_task_list_open(int pid)
{
    char path[32];
    if (pid == 0)
        snprintf(path, sizeof(path), "/proc/self/task");
    else
        snprintf(path, sizeof(path), "/proc/%d/task", pid);
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return fd < 0 ? -errno : fd;
}

int
conc_task_list_count(int list)
{
    struct stat st;
    if (fstat(list, &st) != 0)
        return -errno;
    return st.st_nlink > 2 ? (int)(st.st_nlink - 2) : -ESRCH;
}

/* The thread's id; 0 for "." and "..". */
static int
id_of(const char *name)
{
    struct conc_scan scan = conc_scan_over(name, strlen(name));
    uint64_t number;
    return conc_scan_number(&scan, INT32_MAX, &number) == 0 && scan.at == scan.end ? (int)number : 0;
}

int
conc_task_list_read(int list, void (*found)(void *context, int tid), void *context)
{
    _Alignas(struct entry) char entries[8192];
    int count = 0;
    if (lseek(list, 0, SEEK_SET) != 0)
        return -errno;
    for (;;) {
        long size = syscall(SYS_getdents64, list, entries, sizeof(entries));
        if (size <= 0)
            return size < 0 ? -errno : count;
        for (long at = 0; at < size;) {
            const struct entry *entry = (const struct entry *)(const void *)(entries + at);
            at += entry->length;
            int tid = id_of(entry->name);
            if (tid == 0)
                continue;
            found(context, tid);
            count++;
        }
    }
}

void
conc_task_list_close(int list)
{
    close(list);
}
