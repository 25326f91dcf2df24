/* SPDX-License-Identifier: Apache-2.0 */
/* os/linux/process_memory.c - process_vm_readv(2); where a sandbox forbids that, /proc/<pid>/mem. */
#include "os/process_memory.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/uio.h>
#include <unistd.h>

/* Pieces that are read by one system call, for which this much of the stack is used twice. */
#define AT_ONCE 16

static int
open_file(int pid)
{
    char path[32];
    (void)snprintf(path, sizeof(path), "/proc/%d/mem", pid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    return fd < 0 ? -errno : fd;
}

int
conc_process_memory_open(struct conc_process_memory *memory, int pid)
{
    *memory = (struct conc_process_memory){.pid = pid != 0 ? pid : (int)getpid(), .fd = -1};
    char byte;
    struct conc_memory_piece nowhere = {.address = 0, .into = &byte, .bytes = 1};
    int err = conc_process_memory_read(memory, &nowhere, 1);
    if (err == -EFAULT || err == 1)
        return 0;                       /* the address was looked at: we may */
    if (err != -EPERM && err != -ENOSYS)
        return err;
    int fd = open_file(memory->pid);
    if (fd < 0)
        return err;
    memory->fd = fd;
    return 0;
}

static int
read_file(int fd, const struct conc_memory_piece *pieces, int count)
{
    for (int i = 0; i < count; i++) {
        ssize_t n = pread(fd, pieces[i].into, pieces[i].bytes, (off_t)pieces[i].address);
        if (n == (ssize_t)pieces[i].bytes)
            continue;
        if (i > 0)
            return i;
        /* A process that has ended has no memory, which reads as the end of the file. An address that is not mapped is
         * an error, another one if the system takes it for negative. */
        return n == 0 ? -ESRCH : n > 0 || errno == EIO || errno == EINVAL ? -EFAULT : -errno;
    }
    return count;
}

/* How many of `count` <= AT_ONCE pieces. One that goes on beyond the last address would have the system refuse them all. */
static int
read_some(int pid, const struct conc_memory_piece *pieces, int count)
{
    struct iovec here[AT_ONCE] = {0}, there[AT_ONCE] = {0};
    unsigned long given = 0;
    for (; given < (unsigned long)count && pieces[given].address <= UINT64_MAX - pieces[given].bytes; given++) {
        here[given] = (struct iovec){pieces[given].into, pieces[given].bytes};
        there[given] = (struct iovec){(void *)(uintptr_t)pieces[given].address, pieces[given].bytes};
    }
    ssize_t n = given == 0 && count > 0 ? 0 : process_vm_readv(pid, here, given, there, given, 0);
    if (n < 0)
        return -errno;
    int whole = 0;
    while (whole < count && (size_t)n >= pieces[whole].bytes)
        n -= (ssize_t)pieces[whole++].bytes;
    return whole > 0 ? whole : -EFAULT;
}

int
conc_process_memory_read(const struct conc_process_memory *memory, const struct conc_memory_piece *pieces, int count)
{
    if (memory->fd >= 0)
        return read_file(memory->fd, pieces, count);
    int done = 0;
    while (done < count) {
        int some = count - done < AT_ONCE ? count - done : AT_ONCE;
        int whole = read_some(memory->pid, pieces + done, some);
        if (whole < 0)
            return done > 0 ? done : whole;
        done += whole;
        if (whole < some)
            break;
    }
    return done;
}

void
conc_process_memory_close(struct conc_process_memory *memory)
{
    if (memory->fd >= 0)
        (void)close(memory->fd);
    memory->fd = -1;
}
