/* SPDX-License-Identifier: Apache-2.0 */
/* watch/look.c - see the header. */
#include "watch/look.h"

#include <errno.h>

#include "os/descriptor_kind.h"
#include "os/proc_text.h"
#include "os/syscall_wait.h"
#include "os/task_clock.h"
#include "os/task_state.h"

#define SYSCALL_TEXT 256
#define STAT_TEXT 512
#define SCHEDSTAT_TEXT 128
/* The switches stand at the end of `status`, behind the user's groups and masks of all CPUs. */
#define STATUS_TEXT 8192

int
conc_watch_look_clock(struct conc_watch_files *files, const struct conc_watched *watched, int64_t *cpu_ns)
{
    if (files->pid != 0)
        return -ENOTSUP;
    if (files->clock_refused != 0)
        return files->clock_refused;
    int err = conc_task_clock_read(watched->tid, cpu_ns);
    if (err != 0 && err != -ESRCH)
        files->clock_refused = err;
    return err;
}

/* 0, -ESRCH: our process has no such thread any more; other errors: the system does not say. */
static int
check_own(struct conc_watch_files *files, const struct conc_watched *watched)
{
    int64_t cpu_ns;
    int err = conc_watch_look_clock(files, watched, &cpu_ns);
    return err == 0 || err == -ESRCH ? err : conc_task_check(watched->tid);
}

/* Whether the thread is there, although a file of it is not. */
static bool
lives(struct conc_watch_files *files, struct conc_watched *watched, enum conc_watch_file file)
{
    int err = files->pid == 0 ? check_own(files, watched) : -ENOTSUP;
    if (err == 0 || err == -ESRCH)
        return err == 0;
    char text[STAT_TEXT];
    return file != CONC_WATCH_STAT &&
           conc_watch_files_read(files, &watched->kept, watched->tid, CONC_WATCH_STAT, text, sizeof(text)) > 0;
}

/* Reads the file: bytes, -ESRCH: the thread is gone, or another error, after which the file is not read again. */
static int64_t
read_file(struct conc_watch_files *files, struct conc_watched *watched, enum conc_watch_file file, char *text,
          size_t size)
{
    int64_t n = conc_watch_files_read(files, &watched->kept, watched->tid, file, text, size);
    if (n != -ENOENT || files->refused[file] != 0)
        return n;
    if (!lives(files, watched, file))
        return -ESRCH;
    conc_watch_files_refuse(files, file, -ENOENT);
    return -ENOENT;
}

int
conc_watch_look_times(struct conc_watch_files *files, struct conc_watched *watched, int64_t *cpu_ns, int64_t *delay_ns)
{
    char text[SCHEDSTAT_TEXT];
    int64_t n = read_file(files, watched, CONC_WATCH_SCHEDSTAT, text, sizeof(text));
    int err = n < 0 ? (int)n : conc_proc_schedstat(text, (size_t)n, cpu_ns, delay_ns);
    if (err == 0)
        watched->now.run_delay_ns = *delay_ns;
    return err;
}

bool
conc_watch_look_delay(struct conc_watch_files *files, struct conc_watched *watched, int64_t *delay_ns)
{
    int64_t cpu_ns;
    return conc_watch_look_times(files, watched, &cpu_ns, delay_ns) == 0;
}

/* Ready to run: it does when its clock has moved since that was read, at the begin of this look at it. Without one, whether it
 * ran is found out from how schedstat, which may be behind, moves later (conc_divide_behind), if that is told. */
static struct conc_doing
ready(struct conc_watch_files *files, struct conc_watched *watched)
{
    int64_t cpu_ns;
    int err = conc_watch_look_clock(files, watched, &cpu_ns);
    if (err != 0 && err != -ESRCH)
        return conc_doing_plainly(CONC_WATCH_RUNNING, CONC_WATCH_NONE);
    bool moves = err == 0 && cpu_ns != watched->now.cpu_ns;
    return conc_doing_plainly(moves ? CONC_WATCH_RUNNING : CONC_WATCH_RUNNABLE, CONC_WATCH_NONE);
}

