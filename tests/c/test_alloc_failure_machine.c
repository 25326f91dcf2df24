/* SPDX-License-Identifier: Apache-2.0 */
/* test_alloc_failure_machine.c - bitsets, the topology, placed memory, measurements and kernels where an allocation fails
 * or the system refuses. */
#include "attempts.h"
#include "base/alloc.h"
#include "base/bitset.h"
#include "fake_runtime.h"
#include "kernels/batch.h"
#include "kernels/prime_factors.h"
#include "kernels/stream.h"
#include "os/affinity.h"
#include "os/clock.h"
#include "os/memory_limit.h"
#include "os/spawn.h"
#include "os/task_usage.h"
#include "probe/arena.h"
#include "probe/bandwidth.h"
#include "probe/latency.h"
#include "topology/cpulist.h"
#include "topology/sysfs.h"

/* ---- base and topology --------------------------------------------------------------------------------------------- */

static int
try_bitset(void)
{
    struct conc_bitset set = {0};
    int err = conc_bitset_add(&set, 3);
    if (err == 0)
        err = conc_bitset_add_range(&set, 100, 5000);
    size_t count = conc_bitset_count(&set);
    CHECK(err == 0 ? count == 4902 : count <= 1);       /* as it was */
    conc_bitset_clear(&set);
    return err;
}

static int
try_cpulist(void)
{
    struct conc_bitset set = {0};
    static const char text[] = "0-3,200,4000-4100\n";
    int err = conc_cpulist_parse(text, sizeof(text) - 1, &set);
    conc_bitset_clear(&set);
    return err;
}

static int
read_topology(const char *root)
{
    struct conc_topology topology;
    char problem[CONC_SYSFS_PATH];
    int err = conc_sysfs_read(root, &topology, problem);
    if (err != 0)
        CHECK(topology.node_count == 0 && topology.nodes == NULL && topology.cpus == NULL && topology.caches == NULL);
    conc_topology_clear(&topology);
    return err;
}

static int
try_topology_of_this_machine(void)
{
    return read_topology("/");
}

static int
try_recorded_topology(void)
{
    return read_topology("tests/data/sysfs/two-node");
}

/* ---- watch --------------------------------------------------------------------------------------------------------- */

static int
open_gil_reader(uint64_t runtime, int expected)
{
    static struct fake_runtime fake;
    struct conc_gil_layout layout = fake_layout(&fake);
    if (runtime != 0)
        layout.runtime = runtime;
    struct conc_gil_reader *reader = NULL;
    int err = conc_gil_reader_open(&reader, 0, &layout);
    CHECK((err == 0) == (reader != NULL));
    conc_gil_reader_close(reader);
    return err == expected ? 0 : err;
}

static int
try_gil_reader(void)
{
    return open_gil_reader(0, 0);
}

static int
try_gil_reader_of_nothing(void)
{
    return open_gil_reader(8, -EFAULT);
}

/* ---- os ------------------------------------------------------------------------------------------------------------ */

static int
try_affinity(void)
{
    struct conc_bitset cpus = {0};
    int err = conc_affinity_get(&cpus);
    if (err == 0)
        err = conc_affinity_set(&cpus);
    conc_bitset_clear(&cpus);
    return err;
}

static int
try_affinity_of_a_task(void)
{
    struct conc_bitset cpus = {0};
    int err = conc_affinity_get_task(conc_thread_self_id(), &cpus);
    if (err == 0)
        err = conc_affinity_set_task(conc_thread_self_id(), &cpus);
    conc_bitset_clear(&cpus);
    return err;
}

/* Of three files the one that cannot be opened takes its own figures away and no others. */
static int
try_usage_of_a_task(void)
{
    static bool counted;                /* whether this kernel counts the delay: told by the first, undisturbed try */
    long injected = faults_injected();
    struct conc_task_usage usage;
    int err = conc_task_usage_read(conc_thread_self_id(), &usage);
    injected = faults_injected() - injected;
    counted |= usage.run_delay_ns >= 0;
    CHECK((usage.user_ns < 0) == (usage.system_ns < 0) && (usage.user_ns < 0) == (usage.minor_faults < 0));
    CHECK((usage.user_ns < 0) == (usage.major_faults < 0) && (usage.voluntary < 0) == (usage.involuntary < 0));
    int unknown = (usage.user_ns < 0) + (usage.voluntary < 0) + (usage.run_delay_ns < 0);
    CHECK(unknown == injected || (!counted && unknown == injected + 1));
    return err;
}

static int
try_run_delay(void)
{
    int64_t ns;
    int err = conc_task_run_delay(conc_thread_self_id(), &ns);
    return err == -ENODATA ? 0 : err;
}

static int
try_memory_limit(void)
{
    uint64_t bytes;
    return conc_memory_available(&bytes);
}

static int
try_environment(void)
{
    char **copy = conc_spawn_environment();
    conc_free(copy);
    return copy == NULL ? -ENOMEM : 0;
}

/* ---- kernels ------------------------------------------------------------------------------------------------------- */

static int
try_prime_factors(void)
{
    struct conc_factoring f = {.n = UINT64_C(1) << 40};
    struct conc_stop stop;
    conc_stop_init(&stop, NULL);
    int err = conc_kernel_prime_factors.run(&f, &stop);
    CHECK_EQ(f.count, err == 0 ? 40 : CONC_FACTORS_INLINE);
    conc_kernel_prime_factors.drop(&f);
    return err;
}

