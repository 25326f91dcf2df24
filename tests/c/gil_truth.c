/* SPDX-License-Identifier: Apache-2.0 */
/* gil_truth.c - a program that knows who has the GIL, and asks the reader. Python calls truth_hold() and keeps the GIL
 * meanwhile; another thread, without the GIL, calls truth_sample(). A sample counts when the same hold went on before and
 * after it: who has it is known then beyond doubt. tests/gil_truth.py compiles this with the files of the core that it takes. */
#include <stdatomic.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "os/clock.h"
#include "watch/gil.h"

struct truth_tally {
    int64_t right, wrong, unknown, free, uncounted;
};

void truth_hold(int64_t ns);
int64_t truth_work(int64_t steps);
int truth_sample(const struct conc_gil_layout *layout, int count, int64_t interval_ns, struct truth_tally *tally);
int64_t truth_cost(const struct conc_gil_layout *layout, int count);

static _Atomic uint64_t hold;           /* 0, or who has the GIL now: native id << 32 | how many holds there were */
static atomic_uint serial;

void
truth_hold(int64_t ns)
{
    atomic_store(&hold, (uint64_t)syscall(SYS_gettid) << 32 | atomic_fetch_add(&serial, 1));
    int64_t end = conc_deadline_after(ns);
    while (conc_now_ns() < end)
        continue;
    atomic_store(&hold, 0);
}

/* So much work, with the GIL kept. How many nanoseconds that took. */
int64_t
truth_work(int64_t steps)
{
    int64_t begin = conc_now_ns();
    for (volatile int64_t left = steps; left > 0; left = left - 1)
        continue;
    return conc_now_ns() - begin;
}

static void
count_sample(struct truth_tally *tally, uint64_t before, uint64_t after, const struct conc_gil_sample *sample)
{
    if (before == 0 || before != after)
        tally->uncounted++;
    else if (!sample->locked)
        tally->free++;
    else if (sample->holder_tid == -1)
        tally->unknown++;
    else if (sample->holder_tid == (int)(before >> 32))
        tally->right++;
    else
        tally->wrong++;
}

int
truth_sample(const struct conc_gil_layout *layout, int count, int64_t interval_ns, struct truth_tally *tally)
{
    struct conc_gil_reader *reader;
    int err = conc_gil_reader_open(&reader, 0, layout);
    for (int i = 0; err >= 0 && i < count; i++) {
        for (int64_t next = conc_deadline_after(interval_ns); conc_now_ns() < next;)
            continue;
        struct conc_gil_sample sample;
        uint64_t before = atomic_load(&hold);
        err = conc_gil_reader_glance(reader, &sample, 1);
        uint64_t after = atomic_load(&hold);
        if (err == 1)
            count_sample(tally, before, after, &sample);
    }
    if (err >= 0)
        conc_gil_reader_close(reader);
    return err < 0 ? err : 0;
}

/* Nanoseconds of `count` reads, one after the other; or an error. */
int64_t
truth_cost(const struct conc_gil_layout *layout, int count)
{
    struct conc_gil_reader *reader;
    int64_t err = conc_gil_reader_open(&reader, 0, layout);
    if (err < 0)
        return err;
    int64_t begin = conc_now_ns();
    for (int i = 0; err >= 0 && i < count; i++) {
        struct conc_gil_sample sample;
        err = conc_gil_reader_read(reader, &sample, 1);
    }
    int64_t taken = conc_now_ns() - begin;
    conc_gil_reader_close(reader);
    return err < 0 ? err : taken;
}
