/* SPDX-License-Identifier: Apache-2.0 */
/* test_probe.c - statistics, placed memory, the pointer cycle, and both measurements on a small scale. Figures are
 * not judged here: the machine is shared. */
#include <errno.h>
#include <math.h>
#include <pthread.h>
#include <string.h>

#include "base/random.h"
#include "check.h"
#include "kernels/chase.h"
#include "os/affinity.h"
#include "os/clock.h"
#include "os/memory_limit.h"
#include "probe/arena.h"
#include "probe/bandwidth.h"
#include "probe/latency.h"

static void
test_statistics(void)
{
    struct conc_statistics s;
    double none[1], one[] = {5}, five[] = {5, 1, 4, 2, 3};
    HAVE_EQ(conc_statistics_of(none, 0, &s), -EINVAL);
    HAVE_EQ(conc_statistics_of(one, 1, &s), 0);
    CHECK(s.min == 5 && s.median == 5 && s.p95 == 5 && s.mad == 0 && s.low == 5 && s.high == 5);
    HAVE_EQ(conc_statistics_of(five, 5, &s), 0);
    CHECK(s.min == 1 && s.p25 == 2 && s.median == 3 && s.p75 == 4 && s.max == 5 && s.mad == 1);
    CHECK(fabs(s.p5 - 1.2) < 1e-12 && fabs(s.p95 - 4.8) < 1e-12);
    CHECK(s.low == 1 && s.high == 5);                   /* too few for 95 % */

    double hundred[100];
    for (int i = 0; i < 100; i++)
        hundred[i] = 100 - i;
    HAVE_EQ(conc_statistics_of(hundred, 100, &s), 0);
    CHECK(s.median == 50.5 && s.low == 40 && s.high == 61);     /* ranks 40 and 61: 96.5 % by the binomial */
}

static void
test_samples(void)
{
    struct conc_samples samples = {0};
    for (int i = 0; i < 100; i++) {
        struct conc_sample sample = {.value = i};
        HAVE_EQ(conc_samples_add(&samples, sample), 0);
    }
    CHECK_EQ(samples.count, 100);
    CHECK(samples.items[99].value == 99);
    conc_samples_clear(&samples);
    CHECK(samples.items == NULL && samples.count == 0);

    struct conc_noise before = {3, CONC_NOISE_UNKNOWN}, after = {4, 7};
    struct conc_noise between = conc_noise_between(&before, &after);
    CHECK_EQ(between.involuntary, 1);
    CHECK_EQ(between.steal_ticks, CONC_NOISE_UNKNOWN);
    CHECK(!conc_noise_quiet(&between));
    between.involuntary = 0;
    CHECK(conc_noise_quiet(&between));                  /* unknown counts as quiet */
}

static void
test_arena(void)
{
    struct conc_stop stop;
    conc_stop_init(&stop, NULL);
    struct conc_arena arena;
    CHECK_EQ(conc_arena_open(&arena, 0, CONC_NODE_ANY, false), -EINVAL);
    CHECK_EQ(conc_arena_open(&arena, (size_t)1 << 20, CONC_NODE_ANY, false), 0);
    CHECK_EQ(arena.size, 1 << 20);

    struct conc_placement placement;
    HAVE_EQ(conc_arena_placement(&arena, 0, arena.size, &placement), 0);
    if (placement.verified_by != CONC_VERIFIED_BY_NOTHING)
        CHECK_EQ(placement.absent, placement.pages);    /* nothing is touched yet */
    memset(arena.base, 7, 100);
    CHECK_EQ(conc_arena_touch(&arena, 0, arena.size, &stop, CONC_FOREVER), 0);
    CHECK(arena.base[99] == 7 && arena.base[100] == 0); /* touching keeps what is there */
    HAVE_EQ(conc_arena_placement(&arena, 0, arena.size, &placement), 0);
    if (placement.verified_by != CONC_VERIFIED_BY_NOTHING)
        CHECK_EQ(placement.absent, 0);
    size_t huge;
    CHECK_EQ(conc_memory_huge_bytes(arena.base, arena.size, &huge), 0);
    CHECK_EQ(huge, 0);                                  /* none were asked for */
    conc_stop_request(&stop);
    CHECK_EQ(conc_arena_touch(&arena, 0, arena.size, &stop, CONC_FOREVER), -ECANCELED);
    conc_arena_close(&arena);
    conc_arena_close(&arena);

    int err = conc_arena_open(&arena, 4096, CONC_NODE_LIMIT - 1, false);
    CHECK(err == -EINVAL || (err == 0 && arena.bind_err != 0));     /* no such node, or binding is forbidden here */
    if (err == 0)
        conc_arena_close(&arena);

    conc_stop_init(&stop, NULL);
    CHECK_EQ(conc_arena_open(&arena, (size_t)8 << 20, CONC_NODE_ANY, true), 0);
    CHECK_EQ(conc_arena_touch(&arena, 0, arena.size, &stop, conc_now_ns()), -ETIMEDOUT);
    conc_arena_close(&arena);
}

