/* SPDX-License-Identifier: Apache-2.0 */
/* os/linux/task_usage.c - getrusage(2) of the calling thread; of others `stat`, `status` and `schedstat` (proc(5)), and
 * their CPU clock. */
#include "os/task_usage.h"

#include <errno.h>
#include <sys/resource.h>
#include <unistd.h>

#include "os/clock.h"
#include "os/proc_text.h"
#include "os/task_clock.h"
#include "os/task_file.h"
#include "os/task_state.h"

/* The switches stand at the end, behind the user's groups and masks of all CPUs: room for some thousand groups. */
#define STATUS_TEXT 16384

static int64_t
ns_of(struct timeval tv)
{
    return tv.tv_sec * CONC_NS_PER_S + (int64_t)tv.tv_usec * 1000;
}

int
conc_task_usage_self(struct conc_task_usage *usage)
{
    struct rusage used;
    if (getrusage(RUSAGE_THREAD, &used) != 0)
        return -errno;
    *usage = (struct conc_task_usage){
        .user_ns = ns_of(used.ru_utime),
        .system_ns = ns_of(used.ru_stime),
        .run_delay_ns = CONC_USAGE_UNKNOWN,
        .voluntary = used.ru_nvcsw,
        .involuntary = used.ru_nivcsw,
        .minor_faults = used.ru_minflt,
        .major_faults = used.ru_majflt,
    };
    return 0;
}

int
conc_task_run_delay(int tid, int64_t *ns)
{
    char text[128];
    int64_t n = conc_task_file_look(0, tid, "schedstat", text, sizeof(text));
    if (n >= 0)
        return conc_proc_run_delay(text, (size_t)n, ns);
    if (n != -ENOENT)
        return (int)n;
    return conc_task_check(tid) == -ESRCH ? -ESRCH : -ENODATA;
}

/* Without the clock the ticks are all that is known. */
static void
read_times(int tid, struct conc_task_usage *usage)
{
    char text[512];
    struct conc_proc_times times;
    int64_t n = conc_task_file_look(0, tid, "stat", text, sizeof(text));
    if (n < 0 || conc_proc_times_of(text, (size_t)n, &times) != 0)
        return;
    usage->minor_faults = times.minor_faults;
    usage->major_faults = times.major_faults;
    int64_t total;
    if (conc_task_clock_read(tid, &total) == 0) {
        usage->user_ns = conc_proc_user_share(total, &times);
        usage->system_ns = total - usage->user_ns;
        return;
    }
    long ticks = sysconf(_SC_CLK_TCK);
    int64_t tick_ns = CONC_NS_PER_S / (ticks > 0 ? ticks : 100);
    usage->user_ns = times.user_ticks * tick_ns;
    usage->system_ns = times.system_ticks * tick_ns;
}

static void
read_switches(int tid, struct conc_task_usage *usage)
{
    char text[STATUS_TEXT];
    int64_t n = conc_task_file_look(0, tid, "status", text, sizeof(text));
    if (n < 0)
        return;
    (void)conc_proc_count_line(text, (size_t)n, "voluntary_ctxt_switches", &usage->voluntary);
    (void)conc_proc_count_line(text, (size_t)n, "nonvoluntary_ctxt_switches", &usage->involuntary);
}

int
conc_task_usage_read(int tid, struct conc_task_usage *usage)
{
    struct conc_task_usage found = {
        CONC_USAGE_UNKNOWN, CONC_USAGE_UNKNOWN, CONC_USAGE_UNKNOWN, CONC_USAGE_UNKNOWN,
        CONC_USAGE_UNKNOWN, CONC_USAGE_UNKNOWN, CONC_USAGE_UNKNOWN,
    };
    read_times(tid, &found);
    read_switches(tid, &found);
    (void)conc_task_run_delay(tid, &found.run_delay_ns);
    /* Asked last: a thread that lives now was there all along. */
    if (conc_task_check(tid) == -ESRCH)
        return -ESRCH;
    *usage = found;
    return 0;
}
