/* SPDX-License-Identifier: Apache-2.0 */
/* os/linux/task_state.c - the state letter of /proc/self/task/<tid>/stat (proc(5)), refined by the thread's CPU
 * clock: the letter R means running or runnable, and only a running thread's clock moves. */
#include "os/task_state.h"

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/compiler.h"
#include "os/clock.h"
#include "os/proc_text.h"
#include "os/task_clock.h"
#include "os/task_file.h"
#include "os/thread.h"
#include "os/thread_self.h"

#define SHORT_WAIT_NS INT64_C(20000)
#define MOST_WAIT_NS INT64_C(1000000)

static int
read_state_letter(int tid, char *letter)
{
    char text[512];
    int64_t n = conc_task_file_look(0, tid, "stat", text, sizeof(text));
    return n < 0 ? (int)n : conc_proc_state_letter(text, (size_t)n, letter);
}

/* Whether the thread's CPU clock moves while we look: its resolution is a nanosecond while it is on a CPU. */
static bool
clock_moves(int tid)
{
    int64_t first, second;
    return conc_task_clock_read(tid, &first) == 0 && conc_task_clock_read(tid, &second) == 0 && first != second;
}

int
conc_task_check(int tid)
{
    if (tid <= 0)
        return -ESRCH;
    return syscall(SYS_tgkill, getpid(), tid, 0) == 0 ? 0 : -errno;
}

void
conc_task_wait_gone(int tid)
{
    int64_t begin = conc_now_ns(), waited = 0;
    while (waited < MOST_WAIT_NS && conc_task_check(tid) == 0) {
        /* Commonly it is some microseconds; who yields may be kept off the CPU for thousands. */
        if (waited < SHORT_WAIT_NS)
            conc_cpu_relax();
        else
            conc_os_thread_yield();
        waited = conc_now_ns() - begin;
    }
}

int
conc_task_state_read(int tid, enum conc_task_state *state)
{
    if (tid == conc_thread_self_id()) {
        *state = CONC_TASK_RUNNING;
        return 0;
    }
    char letter;
    int err = read_state_letter(tid, &letter);
    if (err == -ENOENT || err == -ESRCH) {
        *state = CONC_TASK_ENDED;
        return 0;
    }
    if (err != 0)
        return err;
    switch (letter) {
    case 'R':
        *state = clock_moves(tid) ? CONC_TASK_RUNNING : CONC_TASK_RUNNABLE;
        return 0;
    case 'Z':
    case 'X':
    case 'x':
        *state = CONC_TASK_ENDED;
        return 0;
    default:
        *state = CONC_TASK_NOT_RUNNING;
        return 0;
    }
}
