/* SPDX-License-Identifier: Apache-2.0 */
/* loops.cpp - the peers, with two threads: parallel_for's body, by pointer, on oneTBB and libgomp; fib on oneTBB's task_group. */
#include <cstdint>

#include <omp.h>
#include <oneapi/tbb/blocked_range.h>
#include <oneapi/tbb/global_control.h>
#include <oneapi/tbb/parallel_for.h>
#include <oneapi/tbb/task_group.h>

typedef void (*body_fn)(int64_t begin, int64_t end, void *data);

namespace tbb = oneapi::tbb;

static tbb::global_control two_threads(tbb::global_control::max_allowed_parallelism, 2);

template <typename Partitioner>
static void on_tbb(body_fn body, int64_t begin, int64_t end, int64_t grain, void *data, const Partitioner &partitioner)
{
    tbb::parallel_for(
        tbb::blocked_range<int64_t>(begin, end, grain),
        [=](const tbb::blocked_range<int64_t> &range) { body(range.begin(), range.end(), data); }, partitioner);
}

extern "C" void tbb_simple(body_fn body, int64_t begin, int64_t end, int64_t grain, void *data)
{
    on_tbb(body, begin, end, grain, data, tbb::simple_partitioner());
}

extern "C" void tbb_auto(body_fn body, int64_t begin, int64_t end, int64_t grain, void *data)
{
    on_tbb(body, begin, end, grain, data, tbb::auto_partitioner());
}

extern "C" void omp_static(body_fn body, int64_t begin, int64_t end, int64_t, void *data)
{
#pragma omp parallel for schedule(static) num_threads(2)
    for (int64_t i = begin; i < end; i++)
        body(i, i + 1, data);
}

static uint64_t fib(unsigned n)
{
    if (n < 2)
        return n;
    uint64_t one, other;
    tbb::task_group group;
    group.run([&] { one = fib(n - 1); });
    other = fib(n - 2);
    group.wait();
    return one + other;
}

extern "C" uint64_t tbb_fib(unsigned n)
{
    return fib(n);
}
