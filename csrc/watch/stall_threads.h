/* SPDX-License-Identifier: Apache-2.0 */
/* watch/stall_threads.h - what every thread of this process does at this moment, and a line of text for each: from the
 * kernel, without the GIL and without an allocation. */
#ifndef CONC_WATCH_STALL_THREADS_H
#define CONC_WATCH_STALL_THREADS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "os/task_name.h"
#include "os/task_state.h"
#include "watch/gil.h"

/* The most that a report tells of, the oldest ones. */
#define CONC_STALL_THREADS 256

/* Enough for all lines of conc_stall_threads_text(). */
#define CONC_STALL_THREADS_TEXT ((CONC_STALL_THREADS + 2) * 160)

struct conc_stall_thread {
    int tid;
    char name[CONC_TASK_NAME_SIZE];     /* the kernel's; "" where it is not told */
    bool state_known;
    enum conc_task_state state;
    long syscall;                       /* that it waits in; -1: none; -2: not told */
    int64_t cpu_ns;                     /* since it began; -1: not told */
    bool holds_gil, waits_for_gil;
};

struct conc_stall_threads {
    int total;                          /* how many there are; a negative errno where that is not told */
    int count;                          /* of them in rows */
    bool gil_known;                     /* else nothing is said by holds_gil and waits_for_gil */
    struct conc_stall_thread rows[CONC_STALL_THREADS];
};

/* Whose GIL is meant by holds_gil and waits_for_gil. */
struct conc_stall_gil {
    struct conc_gil_reader *reader;     /* NULL: not known */
    int64_t interpreter;                /* whose GIL, or the main interpreter's when it has none of its own */
};

/* The sample of that GIL; false: it is not known, or off. */
bool conc_stall_gil_look(const struct conc_stall_gil *gil, struct conc_gil_sample *sample);

/* One thread after the other, so not of one instant. The calling thread is left out. */
void conc_stall_threads_read(struct conc_stall_threads *threads, const struct conc_stall_gil *gil);

/* A line for each. How many bytes; cut at `size`. */
size_t conc_stall_threads_text(const struct conc_stall_threads *threads, char *text, size_t size);

#endif
