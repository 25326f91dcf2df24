/* SPDX-License-Identifier: Apache-2.0 */
/* watch/record_thread.c - a look at one thread, in the order of cost: its CPU clock first, and nothing more when that says
 * all. One that has not run does what it did, with one exception: it may have been woken and wait for a CPU.
 *
 * A thread that waits for its turn at a GIL goes on until it has it, also while it is awake to ask for it or queues for a CPU
 * to do so. So as long as the GIL is known to have been others', nothing of it need be read. One that gave the GIL up on
 * request and wants it back may have to queue for a CPU before it can ask: with a CPU it would wait just as well. That it
 * wants it back shows when it has run, and until then the time is left open.
 */
#include "watch/record_thread.h"

#include <errno.h>

#include "os/clock.h"
#include "watch/division.h"

/* A wait is one of late for so many looks. */
#define LOOKS_OF_LATE 8

/* Less than this part of an interval that a thread was not on a CPU is not looked into: being interrupted, for one by
 * this sampler, takes as much. */
#define SLACK 16

/* ---- time ------------------------------------------------------------------------------------------------------------- */

static void
add_total(struct conc_watched *watched, const struct conc_division_part *part)
{
    switch (part->doing.state) {
    case CONC_WATCH_RUNNING:
        watched->running_ns += part->ns;
        return;
    case CONC_WATCH_RUNNABLE:
        watched->runnable_ns += part->ns;
        watched->delay_given_ns += part->ns;
        return;
    case CONC_WATCH_NOT_RUNNING:
        watched->waiting_ns[part->doing.reason] += part->ns;
        return;
    default:
        return;
    }
}

/* Whom a thread that waited for the GIL waited for: who has it now, or, in the part before it was given to the waiter
 * itself, who had it before. */
static int32_t
holder_for(const struct conc_watch_record *record, const struct conc_watched *watched, int64_t interpreter, bool early)
{
    const struct conc_hold *hold = conc_holds_find(&record->holds, interpreter);
    if (hold == NULL)
        return CONC_SUMS_NOBODY;
    int32_t holder = early ? hold->before : hold->holder;
    if (holder == watched->index || holder < 0)
        holder = early ? hold->holder : hold->before;
    return holder == watched->index || holder < 0 ? CONC_SUMS_NOBODY : holder;
}

static void
add_wait(struct conc_watch_record *record, const struct conc_watched *watched, const struct conc_division_part *part,
         bool early)
{
    if (part->doing.state != CONC_WATCH_NOT_RUNNING || part->doing.reason != CONC_WATCH_GIL)
        return;
    int32_t holder = holder_for(record, watched, part->doing.interpreter, early);
    struct conc_sum *sum = conc_sums_at(&record->waits, part->doing.interpreter, watched->index, holder);
    if (sum != NULL)
        sum->ns += part->ns;
}

static struct conc_run_value
value_of(const struct conc_watched *watched, const struct conc_doing *doing)
{
    bool on_cpu = doing->state == CONC_WATCH_RUNNING;
    return (struct conc_run_value){
        .detail = {on_cpu ? watched->cpu : -1, doing->syscall, doing->descriptor},
        .state = doing->state,
        .reason = doing->reason,
    };
}

/* Sums are exact; a part of less than a quarter of the time since the last look is no segment of its own. */
static void
add_division(struct conc_watch_record *record, struct conc_watched *watched, const struct conc_division *division,
             int64_t now_ns)
{
    int64_t ns = now_ns - watched->seen_ns, begin_ns = watched->seen_ns, at_ns = begin_ns;
    const struct conc_doing *shown = NULL;
    for (int i = 0; i < division->count; i++) {
        const struct conc_division_part *part = &division->parts[i];
        add_total(watched, part);
        add_wait(record, watched, part, i + 1 < division->count || at_ns + part->ns <= record->last_ns);
        if (part->ns >= ns / 4) {
            if (shown != NULL) {
                struct conc_run_value value = value_of(watched, shown);
                conc_runs_put(&record->segments, &watched->track, begin_ns, at_ns, &value);
                begin_ns = at_ns;
            }
            shown = &part->doing;
        }
        at_ns += part->ns;
    }
    if (shown != NULL) {
        struct conc_run_value value = value_of(watched, shown);
        conc_runs_put(&record->segments, &watched->track, begin_ns, now_ns, &value);
    }
}