static int
make_batch(size_t count)
{
    struct conc_kernel_batch *batch = conc_kernel_batch_new(&conc_kernel_prime_factors, count);
    if (batch == NULL)
        return -ENOMEM;
    for (size_t i = 0; i < count; i++)
        CHECK_EQ(batch->errs[i], -ECANCELED);
    conc_kernel_batch_free(batch);
    return 0;
}

static int
try_small_batch(void)
{
    return make_batch(100);
}

/* Its states are mapped; where that is refused they are allocated. */
static int
try_large_batch(void)
{
    return make_batch(((size_t)5 << 20) / sizeof(struct conc_factoring));
}

/* ---- probe --------------------------------------------------------------------------------------------------------- */

#define ARENA_BYTES ((size_t)4 << 20)

static int
try_statistics(void)
{
    struct conc_samples samples = {0};
    int err = 0;
    for (size_t i = 0; i < 100 && err == 0; i++) {
        err = conc_samples_add(&samples, (struct conc_sample){.value = (double)i});
        CHECK_EQ(samples.count, i + (err == 0));
    }
    double values[3] = {3, 1, 2};
    struct conc_statistics statistics;
    if (err == 0)
        err = conc_statistics_of(values, 3, &statistics);
    conc_samples_clear(&samples);
    return err;
}

static int
use_arena(int (*use)(struct conc_arena *arena, struct conc_stop *stop))
{
    struct conc_arena arena;
    struct conc_stop stop;
    conc_stop_init(&stop, NULL);
    int err = conc_arena_open(&arena, ARENA_BYTES, CONC_NODE_ANY, true);
    if (err == 0)
        err = use(&arena, &stop);
    conc_arena_close(&arena);
    return err;
}

static int
place(struct conc_arena *arena, struct conc_stop *stop)
{
    struct conc_placement placement;
    size_t huge_bytes;
    int err = conc_arena_touch(arena, 0, arena->size, stop, CONC_FOREVER);
    if (err == 0)
        err = conc_arena_placement(arena, 0, arena->size, &placement);
    return err != 0 ? err : conc_memory_huge_bytes(arena->base, arena->size, &huge_bytes);
}

static int
chase(struct conc_arena *arena, struct conc_stop *stop)
{
    struct conc_cycle cycle = {.base = arena->base, .lines = 1024};
    CHECK_EQ(conc_cycle_build(&cycle, 1, stop, CONC_FOREVER), 0);
    const struct conc_latency_plan plan = {.warm_laps = 1, .wanted = 1, .most = 1, .deadline_ns = CONC_FOREVER};
    struct conc_samples samples = {0};
    int err = conc_latency_run(&cycle, &plan, stop, &samples);
    conc_samples_clear(&samples);
    return err;
}

/* The calling thread is one of those that it pins: what it may use is put right again. */
static int
stream(struct conc_arena *arena, struct conc_stop *stop)
{
    static struct conc_bitset allowed;
    if (allowed.words == NULL)
        CHECK_EQ(conc_affinity_get(&allowed), 0);
    size_t first = conc_bitset_next(&allowed, 0), second = conc_bitset_next(&allowed, first + 1);
    const size_t cpus[] = {first, second == CONC_BITSET_END ? first : second};
    const struct conc_bandwidth_plan plan = {
        .kernel = conc_stream_find("read"), .arena = arena, .cpus = cpus, .threads = 2,
        .wanted = 1, .most = 1, .deadline_ns = CONC_FOREVER,
    };
    struct conc_samples samples = {0};
    int err = conc_bandwidth_run(&plan, stop, &samples);
    CHECK(err != 0 || samples.count == 1);
    conc_samples_clear(&samples);
    CHECK_EQ(conc_affinity_set(&allowed), 0);
    return err;
}

static int
try_placement(void)
{
    return use_arena(place);
}

static int
try_latency(void)
{
    return use_arena(chase);
}

static int
try_bandwidth(void)
{
    return use_arena(stream);
}

int
main(void)
{
    static const struct attempt attempts[] = {
        {"bitset", try_bitset, 0, false},
        {"cpulist", try_cpulist, 0, false},
        {"topology of this machine", try_topology_of_this_machine, 0, false},
        {"recorded topology", try_recorded_topology, 0, false},
        {"affinity", try_affinity, 0, false},
        {"affinity of a task", try_affinity_of_a_task, 0, false},
        {"usage of a task", try_usage_of_a_task, 0, false},
        {"run delay", try_run_delay, 0, false},
        {"memory limit", try_memory_limit, -ENODATA, false},
        {"environment", try_environment, 0, false},
        {"prime_factors", try_prime_factors, 0, false},
        {"small batch", try_small_batch, 0, false},
        {"large batch", try_large_batch, 0, false},
        {"GIL reader", try_gil_reader, 0, false},
        {"GIL reader of nothing", try_gil_reader_of_nothing, 0, false},
        {"statistics", try_statistics, 0, false},
        {"placement", try_placement, 0, false},
        {"latency", try_latency, 0, false},
        {"bandwidth", try_bandwidth, 0, false},
    };
    try_all(attempts, sizeof(attempts) / sizeof(attempts[0]));
    return 0;
}