/* Every line is visited exactly once before the chase comes back: a Fisher-Yates order would fail here. */
static void
test_cycle_is_one(void)
{
    struct conc_stop stop;
    conc_stop_init(&stop, NULL);
    struct conc_arena arena;
    CHECK_EQ(conc_arena_open(&arena, (size_t)1 << 20, CONC_NODE_ANY, false), 0);
    const size_t sizes[] = {2, 3, 64, 1000, 16384};
    for (size_t slot = 0; slot < sizeof(sizes) / sizeof(*sizes); slot++) {
        struct conc_cycle cycle = {.base = arena.base, .lines = sizes[slot], .slot = slot};
        CHECK_EQ(conc_cycle_build(&cycle, 42 + slot, &stop, CONC_FOREVER), 0);
    }
    for (size_t slot = 0; slot < sizeof(sizes) / sizeof(*sizes); slot++) {
        /* Built first, walked after all: the cycles of other slots have not touched it. */
        char *seen = calloc(sizes[slot], 1);
        CHECK(seen != NULL);
        void **first = (void **)(void *)arena.base + slot, **at = first;
        size_t steps = 0;
        do {
            size_t offset = (size_t)((char *)at - arena.base);
            CHECK_EQ(offset % CONC_CACHE_LINE, slot * sizeof(void *));
            size_t line = offset / CONC_CACHE_LINE;
            CHECK(line < sizes[slot] && !seen[line]);
            seen[line] = 1;
            at = *at;
            steps++;
        } while (at != first);
        CHECK_EQ(steps, sizes[slot]);
        free(seen);
    }
    /* The kernel follows it: as many rounds as make whole laps come back to the start. */
    void *start = (void **)(void *)arena.base + 2;
    CHECK(conc_chase(start, 1) == start);
    CHECK(conc_chase(start, 0) == start);

    struct conc_cycle cycle = {.base = arena.base, .lines = 1};
    CHECK_EQ(conc_cycle_build(&cycle, 1, &stop, CONC_FOREVER), -EINVAL);
    cycle = (struct conc_cycle){.base = arena.base, .lines = 8, .slot = CONC_CYCLE_SLOTS};
    CHECK_EQ(conc_cycle_build(&cycle, 1, &stop, CONC_FOREVER), -EINVAL);
    conc_arena_close(&arena);
}

static void
test_latency(void)
{
    struct conc_stop stop;
    conc_stop_init(&stop, NULL);
    struct conc_arena arena;
    CHECK_EQ(conc_arena_open(&arena, (size_t)4 << 20, CONC_NODE_ANY, true), 0);
    struct conc_cycle cycle = {.base = arena.base, .lines = 512};
    CHECK_EQ(conc_cycle_build(&cycle, 1, &stop, CONC_FOREVER), 0);
    struct conc_latency_plan plan = {.warm_laps = 1, .wanted = 3, .most = 5, .deadline_ns = CONC_FOREVER};
    struct conc_samples samples = {0};
    HAVE_EQ(conc_latency_run(&cycle, &plan, &stop, &samples), 0);
    CHECK(samples.count >= 3 && samples.count <= 5);
    for (size_t i = 0; i < samples.count; i++)
        CHECK(samples.items[i].value > 0);
    conc_samples_clear(&samples);

    plan.deadline_ns = conc_now_ns();
    HAVE_EQ(conc_latency_run(&cycle, &plan, &stop, &samples), 0);      /* too late for any sample */
    CHECK_EQ(samples.count, 0);
    plan.deadline_ns = CONC_FOREVER;
    conc_stop_request(&stop);
    HAVE_EQ(conc_latency_run(&cycle, &plan, &stop, &samples), -ECANCELED);
    conc_samples_clear(&samples);
    conc_arena_close(&arena);
}