/* What of `rested_ns` the thread waited for a CPU and was not yet said to. Where the system does not tell, one that was
 * not seen to wait did nothing else. */
static int64_t
delay_within(struct conc_watch_record *record, struct conc_watched *watched, int64_t rested_ns,
             const struct conc_doing *now)
{
    int64_t delay_ns, told_ns = watched->delay_told_ns;
    if (!conc_watch_look_delay(&record->files, watched, &delay_ns)) {
        bool waits = watched->doing.state == CONC_WATCH_NOT_RUNNING || now->state == CONC_WATCH_NOT_RUNNING;
        return waits ? 0 : rested_ns;
    }
    int64_t fresh_ns = delay_ns - told_ns - watched->delay_given_ns;
    watched->delay_told_ns = delay_ns;
    watched->delay_given_ns = 0;
    if (told_ns == CONC_WATCH_NOT_KNOWN || fresh_ns < 0)
        return 0;
    return fresh_ns < rested_ns ? fresh_ns : rested_ns;
}

/* ---- waiting for a GIL ------------------------------------------------------------------------------------------------ */

enum gil_wait {
    GIL_NOT_WAITED_FOR,         /* or not known */
    GIL_WAITED_FOR,             /* all the while, and another thread has it now */
    GIL_TO_BE_HAD,              /* until just now: the thread has it, or nobody */
};

static bool
waits_for_gil(const struct conc_doing *doing)
{
    return doing->state == CONC_WATCH_NOT_RUNNING && doing->reason == CONC_WATCH_GIL;
}

static enum gil_wait
wait_of(const struct conc_watch_record *record, const struct conc_watched *watched)
{
    if (!waits_for_gil(&watched->doing))
        return GIL_NOT_WAITED_FOR;
    const struct conc_hold *hold = conc_holds_find(&record->holds, watched->doing.interpreter);
    if (hold == NULL || !conc_hold_kept_from(hold, watched->index))
        return GIL_NOT_WAITED_FOR;
    return hold->holder >= 0 && hold->holder != watched->index ? GIL_WAITED_FOR : GIL_TO_BE_HAD;
}

/* Whether it had a GIL when last it ran, and others have had it since. */
static bool
gave_up_gil(const struct conc_watch_record *record, struct conc_watched *watched)
{
    const struct conc_hold *hold = NULL;
    if (watched->doing.state != CONC_WATCH_NOT_RUNNING)
        hold = conc_holds_taken_from(&record->holds, watched->index);
    if (hold != NULL) {
        watched->gave_up = hold->interpreter;
        return true;
    }
    if (watched->gave_up == CONC_WATCH_NOT_KNOWN)
        return false;
    hold = conc_holds_find(&record->holds, watched->gave_up);
    return hold != NULL && conc_hold_kept_from(hold, watched->index);
}

/* ---- one thread ------------------------------------------------------------------------------------------------------- */

static void
know_what_it_does(struct conc_watched *watched, const struct conc_doing *doing, int64_t now_ns)
{
    watched->doing = *doing;
    if (doing->state == CONC_WATCH_NOT_RUNNING) {
        watched->waited = *doing;
        watched->since_wait = 0;
    }
    else if (++watched->since_wait > LOOKS_OF_LATE) {
        watched->waited.state = 0;
    }
    if (doing->state == CONC_WATCH_ENDED && watched->end_ns == CONC_WATCH_NOT_KNOWN)
        watched->end_ns = now_ns;
}

/* What is new of the run delay that the system tells. One that has not moved is not told before the thread runs. */
static int64_t
new_delay(struct conc_watched *watched, int64_t delay_ns)
{
    int64_t told_ns = watched->delay_told_ns;
    if (delay_ns == told_ns)
        return 0;
    int64_t fresh_ns = told_ns == CONC_WATCH_NOT_KNOWN ? 0 : delay_ns - told_ns - watched->delay_given_ns;
    watched->delay_told_ns = delay_ns;
    watched->delay_given_ns = 0;
    return fresh_ns > 0 ? fresh_ns : 0;
}

