/* SPDX-License-Identifier: Apache-2.0 */
/* os/linux/spawn.c - clone(2) with CLONE_VM | CLONE_VFORK: the child runs in the caller's memory, on a stack of its
 * own, until it executes the program; the calling thread sleeps that long. So the cost does not grow with the caller's
 * memory, and the child tells what failed by writing it down.
 *
 * The child's code may touch nothing that another thread could hold or that a sanitizer watches: it makes raw system
 * calls and reads the plan.
 */
#include "os/spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/compiler.h"
#include "os/clock.h"

#ifndef CLONE_PIDFD
#define CLONE_PIDFD 0x00001000
#endif
#ifndef SYS_close_range
#define SYS_close_range 436
#endif

/* glibc's clone() by its other exported name: sanitizers wrap the first with code of theirs that runs in the child. */
#ifdef __GLIBC__
extern int __clone(int (*entry)(void *), void *stack, int flags, void *arg, ...);
#else
#define __clone clone
#endif

#define STACK_SIZE ((size_t)64 * 1024)  /* the deepest frame is the directory buffer, 4 KiB */
#define GUARD_SIZE ((size_t)64 * 1024)  /* a multiple of every page size */
#define KERNEL_SIGNALS 64

/* The kernel's signal set. libc's hides the signals that libc itself uses, and those too must not reach the child. */
struct signal_mask {
    unsigned long bits[KERNEL_SIGNALS / (8 * sizeof(unsigned long))];
};

/* The kernel's struct sigaction, of which only the place of the handler matters: all else is zero. */
struct signal_action {
#ifdef __mips__
    unsigned long flags;
    unsigned long handler;
#else
    unsigned long handler;
    unsigned long flags;
#endif
    unsigned long rest[6];
};

/* Shared by both: the caller sleeps until the child has executed or exited. */
struct start {
    const struct conc_spawn *plan;
    const struct signal_mask *mask;     /* for the program */
    enum conc_spawn_step step;
    int err;                            /* 0, or the negative errno of `step` */
};

/* ---- in the child ---- */

/* libc's syscall() but for errno's place, which is the sleeping caller's: it is saved around all of this. */
CONC_NO_SANITIZE static long
call(long number, long a, long b, long c, long d)
{
    long result = syscall(number, a, b, c, d);
    return result < 0 ? -errno : result;
}

/* Handlers are functions of the caller, in memory that both share: none may run in the child once the mask opens. */
CONC_NO_SANITIZE static void
reset_signals(void)
{
    struct signal_action action;
    for (int number = 1; number <= KERNEL_SIGNALS; number++) {
        for (size_t i = 0; i < sizeof(action) / sizeof(unsigned long); i++)
            ((volatile unsigned long *)&action)[i] = 0;
        bool reset = number == SIGPIPE || number == SIGXFSZ;
        if (!reset && call(SYS_rt_sigaction, number, 0, (long)&action, sizeof(struct signal_mask)) == 0)
            reset = action.handler != (unsigned long)SIG_DFL && action.handler != (unsigned long)SIG_IGN;
        if (!reset)
            continue;
        for (size_t i = 0; i < sizeof(action) / sizeof(unsigned long); i++)
            ((volatile unsigned long *)&action)[i] = 0;
        (void)call(SYS_rt_sigaction, number, (long)&action, 0, sizeof(struct signal_mask));
    }
}

/* Sources that are themselves one of 0..2 move out of the way first, so that any permutation works. */
CONC_NO_SANITIZE static int
place_stdio(struct start *start)
{
    int source[3];
    for (int target = 0; target < 3; target++) {
        start->step = (enum conc_spawn_step)(CONC_SPAWN_STDIN + target);
        source[target] = start->plan->stdio[target];
        if (source[target] < 0 || source[target] > 2)
            continue;
        long fd = source[target] == target ? call(SYS_fcntl, target, F_SETFD, 0, 0)
                                           : call(SYS_fcntl, source[target], F_DUPFD_CLOEXEC, 3, 0);
        if (fd < 0)
            return (int)fd;
        if (source[target] != target)
            source[target] = (int)fd;
    }
    for (int target = 0; target < 3; target++) {
        start->step = (enum conc_spawn_step)(CONC_SPAWN_STDIN + target);
        if (source[target] < 3)
            continue;
        long fd = call(SYS_dup3, source[target], target, 0, 0);
        if (fd < 0)
            return (int)fd;
    }
    return 0;
}

struct directory_entry {                /* the kernel's linux_dirent64 */
    uint64_t inode;
    int64_t offset;
    unsigned short size;
    unsigned char type;
    char name[];
};

CONC_NO_SANITIZE static int
parse_descriptor(const char *name)
{
    int fd = 0;
    for (; *name != '\0'; name++) {
        if (*name < '0' || *name > '9')
            return -1;
        fd = fd * 10 + (*name - '0');
    }
    return fd;
}

