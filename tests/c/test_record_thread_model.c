/* SPDX-License-Identifier: Apache-2.0 */
/* test_record_thread_model.c - watch/record_thread.h against a thread that is made up, and so known to the nanosecond: it runs,
 * queues for a CPU, sleeps, waits for locks and for a GIL, and the system tells of it what Linux does.
 *
 * The code under test is compiled once more, with the clock and the looks of the model in place of the system's.
 */
#define conc_now_ns model_now_ns
#define conc_watch_look model_look
#define conc_watch_look_clock model_look_clock
#define conc_watch_look_delay model_look_delay
#define conc_watch_look_times model_look_times
#define conc_record_thread_begin tested_begin
#define conc_record_thread_look tested_look
#define conc_record_thread_settle tested_settle
#define conc_record_thread_waits_on tested_waits_on
#include "watch/record_thread.c"

#include <stdlib.h>

#include "base/random.h"
#include "check.h"
#include "watched_time.h"

#define INTERVAL_NS INT64_C(1000000)
#define INTERPRETER 4
#define LOOKS 20000
#define SEEDS 20

enum phase { RUNS, QUEUES, SLEEPS, LOCKED, WAITS_FOR_GIL };

/* The thread is the first of the watch, and another one that the GIL goes to and fro with the second. */
enum { SELF, OTHER };

static struct model {
    struct conc_random random;
    int64_t now_ns, end_ns;     /* of the phase */
    enum phase phase;
    bool wants_gil;             /* it queues, or runs for a moment, on its way to the GIL */
    int32_t holder, last_holder;
    uint64_t switches;
    int64_t cpu_ns, told_ns;    /* what the system says: CPU time, and run delay, of which it tells when a queue is over */
    int64_t queue_begin_ns;
    int64_t spent_ns[WAITS_FOR_GIL + 1];    /* the truth: on its way to the GIL it waits for that */
    bool clocks;                /* the system has clocks of threads */
} model;

/* ---- what it does ----------------------------------------------------------------------------------------------------------- */

static bool
one_in(uint64_t chances)
{
    return conc_random_below(&model.random, chances) == 0;
}

/* From 4 us to 8 ms, as many of each order. */
static int64_t
some_time(void)
{
    int64_t ns = INT64_C(4000) << conc_random_below(&model.random, 11);
    return ns + (int64_t)conc_random_below(&model.random, (uint64_t)ns);
}

static void
enter(enum phase phase, int64_t ns)
{
    if (phase == QUEUES)
        model.queue_begin_ns = model.end_ns;
    model.phase = phase;
    model.end_ns += ns;
}

static void
give_gil_to(int32_t holder)
{
    if (holder >= 0 && holder != model.last_holder) {
        model.switches++;
        model.last_holder = holder;
    }
    model.holder = holder;
}

static void
wait_for_gil(void)
{
    model.wants_gil = true;
    enter(WAITS_FOR_GIL, some_time());
}

static void
leave_run(void)
{
    if (model.wants_gil) {
        wait_for_gil();
    }
    else if (one_in(4)) {
        enter(QUEUES, some_time());         /* it keeps the GIL */
    }
    else if (model.holder == SELF && one_in(2)) {
        give_gil_to(OTHER);
        if (one_in(4)) {
            model.wants_gil = true;
            enter(QUEUES, some_time());
        }
        else {
            wait_for_gil();
        }
    }
    else {
        if (model.holder == SELF)
            give_gil_to(one_in(2) ? CONC_HOLD_FREE : OTHER);
        enter(one_in(2) ? SLEEPS : LOCKED, some_time());
    }
}

/* It takes the GIL when that is free, and asks for it when not, if it wants to. */
static void
run(void)
{
    if (model.wants_gil && model.holder == OTHER) {
        enter(RUNS, 10000);
        return;
    }
    if (model.holder != OTHER)
        give_gil_to(SELF);
    model.wants_gil = model.holder == OTHER && one_in(2);
    enter(RUNS, model.wants_gil ? 10000 : some_time());
}

