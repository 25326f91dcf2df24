/* SPDX-License-Identifier: Apache-2.0 */
/* os/linux/task_syscall.c - /proc/self/task/<tid>/syscall (proc(5)), and names of syscalls(2) by their constants. */
#include "os/task_syscall.h"

#include <errno.h>
#include <stddef.h>
#include <sys/syscall.h>

#include "os/linux/newer_calls.h"
#include "os/task_file.h"
#include "os/task_state.h"
#include "os/thread_self.h"

/* A number and eight addresses take at most 163 bytes. */
#define SYSCALL_TEXT 256

int
conc_task_syscall_read(int tid, struct conc_task_syscall *call)
{
    if (tid == conc_thread_self_id()) {
        *call = (struct conc_task_syscall){.kind = CONC_SYSCALL_RUNNING, .number = -1};
        return 0;
    }
    char text[SYSCALL_TEXT];
    int64_t n = conc_task_file_look(0, tid, "syscall", text, sizeof(text));
    if (n >= 0)
        return conc_proc_syscall(text, (size_t)n, call);
    return conc_task_check(tid) == -ESRCH ? -ESRCH : (int)n;
}

#define ROW(name) [SYS_##name] = #name

/* By number; NULL in between. */
static const char *const names[] = {
    ROW(read), ROW(write), ROW(readv), ROW(writev), ROW(pread64), ROW(pwrite64), ROW(preadv), ROW(pwritev),
    ROW(openat), ROW(close), ROW(fsync), ROW(fdatasync), ROW(sync), ROW(syncfs), ROW(fallocate), ROW(truncate),
    ROW(ftruncate), ROW(flock), ROW(fcntl), ROW(ioctl), ROW(getdents64), ROW(faccessat), ROW(unlinkat),
    ROW(mkdirat), ROW(readlinkat), ROW(linkat), ROW(symlinkat), ROW(statfs), ROW(fstatfs), ROW(readahead),
    ROW(sendfile), ROW(splice), ROW(tee), ROW(vmsplice), ROW(mount), ROW(umount2),

    ROW(ppoll), ROW(pselect6), ROW(epoll_pwait), ROW(futex), ROW(nanosleep), ROW(clock_nanosleep), ROW(wait4),
    ROW(waitid), ROW(rt_sigtimedwait), ROW(rt_sigsuspend), ROW(sched_yield), ROW(restart_syscall),
    ROW(mq_timedsend), ROW(mq_timedreceive), ROW(io_getevents), ROW(io_submit), ROW(recvmmsg), ROW(sendmmsg),
    ROW(accept4),

    ROW(munmap), ROW(mremap), ROW(mprotect), ROW(madvise), ROW(msync), ROW(mlock), ROW(mlockall), ROW(brk),
    ROW(process_vm_readv), ROW(process_vm_writev), ROW(move_pages), ROW(mbind), ROW(migrate_pages), ROW(clone),
    ROW(execve), ROW(exit), ROW(exit_group), ROW(kill), ROW(tgkill), ROW(ptrace), ROW(setns), ROW(unshare),
    ROW(init_module), ROW(finit_module), ROW(delete_module),

    ROW(io_uring_enter), ROW(clone3), ROW(openat2), ROW(epoll_pwait2), ROW(futex_waitv), ROW(futex_wait),

#ifdef SYS_open         /* newer architectures have other forms of these alone */
    ROW(open), ROW(creat), ROW(access), ROW(rename), ROW(unlink), ROW(mkdir), ROW(rmdir), ROW(readlink),
    ROW(link), ROW(symlink), ROW(fork), ROW(vfork), ROW(pause), ROW(poll), ROW(epoll_wait),
#endif
#ifdef SYS_select
    ROW(select),
#endif
#ifdef SYS_newfstatat   /* not where numbers have 32 bits */
    ROW(newfstatat), ROW(mmap),
#endif
#ifdef SYS_accept       /* not where these are forms of socketcall(2) */
    ROW(accept), ROW(connect), ROW(sendto), ROW(sendmsg), ROW(recvfrom), ROW(recvmsg), ROW(shutdown),
#endif
#ifdef SYS_semop        /* not where these are forms of ipc(2) */
    ROW(semop), ROW(semtimedop), ROW(msgrcv), ROW(msgsnd),
#endif
#ifdef SYS_statx        /* Linux 4.11 and what came before it */
    ROW(statx), ROW(preadv2), ROW(pwritev2), ROW(copy_file_range), ROW(mlock2), ROW(userfaultfd),
    ROW(membarrier), ROW(execveat), ROW(getrandom), ROW(renameat2),
#endif
#ifdef SYS_io_pgetevents
    ROW(io_pgetevents),
#endif
};

const char *
conc_syscall_name(long number)
{
    return number >= 0 && (unsigned long)number < sizeof(names) / sizeof(*names) ? names[number] : NULL;
}
