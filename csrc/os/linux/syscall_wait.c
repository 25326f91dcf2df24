/* SPDX-License-Identifier: Apache-2.0 */
/* os/linux/syscall_wait.c - a table of syscalls(2): those that wait, by what for. */
#include "os/syscall_wait.h"

#include <linux/futex.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/syscall.h>

#include "os/linux/newer_calls.h"
#include "os/linux/park_tag.h"

/* What stands in the table: 0, OTHER, for what is not in it. */
enum {
    OTHER,
    FUTEX,
    FIRST,                      /* argument 0 is the descriptor */
    DISK,
    POLL_FIRST,                 /* argument 0 is a descriptor of many */
    SELECT,                     /* argument 0 counts descriptors: none, and it is a sleep */
    POLL,                       /* argument 1 counts them */
    IO,
    LOCK,
    PROCESS,
    SLEEP,
    AGAIN,
};

#define ROW(name, what) [SYS_##name] = what

static const unsigned char table[] = {
    ROW(futex, FUTEX), ROW(futex_waitv, FUTEX), ROW(futex_wait, FUTEX),

    ROW(read, FIRST), ROW(write, FIRST), ROW(readv, FIRST), ROW(writev, FIRST), ROW(pread64, FIRST),
    ROW(pwrite64, FIRST), ROW(preadv, FIRST), ROW(pwritev, FIRST), ROW(preadv2, FIRST), ROW(pwritev2, FIRST),
    ROW(close, FIRST), ROW(ioctl, FIRST), ROW(fcntl, FIRST), ROW(getdents64, FIRST), ROW(sendfile, FIRST),
    ROW(splice, FIRST), ROW(tee, FIRST), ROW(vmsplice, FIRST), ROW(copy_file_range, FIRST), ROW(readahead, FIRST),
    ROW(fsync, FIRST), ROW(fdatasync, FIRST), ROW(syncfs, FIRST), ROW(fallocate, FIRST), ROW(ftruncate, FIRST),
    ROW(recvmmsg, FIRST), ROW(sendmmsg, FIRST), ROW(accept4, FIRST), ROW(fstatfs, FIRST),
#ifdef SYS_accept
    ROW(accept, FIRST), ROW(connect, FIRST), ROW(sendto, FIRST), ROW(sendmsg, FIRST), ROW(recvfrom, FIRST),
    ROW(recvmsg, FIRST), ROW(shutdown, FIRST),
#endif

    ROW(sync, DISK), ROW(truncate, DISK), ROW(openat, DISK), ROW(openat2, DISK), ROW(faccessat, DISK),
    ROW(unlinkat, DISK), ROW(mkdirat, DISK), ROW(readlinkat, DISK), ROW(linkat, DISK), ROW(symlinkat, DISK),
    ROW(renameat2, DISK), ROW(statfs, DISK), ROW(statx, DISK), ROW(mount, DISK), ROW(umount2, DISK),
    ROW(msync, DISK), ROW(execve, DISK),
#ifdef SYS_open
    ROW(open, DISK), ROW(creat, DISK), ROW(access, DISK), ROW(rename, DISK), ROW(unlink, DISK), ROW(mkdir, DISK),
    ROW(rmdir, DISK), ROW(readlink, DISK), ROW(link, DISK), ROW(symlink, DISK),
#endif
#ifdef SYS_newfstatat
    ROW(newfstatat, DISK),
#endif

    ROW(epoll_pwait, POLL_FIRST), ROW(epoll_pwait2, POLL_FIRST), ROW(ppoll, POLL), ROW(pselect6, SELECT),
#ifdef SYS_epoll_wait
    ROW(epoll_wait, POLL_FIRST), ROW(poll, POLL),
#endif
#ifdef SYS_select
    ROW(select, SELECT),
#endif

    ROW(io_getevents, IO), ROW(io_submit, IO), ROW(io_uring_enter, IO), ROW(mq_timedsend, IO), ROW(mq_timedreceive, IO),
    ROW(getrandom, IO),
#ifdef SYS_msgrcv
    ROW(msgrcv, IO), ROW(msgsnd, IO), ROW(semop, LOCK), ROW(semtimedop, LOCK),
#endif
    ROW(flock, LOCK),

    ROW(wait4, PROCESS), ROW(waitid, PROCESS),
    ROW(nanosleep, SLEEP), ROW(clock_nanosleep, SLEEP),
    ROW(restart_syscall, AGAIN),
};

/* Rows that say all. */
static const enum conc_wait_kind plain[] = {
    [DISK] = CONC_WAIT_DISK, [IO] = CONC_WAIT_IO,       [LOCK] = CONC_WAIT_LOCK, [PROCESS] = CONC_WAIT_PROCESS,
    [SLEEP] = CONC_WAIT_SLEEP, [AGAIN] = CONC_WAIT_AGAIN,
};

static int
row_of(long number)
{
    return number >= 0 && (unsigned long)number < sizeof(table) ? table[number] : OTHER;
}

/* FUTEX_WAIT_BITSET alone takes no second address, so that it is free for a tag. */
static enum conc_park_cause
cause_of(const struct conc_task_syscall *call)
{
    bool free_word = call->number == SYS_futex && (call->arguments[1] & FUTEX_CMD_MASK) == FUTEX_WAIT_BITSET;
    return free_word ? conc_park_tag_cause(call->arguments[4]) : CONC_PARK_UNTOLD;
}

int
conc_syscall_wait_of(const struct conc_task_syscall *call, struct conc_syscall_wait *wait)
{
    const uint64_t *arguments = call->arguments;
    *wait = (struct conc_syscall_wait){.kind = CONC_WAIT_OTHER, .descriptor = -1};
    switch (row_of(call->number)) {
    case OTHER:
        break;
    case FUTEX:
        wait->kind = CONC_WAIT_FUTEX;
        wait->futex = arguments[0];
        wait->cause = cause_of(call);
        break;
    case FIRST:
        wait->kind = CONC_WAIT_DESCRIPTOR;
        wait->descriptor = (int)(uint32_t)arguments[0];
        break;
    case POLL_FIRST:
        wait->kind = CONC_WAIT_POLL;
        wait->descriptor = (int)(uint32_t)arguments[0];
        break;
    case SELECT:
        wait->kind = arguments[0] == 0 ? CONC_WAIT_SLEEP : CONC_WAIT_POLL;
        break;
    case POLL:
        wait->kind = arguments[1] == 0 ? CONC_WAIT_SLEEP : CONC_WAIT_POLL;
        break;
    default:
        wait->kind = plain[row_of(call->number)];
        break;
    }
    return 0;
}