static void
put_down(struct conc_watch_record *record, struct conc_watched *watched, const struct conc_doing *doing, int64_t end_ns)
{
    struct conc_division division = {.parts = {{*doing, end_ns - watched->seen_ns}}, .count = 1};
    if (division.parts[0].ns > 0)
        add_division(record, watched, &division, end_ns);
    watched->seen_ns = end_ns;
}

/* A waiter that was passed over at the last look waited for who had the GIL then, whoever has it now. */
static void
wait_until_last_look(struct conc_watch_record *record, struct conc_watched *watched)
{
    if (watched->seen_ns < record->last_ns)
        put_down(record, watched, &watched->doing, record->last_ns);
}

/* A thread of another process, whose clock is behind while it runs. False: it is gone. */
static bool
look_at_other(struct conc_watch_record *record, struct conc_watched *watched, bool its_turn)
{
    int64_t cpu_ns = watched->now.cpu_ns, delay_ns = watched->delay_told_ns;
    int err = conc_watch_look_times(&record->files, watched, &cpu_ns, &delay_ns);
    if (err == -ESRCH || cpu_ns < watched->now.cpu_ns)
        return false;
    bool moved = cpu_ns != watched->now.cpu_ns || delay_ns != watched->delay_told_ns;
    bool gave_up = gave_up_gil(record, watched);
    enum gil_wait gil = wait_of(record, watched);
    if (gil == GIL_WAITED_FOR)
        wait_until_last_look(record, watched);
    int64_t now_ns = conc_now_ns(), ns = now_ns - watched->seen_ns;
    int64_t ran_ns = cpu_ns - watched->now.cpu_ns, delayed_ns = new_delay(watched, delay_ns);
    watched->now.cpu_ns = cpu_ns;
    if (ran_ns > ns)
        ran_ns = ns;
    struct conc_doing doing = watched->doing;
    if ((moved || doing.state != CONC_WATCH_NOT_RUNNING || its_turn || err != 0) && gil != GIL_WAITED_FOR &&
        conc_watch_look(&record->files, &record->gils, watched, &doing) != 0)
        return false;
    if (gil != GIL_NOT_WAITED_FOR || (gave_up && waits_for_gil(&doing)))
        delayed_ns = 0;
    if (delayed_ns > ns - ran_ns)
        delayed_ns = ns - ran_ns;
    struct conc_division division =
        conc_divide_behind(ns, ran_ns, delayed_ns, moved, &watched->doing, &doing, &watched->waited);
    int64_t settled_ns = conc_division_ns(&division);
    if (settled_ns > 0)
        add_division(record, watched, &division, watched->seen_ns + settled_ns);
    if (!gave_up || doing.state == CONC_WATCH_NOT_RUNNING)
        watched->gave_up = CONC_WATCH_NOT_KNOWN;
    know_what_it_does(watched, &doing, now_ns);
    watched->seen_ns += settled_ns;
    return true;
}

/* The time since a thread's time was last divided. */
struct span {
    int64_t now_ns, ns;
    int64_t ran_ns;
    bool moved;
};

static struct span
span_to(struct conc_watched *watched, int64_t now_ns, int64_t cpu_ns)
{
    struct span span = {.now_ns = now_ns, .ns = now_ns - watched->seen_ns, .ran_ns = cpu_ns - watched->now.cpu_ns};
    span.moved = span.ran_ns > 0;
    watched->now.cpu_ns = cpu_ns;
    watched->still = span.moved ? 0 : watched->still + 1;
    if (span.ran_ns > span.ns)
        span.ran_ns = span.ns;
    return span;
}

/* The run delay is read also where it is part of the wait for a GIL, so that it is not taken for a later one. */
static void
divide(struct conc_watch_record *record, struct conc_watched *watched, const struct span *span, bool all_waited,
       const struct conc_doing *doing)
{
    int64_t delayed_ns = delay_within(record, watched, span->ns - span->ran_ns, doing);
    struct conc_division division = conc_divide(span->ns, span->ran_ns, all_waited ? 0 : delayed_ns, &watched->doing,
                                                doing, &watched->waited);
    add_division(record, watched, &division, span->now_ns);
    watched->seen_ns = span->now_ns;
}