/* False where /proc is not there. */
CONC_NO_SANITIZE static bool
close_listed(void)
{
    long folder = call(SYS_openat, AT_FDCWD, (long)"/proc/self/fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
    if (folder < 0)
        return false;
    _Alignas(struct directory_entry) char buffer[4096];
    for (;;) {
        long size = call(SYS_getdents64, folder, (long)buffer, sizeof(buffer), 0);
        if (size <= 0)
            break;
        for (long at = 0; at < size;) {
            const struct directory_entry *entry = (const struct directory_entry *)(const void *)(buffer + at);
            int fd = parse_descriptor(entry->name);
            if (fd > 2 && fd != (int)folder)
                (void)call(SYS_close, fd, 0, 0, 0);
            at += entry->size;
        }
    }
    (void)call(SYS_close, folder, 0, 0, 0);
    return true;
}

CONC_NO_SANITIZE static void
close_others(unsigned without)
{
    if (!(without & CONC_SPAWN_WITHOUT_CLOSE_RANGE) && call(SYS_close_range, 3, (long)~0u, 0, 0) == 0)
        return;
    if (!(without & CONC_SPAWN_WITHOUT_PROC) && close_listed())
        return;
    struct rlimit limit;
    long end = 65536;
    if (call(SYS_prlimit64, 0, RLIMIT_NOFILE, 0, (long)&limit) == 0 && limit.rlim_cur != RLIM_INFINITY)
        end = (long)limit.rlim_cur;
    for (long fd = 3; fd < end; fd++)
        (void)call(SYS_close, fd, 0, 0, 0);
}

/* As execvpe(3) does, a file that is there and cannot be executed does not end the search, but is what is told. */
CONC_NO_SANITIZE static int
execute(const struct conc_spawn *plan)
{
    int told = 0, err = -ENOENT;
    for (const char *const *file = plan->candidates; *file != NULL; file++) {
        err = (int)call(SYS_execve, (long)*file, (long)plan->argv, (long)plan->envp, 0);
        if (told == 0 && err != -ENOENT && err != -ENOTDIR)
            told = err;
    }
    return told != 0 ? told : err;
}

CONC_NO_SANITIZE static int
child_steps(struct start *start)
{
    const struct conc_spawn *plan = start->plan;
    int err = place_stdio(start);
    if (err != 0)
        return err;
    start->step = CONC_SPAWN_CHDIR;
    if (plan->cwd != NULL && (err = (int)call(SYS_chdir, (long)plan->cwd, 0, 0, 0)) < 0)
        return err;
    close_others(plan->without);
    reset_signals();
    (void)call(SYS_rt_sigprocmask, SIG_SETMASK, (long)start->mask, 0, sizeof(struct signal_mask));
    start->step = CONC_SPAWN_EXEC;
    return execute(plan);
}

CONC_NO_SANITIZE static int
child_main(void *raw)
{
    struct start *start = raw;
    start->err = child_steps(start);        /* returns when a step failed */
    (void)call(SYS_exit_group, 127, 0, 0, 0);
    return 127;
}

/* ---- in the caller ---- */

/* [owned] the lowest address, of the guard; NULL with errno set. */
static char *
map_stack(void)
{
    void *map = mmap(NULL, GUARD_SIZE + STACK_SIZE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
    if (map == MAP_FAILED)
        return NULL;
    if (mprotect((char *)map + GUARD_SIZE, STACK_SIZE, PROT_READ | PROT_WRITE) != 0) {
        int saved = errno;
        munmap(map, GUARD_SIZE + STACK_SIZE);
        errno = saved;
        return NULL;
    }
    return map;
}

/* The pid, or a negative errno. A kernel before 5.2 leaves *pidfd as it was; a sandbox may refuse the flag. */
static int
clone_child(char *stack, struct start *start, int *pidfd)
{
    const int flags = CLONE_VM | CLONE_VFORK | SIGCHLD;
    int pid = -1;
    *pidfd = -1;
    if (!(start->plan->without & CONC_SPAWN_WITHOUT_PIDFD)) {
        pid = __clone(child_main, stack, flags | CLONE_PIDFD, start, pidfd);
        if (pid >= 0 || errno != EINVAL)
            return pid >= 0 ? pid : -errno;
    }
    pid = __clone(child_main, stack, flags, start);
    return pid >= 0 ? pid : -errno;
}

/* The child has exited or is about to; when SIGCHLD is ignored there is nothing to take. Signals are blocked. */
static void
reap_failed(struct conc_process *process)
{
    struct conc_process_end end;
    (void)conc_process_await(process, CONC_FOREVER);
    (void)conc_process_reap(process, &end);
    conc_process_close(process);
}

int
conc_spawn_run(const struct conc_spawn *plan, struct conc_process *process, enum conc_spawn_step *failed)
{
    *failed = CONC_SPAWN_CREATE;
    char *base = map_stack();
    if (base == NULL)
        return -errno;

    struct signal_mask all, before;
    for (size_t i = 0; i < sizeof(all.bits) / sizeof(all.bits[0]); i++)
        all.bits[i] = ~0ul;
    /* Cannot fail: the arguments are good. */
    (void)syscall(SYS_rt_sigprocmask, SIG_SETMASK, &all, &before, sizeof(all));
    struct start start = {.plan = plan, .mask = &before};
    int pid = clone_child(base + GUARD_SIZE + STACK_SIZE, &start, &process->pidfd);
    process->pid = pid;
    if (pid >= 0 && start.err != 0) {
        *failed = start.step;
        reap_failed(process);
    }
    (void)syscall(SYS_rt_sigprocmask, SIG_SETMASK, &before, NULL, sizeof(before));
    munmap(base, GUARD_SIZE + STACK_SIZE);
    return pid < 0 ? pid : start.err;
}

char **
conc_spawn_environment(void)
{
    size_t count = 0;
    while (environ != NULL && environ[count] != NULL)
        count++;
    char **copy = conc_alloc_array(count + 1, sizeof(char *));
    for (size_t i = 0; copy != NULL && i < count; i++)
        copy[i] = environ[i];
    return copy;
}
