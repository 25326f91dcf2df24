/* SPDX-License-Identifier: Apache-2.0 */
/* os/process.h - a child process of this process: wait for its end, take its status, signal it, read its usage.
 *
 * Contract:
 *   - functions return 0 or a negative errno; deadlines are absolute, see os/clock.h;
 *   - conc_process_await() and conc_process_signal() may be called by any number of threads at once;
 *   - a process id means this child only until somebody has reaped it. Where there is a pidfd every call goes through
 *     it and cannot hit another process. Where there is none, the caller must let no two of reap, signal and usage
 *     run at once, and call none of them after reap succeeded; os/spawn.h makes the struct.
 */
#ifndef CONC_OS_PROCESS_H
#define CONC_OS_PROCESS_H

#include <stdbool.h>
#include <stdint.h>

struct conc_process {
    int pid;
    int pidfd;                  /* [owned] -1 where the kernel has none */
};

/* The signal that no process can refuse; POSIX fixes its number. */
#define CONC_PROCESS_KILL 9

/* A figure that the system does not tell. */
#define CONC_PROCESS_UNKNOWN INT64_C(-1)

/* All of them at least 0, or CONC_PROCESS_UNKNOWN. */
struct conc_process_usage {
    int64_t user_ns;
    int64_t system_ns;
    int64_t voluntary;          /* context switches because it waited */
    int64_t involuntary;
    int64_t minor_faults;
    int64_t major_faults;
    int64_t max_rss_bytes;
};

struct conc_process_end {
    int code;                   /* the exit status 0..255, or minus the number of the signal that ended it */
    struct conc_process_usage usage;
};

/* Sleeps until the process has ended, and leaves its status to be taken: 0, -ETIMEDOUT, or -EINTR when the calling
 * thread handled a signal. 0 also when somebody else has taken the status. */
int conc_process_await(const struct conc_process *process, int64_t deadline_ns);

/* Takes the status of an ended process and lets its id go; never waits. -EAGAIN: it is still running. -ECHILD: somebody
 * else took the status (a call of wait(2) for any child, SIGCHLD ignored) and it cannot be known any more; where the
 * kernel still tells the status, it is given. The usage is unknown in both cases. */
int conc_process_reap(const struct conc_process *process, struct conc_process_end *end);

/* -ESRCH when the process is gone; an ended one that is not reaped takes signals without effect. -EINVAL: no such
 * signal. */
int conc_process_signal(const struct conc_process *process, int signal_number);

/* What the living (or ended, not yet reaped) process has used until now. -ESRCH when it is gone. */
int conc_process_usage_now(const struct conc_process *process, struct conc_process_usage *usage);

/* The peak resident bytes of the calling process since it was executed, or CONC_PROCESS_UNKNOWN. */
int64_t conc_process_own_max_rss(void);

/* Releases the pidfd; the process is not touched. */
void conc_process_close(struct conc_process *process);

#endif