/* Neither file says what it does: it runs when its CPU time moves. -ESRCH: it is gone. */
static int
look_by_times(struct conc_watch_files *files, struct conc_watched *watched, struct conc_doing *doing)
{
    if (files->pid == 0 && check_own(files, watched) == -ESRCH)
        return -ESRCH;
    bool timed = (files->pid == 0 && files->clock_refused == 0) || files->refused[CONC_WATCH_SCHEDSTAT] == 0;
    struct conc_doing maybe = ready(files, watched);
    *doing = timed && maybe.state == CONC_WATCH_RUNNING
                 ? maybe
                 : conc_doing_plainly(CONC_WATCH_NOT_RUNNING, CONC_WATCH_UNKNOWN);
    return 0;
}

static enum conc_watch_reason
reason_of_descriptor(int pid, int fd)
{
    enum conc_descriptor_kind kind;
    if (conc_descriptor_kind(pid, fd, &kind) != 0)
        return CONC_WATCH_IO;
    switch (kind) {
    case CONC_DESCRIPTOR_DISK:
        return CONC_WATCH_DISK;
    case CONC_DESCRIPTOR_SOCKET:
        return CONC_WATCH_SOCKET;
    case CONC_DESCRIPTOR_PIPE:
        return CONC_WATCH_PIPE;
    default:
        return CONC_WATCH_IO;
    }
}

static enum conc_watch_reason
reason_of_futex(const struct conc_syscall_wait *wait, const struct conc_watch_gils *gils, int64_t *interpreter)
{
    switch (wait->cause) {
    case CONC_PARK_LOCK:
        return CONC_WATCH_LOCK;
    case CONC_PARK_CONDITION:
        return CONC_WATCH_CONDITION;
    case CONC_PARK_JOIN:
        return CONC_WATCH_JOIN;
    case CONC_PARK_IDLE:
        return CONC_WATCH_IDLE;
    case CONC_PARK_SLEEP:
        return CONC_WATCH_SLEEP;
    default:
        if (gils->is_gil != NULL && gils->is_gil(gils->context, wait->futex, interpreter))
            return CONC_WATCH_GIL;
        return CONC_WATCH_FUTEX;
    }
}

static enum conc_watch_reason
reason_of(const struct conc_syscall_wait *wait, int pid, const struct conc_watch_gils *gils,
          const struct conc_watched *watched, int64_t *interpreter)
{
    switch (wait->kind) {
    case CONC_WAIT_FUTEX:
        return reason_of_futex(wait, gils, interpreter);
    case CONC_WAIT_DESCRIPTOR:
        return reason_of_descriptor(pid, wait->descriptor);
    case CONC_WAIT_DISK:
        return CONC_WATCH_DISK;
    case CONC_WAIT_POLL:
        return CONC_WATCH_POLL;
    case CONC_WAIT_IO:
        return CONC_WATCH_IO;
    case CONC_WAIT_LOCK:
        return CONC_WATCH_LOCK;
    case CONC_WAIT_PROCESS:
        return CONC_WATCH_JOIN;
    case CONC_WAIT_SLEEP:
        return CONC_WATCH_SLEEP;
    case CONC_WAIT_AGAIN:
        return watched->waited.state == 0 ? CONC_WATCH_SYSTEM_CALL : (enum conc_watch_reason)watched->waited.reason;
    default:
        return CONC_WATCH_SYSTEM_CALL;
    }
}

static struct conc_doing
blocked_in(const struct conc_task_syscall *call, int pid, const struct conc_watch_gils *gils,
           const struct conc_watched *watched)
{
    struct conc_syscall_wait wait;
    (void)conc_syscall_wait_of(call, &wait);        /* not known: some call */
    struct conc_doing doing = {.state = CONC_WATCH_NOT_RUNNING, .syscall = (int32_t)call->number,
                               .descriptor = wait.descriptor};
    doing.reason = (uint8_t)reason_of(&wait, pid, gils, watched, &doing.interpreter);
    return doing;
}

