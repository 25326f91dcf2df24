/* SPDX-License-Identifier: Apache-2.0 */
/* python/watch_columns.c - see the header. */
#include "python/watch_columns.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "os/task_syscall.h"

/* ---- columns ---------------------------------------------------------------------------------------------------------- */

#define MOST_COLUMNS 8

/* Bytes that are filled row by row, and become a dict: names and widths as given. */
struct columns {
    const char *const *names;
    const unsigned char *widths;
    PyObject *bytes[MOST_COLUMNS];      /* [owned] */
    int count;
    Py_ssize_t row;
};

static void
columns_clear(struct columns *columns)
{
    for (int i = 0; i < columns->count; i++)
        Py_CLEAR(columns->bytes[i]);
}

static int
columns_init(struct columns *columns, const char *const *names, const unsigned char *widths, Py_ssize_t rows)
{
    *columns = (struct columns){.names = names, .widths = widths};
    for (; names[columns->count] != NULL; columns->count++) {
        PyObject *bytes = PyBytes_FromStringAndSize(NULL, rows * widths[columns->count]);
        if (bytes == NULL) {
            columns_clear(columns);
            return -1;
        }
        columns->bytes[columns->count] = bytes;
    }
    return 0;
}

/* The next row: a value for each column, of which the lowest bytes are taken. */
static void
columns_add(struct columns *columns, const int64_t *values)
{
    for (int i = 0; i < columns->count; i++) {
        char *at = PyBytes_AS_STRING(columns->bytes[i]) + columns->row * columns->widths[i];
        int32_t narrow = (int32_t)values[i];
        switch (columns->widths[i]) {
        case 8:
            memcpy(at, &values[i], 8);
            break;
        case 4:
            memcpy(at, &narrow, 4);
            break;
        default:
            *at = (char)values[i];
        }
    }
    columns->row++;
}

/* [owned] the dict; the columns are let go of. */
static PyObject *
columns_finish(struct columns *columns)
{
    PyObject *dict = PyDict_New();
    for (int i = 0; dict != NULL && i < columns->count; i++) {
        if (PyDict_SetItemString(dict, columns->names[i], columns->bytes[i]) < 0)
            Py_CLEAR(dict);
    }
    columns_clear(columns);
    return dict;
}

/* ---- runs ------------------------------------------------------------------------------------------------------------- */

struct row {
    const struct conc_run *run;
    int32_t thread;
};

static int
by_begin(const void *a, const void *b)
{
    const struct row *left = a, *right = b;
    if (left->run->begin_ns != right->run->begin_ns)
        return left->run->begin_ns < right->run->begin_ns ? -1 : 1;
    return left->thread < right->thread ? -1 : left->thread > right->thread;
}

static size_t
add_rows(struct row *rows, size_t count, const struct conc_runs *runs, const struct conc_run_track *track,
         int32_t thread)
{
    for (int32_t at = track->first; at != CONC_RUN_NONE; at = runs->items[at].next)
        rows[count++] = (struct row){&runs->items[at], thread};
    return count;
}

/* [owned] room for all of the runs; NULL with an exception. */
static struct row *
room_for(const struct conc_runs *runs)
{
    struct row *rows = conc_alloc_array((size_t)runs->held + 1, sizeof(*rows));
    if (rows == NULL)
        PyErr_NoMemory();
    return rows;
}

static PyObject *
segments_of(const struct conc_watch_record *record)
{
    static const char *const names[] = {"begin_ns", "end_ns", "thread",     "cpu", "syscall",
                                        "state",    "reason", "descriptor", NULL};
    static const unsigned char widths[] = {8, 8, 4, 4, 4, 1, 1, 4};
    struct row *rows = room_for(&record->segments);
    if (rows == NULL)
        return NULL;
    size_t count = 0;
    for (int32_t i = 0; i < record->threads.count; i++)
        count = add_rows(rows, count, &record->segments, &record->threads.all[i]->track, i);
    qsort(rows, count, sizeof(*rows), by_begin);
    struct columns columns;
    PyObject *dict = NULL;
    if (columns_init(&columns, names, widths, (Py_ssize_t)count) == 0) {
        for (size_t i = 0; i < count; i++) {
            const struct conc_run *run = rows[i].run;
            const struct conc_run_value *value = &run->value;
            columns_add(&columns, (int64_t[]){run->begin_ns, run->end_ns, rows[i].thread, value->detail[0],
                                              value->detail[1], value->state, value->reason, value->detail[2]});
        }
        dict = columns_finish(&columns);
    }
    conc_free(rows);
    return dict;
}

