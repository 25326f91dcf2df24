/* SPDX-License-Identifier: Apache-2.0 */
/* test_clock.c - os/clock.h: monotonic, CPU time of the caller alone, deadlines that saturate. */
#include "os/clock.h"

#include "crew.h"

static void
never_back(void)
{
    int64_t before = conc_now_ns();
    for (int i = 0; i < TURNS(100000); i++) {
        int64_t now = conc_now_ns();
        CHECK(now >= before);
        before = now;
    }
}

static void
deadlines(void)
{
    int64_t before = conc_now_ns();
    int64_t soon = conc_deadline_after(CONC_NS_PER_S);
    int64_t after = conc_now_ns();
    CHECK(soon >= before + CONC_NS_PER_S && soon <= after + CONC_NS_PER_S);
    CHECK(conc_deadline_after(CONC_FOREVER) == CONC_FOREVER);
    CHECK(conc_deadline_after(CONC_FOREVER - 1) == CONC_FOREVER);
    CHECK(conc_deadline_after(INT64_MIN) >= before && conc_deadline_after(INT64_MIN) <= conc_now_ns());
    CHECK(conc_deadline_after(0) >= before);
}

static void
spin_for_cpu(void *arg, unsigned index)
{
    (void)arg, (void)index;
    int64_t start = conc_thread_cpu_ns();
    while (conc_thread_cpu_ns() < start + 20000000)
        continue;
}

/* Another thread's 20 ms of CPU are not ours: we only waited for it. */
static void
cpu_time_is_the_callers(void)
{
    int64_t before = conc_thread_cpu_ns();
    CHECK(before > 0);
    crew_run(1, spin_for_cpu, NULL);
    int64_t waited = conc_thread_cpu_ns() - before;
    CHECK(waited < 20000000);
    spin_for_cpu(NULL, 0);
    CHECK(conc_thread_cpu_ns() - before >= 20000000);
}

int
main(void)
{
    never_back();
    deadlines();
    cpu_time_is_the_callers();
    return 0;
}
