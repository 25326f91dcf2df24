/* SPDX-License-Identifier: Apache-2.0 */
/* os/proc_text.h - what stands in files of /proc and of control groups (proc(5), cgroups(7)), as pure functions of
 * their bytes, which need no terminator. No system call: these are the formats, and the files of os/linux read them.
 *
 * Functions answer 0, -ENODATA when the text has no such line, or -EBADMSG when it is not in its format; results are
 * written on 0 alone. */
#ifndef CONC_OS_PROC_TEXT_H
#define CONC_OS_PROC_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/scan.h"

/* The state of a task's `stat`: the letter after the command's name, which is in parentheses and may itself hold any
 * character. */
int conc_proc_state_letter(const char *text, size_t length, char *letter);

struct conc_proc_times {
    int64_t minor_faults, major_faults;
    int64_t user_ticks, system_ticks;   /* at most CONC_PROC_TICKS_MAX each: they can be made nanoseconds */
};
#define CONC_PROC_TICKS_MAX INT64_C(9000000000)     /* times a second's nanoseconds it still fits */

/* Fields 10, 12, 14 and 15 of a task's `stat`. */
int conc_proc_times_of(const char *text, size_t length, struct conc_proc_times *times);

struct conc_proc_place {
    char letter;                /* the state's */
    int64_t start_ticks;        /* when the task began: with its id it names a task for good */
    int cpu;                    /* that it runs or ran on last */
};

/* Fields 3, 22 and 39 of a task's `stat`. */
int conc_proc_place_of(const char *text, size_t length, struct conc_proc_place *place);

/* What of a CPU time of `total_ns` was spent in the program, when the kernel has counted it in ticks as `times` has it:
 * in the ratio of the ticks, all of it as long as no tick was in the kernel. The rest was spent in the kernel. */
int64_t conc_proc_user_share(int64_t total_ns, const struct conc_proc_times *times);

/* The CPU time of a task, and how long it waited for a CPU, nanoseconds: the first two of the three numbers of its
 * `schedstat`. The first is up to date when the task was last put on a CPU or taken off one, or at a tick. -ENODATA where
 * the kernel does not count them and all three are 0. */
int conc_proc_schedstat(const char *text, size_t length, int64_t *cpu_ns, int64_t *delay_ns);

/* How long a task waited for a CPU: the second of the three numbers of its `schedstat`, nanoseconds. -ENODATA where the
 * kernel does not count it and all three are 0. */
int conc_proc_run_delay(const char *text, size_t length, int64_t *ns);

/* Takes the next process of a task's `children` ("12 345 "). False at the end, also at a number that was cut there. */
bool conc_proc_next_child(struct conc_scan *scan, int *pid);

enum conc_task_syscall_kind {
    CONC_SYSCALL_RUNNING,               /* it could run: in the program or in the kernel */
    CONC_SYSCALL_BLOCKED,               /* it waits in the system call `number` */
    CONC_SYSCALL_OUTSIDE,               /* it waits, and has not called the system: a page that is read, a stop */
};

struct conc_task_syscall {
    enum conc_task_syscall_kind kind;
    long number;                        /* SYS_read and the like, >= 0; -1 unless BLOCKED */
    uint64_t arguments[6];              /* the registers, also those that the call does not take; 0 unless BLOCKED */
};

/* A task's `syscall`. */
int conc_proc_syscall(const char *text, size_t length, struct conc_task_syscall *call);

/* The number of the line "KEY:\t123": context switches in `status`. The text may be cut anywhere. */
int conc_proc_count_line(const char *text, size_t length, const char *key, int64_t *number);

/* Bytes of the line "KEY:  123 kB": `status`, and /proc/meminfo. */
int conc_proc_kib_line(const char *text, size_t length, const char *key, int64_t *bytes);

/* The number of the line "KEY 123": memory.stat. */
int conc_proc_number_line(const char *text, size_t length, const char *key, uint64_t *number);

/* A file that holds one number. "max", which is no limit, is -ENODATA. */
int conc_proc_number(const char *text, size_t length, uint64_t *number);

/* The steal time of a CPU in clock ticks: the eighth number of its line of /proc/stat. The text may be cut anywhere. */
int conc_proc_steal(const char *text, size_t length, size_t cpu, int64_t *ticks);

struct conc_proc_cgroup {
    int version;                        /* of the hierarchy: 2, or 1 for the memory controller's own */
    const char *path;                   /* [borrowed] of the group, from the first slash; not terminated */
    size_t length;
};

/* Takes lines of /proc/self/cgroup ("4:memory:/a/b", "0::/a/b") up to the next that says where the process's memory is
 * limited. A path that leads out of the mounted hierarchy (a component "..") is passed over. False at the end. */
bool conc_proc_next_cgroup(struct conc_scan *lines, struct conc_proc_cgroup *group);

#endif