static PyObject *
holds_of(const struct conc_watch_record *record)
{
    static const char *const names[] = {"begin_ns", "end_ns", "interpreter", "thread", "blocked", NULL};
    static const unsigned char widths[] = {8, 8, 4, 4, 1};
    const struct conc_holds *holds = &record->holds;
    struct row *rows = room_for(&holds->runs);
    if (rows == NULL)
        return NULL;
    size_t count = 0, held = 0;
    for (int i = 0; i < holds->count; i++)
        count = add_rows(rows, count, &holds->runs, &holds->items[i]->track, i);
    for (size_t i = 0; i < count; i++) {
        if (rows[i].run->value.detail[0] != CONC_HOLD_FREE)
            rows[held++] = rows[i];
    }
    qsort(rows, held, sizeof(*rows), by_begin);
    struct columns columns;
    PyObject *dict = NULL;
    if (columns_init(&columns, names, widths, (Py_ssize_t)held) == 0) {
        for (size_t i = 0; i < held; i++) {
            const struct conc_run *run = rows[i].run;
            columns_add(&columns, (int64_t[]){run->begin_ns, run->end_ns, run->value.detail[1], run->value.detail[0],
                                              run->value.state});
        }
        dict = columns_finish(&columns);
    }
    conc_free(rows);
    return dict;
}

/* ---- sums ------------------------------------------------------------------------------------------------------------- */

static PyObject *
waits_of(const struct conc_watch_record *record)
{
    static const char *const names[] = {"waiter", "holder", "interpreter", "wait_ns", NULL};
    static const unsigned char widths[] = {4, 4, 4, 8};
    struct columns columns;
    if (columns_init(&columns, names, widths, record->waits.used) < 0)
        return NULL;
    for (uint32_t i = 0; i < record->waits.used; i++) {
        const struct conc_sum *sum = &record->waits.items[i];
        columns_add(&columns, (int64_t[]){sum->who, sum->whom, sum->interpreter, sum->ns});
    }
    return columns_finish(&columns);
}

static PyObject *
held_of(const struct conc_watch_record *record)
{
    static const char *const names[] = {"thread", "interpreter", "held_ns", "blocked_ns", "longest_ns", NULL};
    static const unsigned char widths[] = {4, 4, 8, 8, 8};
    const struct conc_sums *sums = &record->holds.sums;
    struct columns columns;
    if (columns_init(&columns, names, widths, sums->used) < 0)
        return NULL;
    for (uint32_t i = 0; i < sums->used; i++) {
        const struct conc_sum *sum = &sums->items[i];
        columns_add(&columns,
                    (int64_t[]){sum->who, sum->interpreter, sum->ns, sum->blocked_ns, sum->longest_ns});
    }
    return columns_finish(&columns);
}

/* Rows of one thread's time; with columns NULL they are only counted. */
static Py_ssize_t
add_totals(struct columns *columns, const struct conc_watched *watched)
{
    const int64_t busy[][2] = {{CONC_WATCH_RUNNABLE, watched->runnable_ns}, {CONC_WATCH_RUNNING, watched->running_ns}};
    Py_ssize_t rows = 0;
    for (int i = 0; i < 2; i++) {
        if (busy[i][1] == 0)
            continue;
        if (columns != NULL)
            columns_add(columns, (int64_t[]){watched->index, busy[i][0], CONC_WATCH_NONE, busy[i][1]});
        rows++;
    }
    for (int reason = 0; reason < CONC_WATCH_REASONS; reason++) {
        if (watched->waiting_ns[reason] == 0)
            continue;
        if (columns != NULL)
            columns_add(columns, (int64_t[]){watched->index, CONC_WATCH_NOT_RUNNING, reason,
                                             watched->waiting_ns[reason]});
        rows++;
    }
    return rows;
}

static PyObject *
totals_of(const struct conc_watch_record *record)
{
    static const char *const names[] = {"thread", "state", "reason", "ns", NULL};
    static const unsigned char widths[] = {4, 1, 1, 8};
    Py_ssize_t rows = 0;
    for (int32_t i = 0; i < record->threads.count; i++)
        rows += add_totals(NULL, record->threads.all[i]);
    struct columns columns;
    if (columns_init(&columns, names, widths, rows) < 0)
        return NULL;
    for (int32_t i = 0; i < record->threads.count; i++)
        (void)add_totals(&columns, record->threads.all[i]);
    return columns_finish(&columns);
}

/* ---- threads ---------------------------------------------------------------------------------------------------------- */

/* What was used during the watch; -1 where it is not known. */
static long long
used(int64_t before, int64_t now)
{
    if (before == CONC_WATCH_NOT_KNOWN || now == CONC_WATCH_NOT_KNOWN)
        return -1;
    return now - before;
}

static PyObject *
thread_of(const struct conc_watched *watched)
{
    PyObject *name = PyUnicode_DecodeUTF8(watched->name, (Py_ssize_t)strlen(watched->name), "replace");
    if (name == NULL)
        return NULL;
    const struct conc_watch_used *before = &watched->before, *now = &watched->now;
    return Py_BuildValue("{s:i,s:N,s:L,s:L,s:N,s:L,s:L,s:L,s:L}",
                         "tid", watched->tid,
                         "os_name", name,
                         "begin_ns", (long long)watched->begin_ns,
                         "end_ns", (long long)watched->end_ns,
                         "born_before", PyBool_FromLong(watched->born_before),
                         "cpu_ns", used(before->cpu_ns, now->cpu_ns),
                         "run_delay_ns", used(before->run_delay_ns, now->run_delay_ns),
                         "voluntary", used(before->voluntary, now->voluntary),
                         "involuntary", used(before->involuntary, now->involuntary));
}

