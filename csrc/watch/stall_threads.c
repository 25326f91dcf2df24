/* SPDX-License-Identifier: Apache-2.0 */
/* watch/stall_threads.c - see the header. */
#include "watch/stall_threads.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

#include "os/clock.h"
#include "os/syscall_wait.h"
#include "os/task_clock.h"
#include "os/task_file.h"
#include "os/task_list.h"
#include "os/task_syscall.h"
#include "os/thread_self.h"

static const char *const state_names[] = {
    [CONC_TASK_RUNNABLE] = "runnable",
    [CONC_TASK_RUNNING] = "running",
    [CONC_TASK_NOT_RUNNING] = "not running",
    [CONC_TASK_ENDED] = "ended",
};

bool
conc_stall_gil_look(const struct conc_stall_gil *gil, struct conc_gil_sample *sample)
{
    struct conc_gil_sample samples[CONC_GIL_LOCKS];
    int count = gil->reader == NULL ? 0 : conc_gil_reader_read(gil->reader, samples, CONC_GIL_LOCKS);
    int found = -1;
    for (int i = 0; i < count; i++) {
        if (samples[i].interpreter == gil->interpreter || (found < 0 && samples[i].interpreter == 0))
            found = i;
    }
    if (found < 0 || !samples[found].enabled)
        return false;
    *sample = samples[found];
    return true;
}

struct search {
    struct conc_stall_threads *threads;
    const struct conc_stall_gil *gil;
    int self, holder;
    int64_t interpreter;                /* that the sample of the GIL is told by */
};

static void
read_name(int tid, char name[CONC_TASK_NAME_SIZE])
{
    char text[CONC_TASK_NAME_SIZE];
    int64_t n = conc_task_file_look(0, tid, "comm", text, sizeof(text));
    conc_task_name_of_comm(name, text, n < 0 ? 0 : (size_t)n);
}

static void
read_syscall(struct conc_stall_thread *row, const struct search *search)
{
    struct conc_task_syscall call;
    row->syscall = -2;
    if (conc_task_syscall_read(row->tid, &call) != 0)
        return;
    row->syscall = call.kind == CONC_SYSCALL_BLOCKED ? call.number : -1;
    if (call.kind != CONC_SYSCALL_BLOCKED || search->gil->reader == NULL)
        return;
    int64_t interpreter;
    struct conc_syscall_wait wait;
    (void)conc_syscall_wait_of(&call, &wait);   /* not known: no futex */
    row->waits_for_gil = wait.futex != 0 &&
                         conc_gil_reader_is_gil_address(search->gil->reader, wait.futex, &interpreter) &&
                         interpreter == search->interpreter;
}

static void
read_row(void *context, int tid)
{
    struct search *search = context;
    if (tid == search->self || search->threads->count == CONC_STALL_THREADS)
        return;
    struct conc_stall_thread row = {.tid = tid, .cpu_ns = -1, .holds_gil = tid == search->holder};
    row.state_known = conc_task_state_read(tid, &row.state) == 0;
    if (row.state_known && row.state == CONC_TASK_ENDED)
        return;
    read_name(tid, row.name);
    read_syscall(&row, search);
    if (conc_task_clock_read(tid, &row.cpu_ns) != 0)
        row.cpu_ns = -1;
    search->threads->rows[search->threads->count++] = row;
}

void
conc_stall_threads_read(struct conc_stall_threads *threads, const struct conc_stall_gil *gil)
{
    struct search search = {.threads = threads, .gil = gil, .self = conc_thread_self_id(), .holder = -1};
    struct conc_gil_sample sample;
    threads->gil_known = conc_stall_gil_look(gil, &sample);
    if (threads->gil_known) {
        search.interpreter = sample.interpreter;
        search.holder = sample.locked ? sample.holder_tid : -1;
    }
    threads->count = 0;
    int list = conc_task_list_open(0);
    threads->total = list < 0 ? list : conc_task_list_read(list, read_row, &search);
    if (list >= 0)
        conc_task_list_close(list);
}

static void
put(char *text, size_t size, size_t *length, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int n = vsnprintf(text + *length, size - *length, format, args);
    va_end(args);
    if (n > 0)
        *length += (size_t)n < size - *length ? (size_t)n : size - *length - 1;
}

static void
put_row(const struct conc_stall_thread *row, char *text, size_t size, size_t *length)
{
    put(text, size, length, "  %-7d %-15s %-11s", row->tid, row->name[0] == '\0' ? "?" : row->name,
        row->state_known ? state_names[row->state] : "?");
    if (row->cpu_ns >= 0)
        put(text, size, length, " cpu %" PRId64 ".%03d s", row->cpu_ns / CONC_NS_PER_S,
            (int)(row->cpu_ns % CONC_NS_PER_S / 1000000));
    if (row->syscall >= 0) {
        const char *name = conc_syscall_name(row->syscall);
        if (name != NULL)
            put(text, size, length, " in %s", name);
        else
            put(text, size, length, " in system call %ld", row->syscall);
    }
    put(text, size, length, "%s%s\n", row->holds_gil ? ", holds the GIL" : "",
        row->waits_for_gil ? ", waits for the GIL" : "");
}

size_t
conc_stall_threads_text(const struct conc_stall_threads *threads, char *text, size_t size)
{
    size_t length = 0;
    text[0] = '\0';
    if (threads->total < 0)
        put(text, size, &length, "  threads are not told by the system (error %d)\n", -threads->total);
    for (int i = 0; i < threads->count; i++)
        put_row(&threads->rows[i], text, size, &length);
    if (threads->total > CONC_STALL_THREADS)
        put(text, size, &length, "  of %d threads, the %d oldest\n", threads->total, threads->count);
    return length;
}