/* It asked for its turn at the GIL once more, if that, and has not got it. */
static void
go_on_waiting(struct conc_watch_record *record, struct conc_watched *watched, const struct span *span)
{
    wait_until_last_look(record, watched);
    int64_t ns = span->now_ns - watched->seen_ns, ran_ns = span->ran_ns < ns ? span->ran_ns : ns;
    struct conc_division division = conc_divide(ns, ran_ns, 0, &watched->doing, &watched->doing, &watched->waited);
    add_division(record, watched, &division, span->now_ns);
    watched->seen_ns = span->now_ns;
    if (span->moved)
        watched->delay_told_ns = CONC_WATCH_NOT_KNOWN;
}

/* What it ran is known; what it wants a CPU for, when it has run. */
static void
leave_open(struct conc_watch_record *record, struct conc_watched *watched, const struct span *span,
           const struct conc_doing *doing)
{
    const struct conc_doing running = conc_doing_plainly(CONC_WATCH_RUNNING, CONC_WATCH_NONE);
    put_down(record, watched, &running, watched->seen_ns + span->ran_ns);
    know_what_it_does(watched, doing, span->now_ns);
}

/* False: the thread is gone. The time is taken with each thread's clock: the sampler itself may be off its CPU in the
 * middle of a look. */
static bool
look_at_own(struct conc_watch_record *record, struct conc_watched *watched, bool its_turn)
{
    int64_t cpu_ns;
    if (conc_watch_look_cpu(&record->files, watched, &cpu_ns) != 0 || cpu_ns < watched->now.cpu_ns)
        return false;
    struct span span = span_to(watched, conc_now_ns(), cpu_ns);
    enum gil_wait gil = wait_of(record, watched);
    if (gil == GIL_WAITED_FOR) {
        go_on_waiting(record, watched, &span);
        return true;
    }
    bool gave_up = gave_up_gil(record, watched) && span.ns <= CONC_RECORD_OPEN_NS;
    if (gave_up && !span.moved)
        return true;
    struct conc_doing doing = watched->doing;
    bool whole = span.moved && span.ns - span.ran_ns <= span.ns / SLACK;
    if (whole)
        doing = conc_doing_plainly(CONC_WATCH_RUNNING, CONC_WATCH_NONE);
    else if ((span.moved || doing.state == CONC_WATCH_RUNNING || its_turn || gil == GIL_TO_BE_HAD) &&
             conc_watch_look(&record->files, &record->gils, watched, &doing) != 0)
        return false;
    if (gave_up && doing.state == CONC_WATCH_RUNNABLE) {
        leave_open(record, watched, &span, &doing);
        return true;
    }
    if (whole || !span.moved)
        put_down(record, watched, &doing, span.now_ns);
    else
        divide(record, watched, &span, gil == GIL_TO_BE_HAD || (gave_up && waits_for_gil(&doing)), &doing);
    watched->gave_up = CONC_WATCH_NOT_KNOWN;
    know_what_it_does(watched, &doing, span.now_ns);
    return true;
}

/* ---- from outside ----------------------------------------------------------------------------------------------------- */

bool
conc_record_thread_look(struct conc_watch_record *record, struct conc_watched *watched, bool its_turn)
{
    return record->files.pid != 0 ? look_at_other(record, watched, its_turn) : look_at_own(record, watched, its_turn);
}

bool
conc_record_thread_begin(struct conc_watch_record *record, struct conc_watched *watched)
{
    struct conc_doing doing;
    int64_t delay_ns;
    int err = conc_watch_look_cpu(&record->files, watched, &watched->now.cpu_ns);
    watched->begin_ns = watched->seen_ns = conc_now_ns();
    if (err != 0 || conc_watch_look(&record->files, &record->gils, watched, &doing) != 0)
        return false;
    know_what_it_does(watched, &doing, watched->begin_ns);
    conc_watch_look_name(&record->files, watched);
    (void)conc_watch_look_place(&record->files, watched);
    if (conc_watch_look_delay(&record->files, watched, &delay_ns))
        watched->delay_told_ns = delay_ns;
    return true;
}

void
conc_record_thread_settle(struct conc_watch_record *record, struct conc_watched *watched, int64_t now_ns)
{
    if (now_ns > watched->seen_ns)
        put_down(record, watched, &watched->doing, now_ns);
}