static void
leave_gil(void)
{
    if (one_in(3)) {
        enter(RUNS, 10000);                 /* asks once more, and in vain */
        return;
    }
    give_gil_to(CONC_HOLD_FREE);
    if (one_in(2))
        enter(QUEUES, some_time());         /* who is to take it has no CPU yet */
    else
        run();
}

static void
next_phase(void)
{
    switch (model.phase) {
    case RUNS:
        leave_run();
        break;
    case QUEUES:
        model.told_ns += model.end_ns - model.queue_begin_ns;
        run();
        break;
    case WAITS_FOR_GIL:
        leave_gil();
        break;
    default:
        if (one_in(2))
            enter(QUEUES, some_time());
        else
            run();
        break;
    }
}

static void
pass(int64_t until_ns)
{
    while (model.now_ns < until_ns) {
        int64_t to_ns = model.end_ns < until_ns ? model.end_ns : until_ns, ns = to_ns - model.now_ns;
        bool in_vain = model.phase == QUEUES && model.wants_gil && model.holder == OTHER;
        enum phase as = in_vain ? WAITS_FOR_GIL : model.phase;
        model.spent_ns[as] += ns;
        model.cpu_ns += model.phase == RUNS ? ns : 0;
        model.now_ns = to_ns;
        if (to_ns == model.end_ns)
            next_phase();
    }
}

/* ---- what the system tells of it ------------------------------------------------------------------------------------------ */

int64_t
model_now_ns(void)
{
    return model.now_ns;
}

int
model_look_clock(struct conc_watch_files *files, const struct conc_watched *watched, int64_t *cpu_ns)
{
    (void)files, (void)watched;
    *cpu_ns = model.cpu_ns;
    return model.clocks ? 0 : -ENOTSUP;
}

int
model_look_times(struct conc_watch_files *files, struct conc_watched *watched, int64_t *cpu_ns, int64_t *delay_ns)
{
    (void)files;
    *cpu_ns = model.cpu_ns;
    *delay_ns = watched->now.run_delay_ns = model.told_ns;
    return 0;
}

bool
model_look_delay(struct conc_watch_files *files, struct conc_watched *watched, int64_t *delay_ns)
{
    int64_t cpu_ns;
    return model_look_times(files, watched, &cpu_ns, delay_ns) == 0;
}

int
model_look(struct conc_watch_files *files, const struct conc_watch_gils *gils, struct conc_watched *watched,
           struct conc_doing *doing)
{
    static const enum conc_watch_reason reasons[] = {
        [SLEEPS] = CONC_WATCH_SLEEP, [LOCKED] = CONC_WATCH_LOCK, [WAITS_FOR_GIL] = CONC_WATCH_GIL};
    (void)files, (void)gils, (void)watched;
    if (model.phase == RUNS || model.phase == QUEUES)
        *doing = conc_doing_plainly(model.phase == RUNS ? CONC_WATCH_RUNNING : CONC_WATCH_RUNNABLE, CONC_WATCH_NONE);
    else
        *doing = conc_doing_plainly(CONC_WATCH_NOT_RUNNING, reasons[model.phase]);
    doing->interpreter = model.phase == WAITS_FOR_GIL ? INTERPRETER : 0;
    return 0;
}

/* ---- what is recorded of it ------------------------------------------------------------------------------------------------ */

static void
look(struct conc_watch_record *record, struct conc_watched *watched)
{
    conc_holds_begin_look(&record->holds);
    struct conc_hold *hold;
    HAVE(hold = conc_holds_see(&record->holds, INTERPRETER, model.holder, model.switches, record->last_ns));
    if (record->looks % 16 == 0 || !waits_for_gil(&watched->doing) || !tested_waits_on(record, watched))
        CHECK(tested_look(record, watched, record->looks % 4 == 0));
    conc_holds_add(&record->holds, hold, false, record->last_ns, model.now_ns);
    record->looks++;
    record->last_ns = model.now_ns;
}