static PyObject *
threads_of(const struct conc_watch_record *record)
{
    PyObject *list = PyList_New(record->threads.count);
    for (int32_t i = 0; list != NULL && i < record->threads.count; i++) {
        PyObject *thread = thread_of(record->threads.all[i]);
        if (thread == NULL)
            Py_CLEAR(list);
        else
            PyList_SET_ITEM(list, i, thread);
    }
    return list;
}

static PyObject *
rates_of(const struct conc_watch_record *record)
{
    PyObject *list = PyList_New(record->pace.rate_count);
    for (int i = 0; list != NULL && i < record->pace.rate_count; i++) {
        const struct conc_pace_rate *rate = &record->pace.rates[i];
        PyObject *pair = Py_BuildValue("(LL)", (long long)rate->from_ns, (long long)rate->interval_ns);
        if (pair == NULL)
            Py_CLEAR(list);
        else
            PyList_SET_ITEM(list, i, pair);
    }
    return list;
}

/* ---- all of it -------------------------------------------------------------------------------------------------------- */

/* Names of the system calls that threads were seen in. */
static PyObject *
syscalls_of(const struct conc_watch_record *record)
{
    PyObject *dict = PyDict_New();
    const struct conc_runs *runs = &record->segments;
    int32_t known = -1;
    for (int32_t i = 0; dict != NULL && i < runs->used; i++) {
        int32_t number = runs->items[i].value.detail[1];
        const char *name = number == known ? NULL : conc_syscall_name(number);
        if (name == NULL)
            continue;
        known = number;
        PyObject *key = PyLong_FromLong(number), *value = PyUnicode_FromString(name);
        if (key == NULL || value == NULL || PyDict_SetItem(dict, key, value) < 0)
            Py_CLEAR(dict);
        Py_XDECREF(key);
        Py_XDECREF(value);
    }
    return dict;
}

/* Positive errnos: what the system refused for good, and what failed for want of descriptors or memory. */
static PyObject *
failures_of(const struct conc_watch_record *record)
{
    const struct conc_watch_files *files = &record->files;
    return Py_BuildValue("{s:i,s:i,s:i,s:i,s:i,s:i,s:i,s:i,s:i}",
                         "threads", -record->list_err,
                         "clock", -files->clock_refused,
                         "gil", -record->gil_err,
                         "syscall", -files->refused[CONC_WATCH_SYSCALL],
                         "schedstat", -files->refused[CONC_WATCH_SCHEDSTAT],
                         "stat", -files->refused[CONC_WATCH_STAT],
                         "status", -files->refused[CONC_WATCH_STATUS],
                         "comm", -files->refused[CONC_WATCH_COMM],
                         "descriptors", -files->failed[CONC_WATCH_SYSCALL]);
}

static int
put(PyObject *dict, const char *key, PyObject *value)
{
    int err = value == NULL ? -1 : PyDict_SetItemString(dict, key, value);
    Py_XDECREF(value);
    return err;
}

static int
put_scalars(PyObject *dict, const struct conc_sampler *sampler)
{
    const struct conc_watch_record *record = conc_sampler_record(sampler);
    int64_t coarsest_ns = record->segments.resolution_ns;
    if (record->holds.runs.resolution_ns > coarsest_ns)
        coarsest_ns = record->holds.runs.resolution_ns;
    const struct {
        const char *key;
        int64_t value;
    } scalars[] = {
        {"begin_ns", record->begin_ns},
        {"end_ns", record->end_ns},
        {"begin_unix_ns", record->begin_unix_ns},
        {"interval_ns", record->interval_ns},
        {"ticks", record->pace.looks},
        {"late_ticks", record->pace.late},
        {"cost_cpu_ns", conc_sampler_cost_ns(sampler)},
        {"resolution_ns", coarsest_ns},
        {"threads_left_out", record->threads.left_out},
        {"waits_merged", record->waits.merged},
    };
    for (size_t i = 0; i < sizeof(scalars) / sizeof(*scalars); i++) {
        if (put(dict, scalars[i].key, PyLong_FromLongLong(scalars[i].value)) < 0)
            return -1;
    }
    return 0;
}

PyObject *
conc_watch_take(const struct conc_sampler *sampler)
{
    const struct conc_watch_record *record = conc_sampler_record(sampler);
    static const struct {
        const char *key;
        PyObject *(*make)(const struct conc_watch_record *record);
    } parts[] = {
        {"segments", segments_of}, {"holds", holds_of},       {"held", held_of},         {"waits", waits_of},
        {"totals", totals_of},     {"threads", threads_of},   {"rates", rates_of},
        {"syscalls", syscalls_of}, {"failures", failures_of},
    };
    PyObject *dict = PyDict_New();
    if (dict == NULL)
        return NULL;
    int err = put_scalars(dict, sampler);
    for (size_t i = 0; err == 0 && i < sizeof(parts) / sizeof(*parts); i++)
        err = put(dict, parts[i].key, parts[i].make(record));
    if (err < 0)
        Py_CLEAR(dict);
    return dict;
}