/* Kernels of one name give one result. */
static void
test_stream_kernels(void)
{
    enum { COUNT = 16 * CONC_STREAM_STEP };
    static _Alignas(CONC_STREAM_ALIGN) double a[COUNT], b[COUNT], c[COUNT];
    CHECK(conc_stream_find("none") == NULL);
    CHECK(conc_stream_find("read") != NULL && conc_stream_find("triad") != NULL);
    uint64_t sum = 0;
    for (int i = 0; i < COUNT; i++) {
        uint64_t word;
        c[i] = i;
        memcpy(&word, &c[i], sizeof(word));
        sum += word;
    }
    for (const struct conc_stream_kernel *k = conc_stream_kernels; k->name != NULL; k++) {
        if (!k->supported())
            continue;
        for (int i = 0; i < COUNT; i++) {
            a[i] = k->arrays == 1 ? i : -1;
            b[i] = 2 * i;
        }
        uint64_t got = k->run(a, b, c, COUNT);
        CHECK(got == (k->arrays == 1 ? sum : 0));
        for (int i = 0; i < COUNT; i++)
            CHECK(a[i] == (k->arrays == 1 ? i : 5.0 * i));
    }
}

static void
test_bandwidth(void)
{
    struct conc_bitset allowed = {0};
    HAVE_EQ(conc_affinity_get(&allowed), 0);
    size_t cpus[2] = {conc_bitset_next(&allowed, 0), conc_bitset_next(&allowed, 0)};
    if (conc_bitset_count(&allowed) > 1)
        cpus[1] = conc_bitset_next(&allowed, cpus[0] + 1);
    struct conc_stop stop;
    conc_stop_init(&stop, NULL);
    struct conc_arena arena;
    CHECK_EQ(conc_arena_open(&arena, (size_t)2 << 20, CONC_NODE_ANY, false), 0);
    for (size_t threads = 1; threads <= 2; threads++) {
        for (const struct conc_stream_kernel *k = conc_stream_kernels; k->name != NULL; k++) {
            if (!k->supported())
                continue;
            struct conc_samples samples = {0};
            struct conc_bandwidth_plan plan = {.kernel = k, .arena = &arena, .cpus = cpus, .threads = threads,
                                               .wanted = 2, .most = 3, .deadline_ns = CONC_FOREVER};
            HAVE_EQ(conc_bandwidth_run(&plan, &stop, &samples), 0);
            CHECK(samples.count >= 2 && samples.count <= 3);
            for (size_t i = 0; i < samples.count; i++)
                CHECK(samples.items[i].value > 0);
            conc_samples_clear(&samples);
        }
    }
    struct conc_samples samples = {0};
    size_t absent[2] = {cpus[0], CONC_NODE_LIMIT * 100};
    struct conc_bandwidth_plan plan = {.kernel = conc_stream_find("read"), .arena = &arena, .cpus = absent,
                                       .threads = 2, .wanted = 1, .most = 1, .deadline_ns = CONC_FOREVER};
    HAVE_EQ(conc_bandwidth_run(&plan, &stop, &samples), -EINVAL);      /* the other thread is not left waiting */
    plan.cpus = cpus;
    conc_stop_request(&stop);
    HAVE_EQ(conc_bandwidth_run(&plan, &stop, &samples), -ECANCELED);
    conc_stop_init(&stop, NULL);
    plan.threads = 1000;
    HAVE_EQ(conc_bandwidth_run(&plan, &stop, &samples), -EINVAL);      /* slices too small */
    conc_samples_clear(&samples);
    conc_arena_close(&arena);
    conc_bitset_clear(&allowed);
}

/* Runs in a thread of its own, since it pins. */
static void *
pin_and_look(void *arg)
{
    struct conc_bitset before = {0}, now = {0};
    (void)arg;
    HAVE_EQ(conc_affinity_get(&before), 0);
    size_t cpu = conc_bitset_next(&before, 0);
    HAVE_EQ(conc_affinity_pin(cpu), 0);
    HAVE_EQ(conc_affinity_get(&now), 0);
    CHECK(conc_bitset_count(&now) == 1 && conc_bitset_has(&now, cpu));
    HAVE_EQ(conc_affinity_pin(100000), -EINVAL);
    CHECK_EQ(conc_affinity_set(&before), 0);
    conc_bitset_clear(&now);
    HAVE_EQ(conc_affinity_get(&now), 0);
    CHECK(conc_bitset_equal(&before, &now));
    conc_bitset_clear(&before);
    conc_bitset_clear(&now);
    return NULL;
}

static void
test_affinity(void)
{
    pthread_t thread;
    CHECK_EQ(pthread_create(&thread, NULL, pin_and_look, NULL), 0);
    pthread_join(thread, NULL);
    uint64_t bytes;
    CHECK_EQ(conc_memory_available(&bytes), 0);
    CHECK(bytes > 0);
}

int
main(void)
{
    test_statistics();
    test_samples();
    test_arena();
    test_cycle_is_one();
    test_latency();
    test_stream_kernels();
    test_bandwidth();
    test_affinity();
    return 0;
}