/* By the letter of `stat` alone: what waits outside of system calls, and all threads where `syscall` is refused. */
static int
look_by_letter(struct conc_watch_files *files, struct conc_watched *watched, bool called, struct conc_doing *doing)
{
    char text[STAT_TEXT];
    struct conc_proc_place place;
    int64_t n = read_file(files, watched, CONC_WATCH_STAT, text, sizeof(text));
    if (n == -ESRCH)
        return -ESRCH;
    if (n < 0 || conc_proc_place_of(text, (size_t)n, &place) != 0)
        return look_by_times(files, watched, doing);
    *doing = conc_doing_plainly(CONC_WATCH_NOT_RUNNING, CONC_WATCH_UNKNOWN);
    watched->cpu = place.cpu;
    switch (place.letter) {
    case 'R':
        *doing = ready(files, watched);
        return 0;
    case 'T':
    case 't':
        doing->reason = CONC_WATCH_STOPPED;
        return 0;
    case 'Z':
    case 'X':
        *doing = conc_doing_plainly(CONC_WATCH_ENDED, CONC_WATCH_NONE);
        return 0;
    case 'D':
        /* Not in a system call, it waits for a page. */
        if (!called)
            doing->reason = CONC_WATCH_PAGE_FAULT;
        return 0;
    default:
        return 0;
    }
}

int
conc_watch_look(struct conc_watch_files *files, const struct conc_watch_gils *gils, struct conc_watched *watched,
                struct conc_doing *doing)
{
    char text[SYSCALL_TEXT];
    struct conc_task_syscall call;
    int64_t n = read_file(files, watched, CONC_WATCH_SYSCALL, text, sizeof(text));
    if (n == -ESRCH)
        return -ESRCH;
    if (n < 0 || conc_proc_syscall(text, (size_t)n, &call) != 0)
        return look_by_letter(files, watched, true, doing);
    switch (call.kind) {
    case CONC_SYSCALL_RUNNING:
        *doing = ready(files, watched);
        return 0;
    case CONC_SYSCALL_OUTSIDE:
        return look_by_letter(files, watched, false, doing);
    default:
        *doing = blocked_in(&call, files->pid, gils, watched);
        return 0;
    }
}

bool
conc_watch_look_place(struct conc_watch_files *files, struct conc_watched *watched)
{
    char text[STAT_TEXT];
    struct conc_proc_place place;
    int64_t n = read_file(files, watched, CONC_WATCH_STAT, text, sizeof(text));
    if (n < 0 || conc_proc_place_of(text, (size_t)n, &place) != 0)
        return n != -ESRCH;
    watched->cpu = place.cpu;
    if (watched->start_ticks == CONC_WATCH_NOT_KNOWN)
        watched->start_ticks = place.start_ticks;
    return watched->start_ticks == place.start_ticks;
}

void
conc_watch_look_name(struct conc_watch_files *files, struct conc_watched *watched)
{
    char text[CONC_TASK_NAME_SIZE];
    int64_t n = read_file(files, watched, CONC_WATCH_COMM, text, sizeof(text));
    if (n > 0)
        conc_task_name_of_comm(watched->name, text, (size_t)n);
}

void
conc_watch_look_closely(struct conc_watch_files *files, struct conc_watched *watched)
{
    char text[STATUS_TEXT];
    conc_watch_look_name(files, watched);
    int64_t delay_ns, n = read_file(files, watched, CONC_WATCH_STATUS, text, sizeof(text));
    if (n > 0) {
        (void)conc_proc_count_line(text, (size_t)n, "voluntary_ctxt_switches", &watched->now.voluntary);
        (void)conc_proc_count_line(text, (size_t)n, "nonvoluntary_ctxt_switches", &watched->now.involuntary);
    }
    (void)conc_watch_look_delay(files, watched, &delay_ns);
    watched->closely_seen = true;
}
