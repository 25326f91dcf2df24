/* SPDX-License-Identifier: Apache-2.0 */
/* os/spawn.h - start a program in a child process without copying the caller's memory.
 *
 * Contract: conc_spawn_run() returns when the program runs, or when a step on the way to it failed; it then names the
 * step, and nothing is left. The child starts with
 *   - descriptors 0..2 as planned, and no other;
 *   - the calling thread's signal mask; every handler at its default, ignored signals ignored, but SIGPIPE and SIGXFSZ
 *     (which Python ignores) at their default;
 *   - the caller's process group, session, limits, umask and credentials.
 * Any thread may call, several at once. The calling thread takes no signal while it is in here (well under a
 * millisecond as a rule); the other threads run on. Nothing the plan points to may change meanwhile.
 */
#ifndef CONC_OS_SPAWN_H
#define CONC_OS_SPAWN_H

#include "os/process.h"

/* What to do as if the kernel had not got it, so that the way around it can be tested; bits. */
enum conc_spawn_without {
    CONC_SPAWN_WITHOUT_PIDFD = 1,
    CONC_SPAWN_WITHOUT_CLOSE_RANGE = 2,
    CONC_SPAWN_WITHOUT_PROC = 4,
};

struct conc_spawn {
    char *const *argv;                  /* [borrowed] ends with NULL; at least the program's name */
    char *const *envp;                  /* [borrowed] "NAME=value", ends with NULL */
    const char *const *candidates;      /* [borrowed] files to execute, the first that can be is; ends with NULL */
    const char *cwd;                    /* [borrowed] or NULL: the caller's. Candidates are relative to it */
    int stdio[3];                       /* the descriptor to become 0, 1, 2, any permutation; -1 leaves it alone */
    unsigned without;                   /* enum conc_spawn_without; 0 but in tests */
};

enum conc_spawn_step {
    CONC_SPAWN_CREATE,                  /* memory or a process for it: -ENOMEM, -EAGAIN */
    CONC_SPAWN_STDIN,                   /* the three in the order of their descriptors */
    CONC_SPAWN_STDOUT,
    CONC_SPAWN_STDERR,
    CONC_SPAWN_CHDIR,
    CONC_SPAWN_EXEC,                    /* of all candidates; the first error that is not "no such file" counts */
};

/* 0 and a running `process` [owned: reap and close it]; or a negative errno and the step that failed. */
int conc_spawn_run(const struct conc_spawn *plan, struct conc_process *process, enum conc_spawn_step *failed);

/* [owned: conc_free] the environment of this process as an array whose strings belong to libc: they stay as they are
 * while other threads set and unset variables through libc. NULL when out of memory. */
char **conc_spawn_environment(void);

#endif