/* Where nothing tells when a wait began, or to what end a thread was woken, it may be wrong by a point, or some intervals. */
static void
check_near(int64_t told_ns, int64_t true_ns)
{
    int64_t points = model.clocks ? 1 : 2;
    CHECK(told_ns >= 0);
    CHECK(llabs(told_ns - true_ns) <= points * model.now_ns / 100 + 5 * INTERVAL_NS);
}

/* What is shown of it: without gaps, and short parts are part of others. */
static void
check_segments(const struct conc_runs *segments, const struct conc_watched *watched)
{
    int64_t at_ns = watched->begin_ns, shown_ns[CONC_WATCH_ENDED + 1] = {0};
    for (int32_t i = watched->track.first; i != CONC_RUN_NONE; i = segments->items[i].next) {
        const struct conc_run *run = &segments->items[i];
        CHECK_EQ(run->begin_ns, at_ns);
        shown_ns[run->value.state] += run->end_ns - run->begin_ns;
        at_ns = run->end_ns;
    }
    CHECK_EQ(at_ns, watched->seen_ns);
    CHECK(llabs(shown_ns[CONC_WATCH_RUNNING] - model.spent_ns[RUNS]) <= 3 * model.now_ns / 100);
    CHECK(llabs(shown_ns[CONC_WATCH_RUNNABLE] - model.spent_ns[QUEUES]) <= 3 * model.now_ns / 100);
}

static void
watch_model(uint64_t seed, bool clocks)
{
    struct conc_watch_record record = {.interval_ns = INTERVAL_NS, .gils = {0}};
    model = (struct model){.random = {seed}, .holder = OTHER, .last_holder = OTHER, .clocks = clocks};
    HAVE_EQ(conc_runs_init(&record.segments, 2 * LOOKS, INTERVAL_NS), 0);
    HAVE_EQ(conc_holds_init(&record.holds, 4096, INTERVAL_NS), 0);
    struct conc_watched *watched;
    HAVE(watched = conc_watched_add(&record.threads, 1));
    conc_runs_add_track(&record.segments, &watched->track);
    CHECK(tested_begin(&record, watched));
    for (int i = 0; i < LOOKS; i++) {
        pass(model.now_ns + INTERVAL_NS / 2 + (int64_t)conc_random_below(&model.random, INTERVAL_NS));
        look(&record, watched);
    }
    tested_settle(&record, watched, model.now_ns);
    CHECK_EQ(total_of(watched), model.now_ns);
    CHECK(llabs(watched->running_ns - model.spent_ns[RUNS]) <= model.now_ns / 500 + INTERVAL_NS);
    check_near(watched->runnable_ns, model.spent_ns[QUEUES]);
    check_near(watched->waiting_ns[CONC_WATCH_SLEEP], model.spent_ns[SLEEPS]);
    check_near(watched->waiting_ns[CONC_WATCH_LOCK], model.spent_ns[LOCKED]);
    check_near(watched->waiting_ns[CONC_WATCH_GIL], model.spent_ns[WAITS_FOR_GIL]);
    check_segments(&record.segments, watched);
    const struct conc_sum *waited;
    HAVE(waited = conc_sums_at(&record.waits, INTERPRETER, SELF, OTHER));
    CHECK(waited->ns <= watched->waiting_ns[CONC_WATCH_GIL]);
    CHECK(waited->ns >= watched->waiting_ns[CONC_WATCH_GIL] * 8 / 10 - 5 * INTERVAL_NS);
    conc_runs_clear(&record.segments);
    conc_holds_clear(&record.holds);
    conc_sums_clear(&record.waits);
    conc_watched_clear(&record.threads);
}

int
main(void)
{
    for (uint64_t seed = 0; seed < TURNS(SEEDS); seed++) {
        watch_model(seed, true);
        watch_model(seed, false);
    }
    return 0;
}
