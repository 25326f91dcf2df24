/* SPDX-License-Identifier: Apache-2.0 */
/* watch/record_thread.c - a look at one thread, in the order of cost: its CPU clock first, and nothing more when that says
 * all. One that has not run does what it did, with one exception: it may have been woken and wait for a CPU. Where there is no
 * clock, of another process's threads and where the system refuses it, schedstat takes its place, which is behind while a thread
 * runs; without that either, what is seen is all that is known.
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

/* No look of the sampler's is as short: a thread that was off its CPU for less did not wait for one to end. */
#define DELAY_NS 5000

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

/* Of what is called RUNNABLE, that much is what the system has told, and not to be taken from what it tells next. */
static void
add_told_division(struct conc_watch_record *record, struct conc_watched *watched, const struct conc_division *division,
                  int64_t now_ns, int64_t told_ns)
{
    int64_t given_ns = watched->delay_given_ns;
    add_division(record, watched, division, now_ns);
    int64_t by_sight_ns = watched->delay_given_ns - given_ns - told_ns;
    watched->delay_given_ns = given_ns + (by_sight_ns > 0 ? by_sight_ns : 0);
}

/* The kernel tells of a queue for a CPU when it is over, and who was woken is seen to queue when it has its turn. What of the
 * wait before was a queue is put right in the sums, and so is what was taken for one and was none. */
static void
put_right(struct conc_watched *watched, int64_t queued_ns)
{
    const struct conc_doing *wait = watched->doing.state == CONC_WATCH_NOT_RUNNING ? &watched->doing : &watched->waited;
    if (wait->state != CONC_WATCH_NOT_RUNNING || wait->reason == CONC_WATCH_GIL)
        return;
    int64_t *waited_ns = &watched->waiting_ns[wait->reason];
    if (queued_ns > *waited_ns)
        queued_ns = *waited_ns;
    if (queued_ns < -watched->runnable_ns)
        queued_ns = -watched->runnable_ns;
    *waited_ns -= queued_ns;
    watched->runnable_ns += queued_ns;
}

static int64_t
within(int64_t ns, int64_t most_ns)
{
    return ns < 0 ? 0 : ns < most_ns ? ns : most_ns;
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
    if (told_ns == CONC_WATCH_NOT_KNOWN)
        return 0;
    int64_t delayed_ns = within(fresh_ns, rested_ns);
    put_right(watched, fresh_ns - delayed_ns);
    return delayed_ns;
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

/* What is new of the run delay that the system tells, less than 0 where more was seen of it. One that has not moved is not told
 * before the thread runs. */
static int64_t
new_delay(struct conc_watched *watched, int64_t delay_ns)
{
    int64_t told_ns = watched->delay_told_ns;
    if (delay_ns == told_ns)
        return 0;
    int64_t fresh_ns = told_ns == CONC_WATCH_NOT_KNOWN ? 0 : delay_ns - told_ns - watched->delay_given_ns;
    watched->delay_told_ns = delay_ns;
    watched->delay_given_ns = 0;
    return fresh_ns;
}

static void
put_down(struct conc_watch_record *record, struct conc_watched *watched, const struct conc_doing *doing, int64_t end_ns)
{
    struct conc_division division = {.parts = {{*doing, end_ns - watched->seen_ns}}, .count = 1};
    if (division.parts[0].ns > 0)
        add_division(record, watched, &division, end_ns);
    watched->seen_ns = end_ns;
}

/* A waiter that was passed over at the last look waited for who had the GIL then, whoever has it now and whatever the waiter
 * has done since. */
static void
wait_until_last_look(struct conc_watch_record *record, struct conc_watched *watched)
{
    if (watched->seen_ns < record->last_ns)
        put_down(record, watched, &watched->doing, record->last_ns);
}

/* Nothing tells how long it was on a CPU: what is seen at two looks is all that is known of the time between them. False: it
 * is gone. */
static bool
look_without_times(struct conc_watch_record *record, struct conc_watched *watched)
{
    struct conc_doing doing = watched->doing;
    if (wait_of(record, watched) != GIL_WAITED_FOR &&
        conc_watch_look(&record->files, &record->gils, watched, &doing) != 0)
        return false;
    int64_t now_ns = conc_now_ns();
    if (now_ns > watched->seen_ns) {
        struct conc_division division = conc_divide_seen(now_ns - watched->seen_ns, &watched->doing, &doing);
        add_division(record, watched, &division, now_ns);
    }
    know_what_it_does(watched, &doing, now_ns);
    watched->seen_ns = now_ns;
    return true;
}

/* The CPU time so far, where there is no clock, and the run delay; as they were where they are not known. One that goes back is
 * another thread's, which has got the id, unless it was told by the thread's clock before that was refused: schedstat may be
 * behind. -ESRCH: the thread is gone. */
static int
look_at_times(struct conc_watch_record *record, struct conc_watched *watched, int64_t *cpu_ns, int64_t *delay_ns)
{
    *cpu_ns = watched->now.cpu_ns;
    *delay_ns = watched->delay_told_ns;
    int err = conc_watch_look_times(&record->files, watched, cpu_ns, delay_ns);
    int64_t behind_ns = watched->now.cpu_ns - *cpu_ns;
    if (behind_ns <= 0)
        return err;
    *cpu_ns = watched->now.cpu_ns;
    return record->files.clock_refused != 0 && behind_ns <= CONC_DIVISION_BEHIND_NS ? 0 : -ESRCH;
}

/* A thread that has no clock for us, and whose CPU time may be behind while it runs. False: it is gone. */
static bool
look_behind(struct conc_watch_record *record, struct conc_watched *watched, bool its_turn)
{
    int64_t cpu_ns, delay_ns;
    int err = look_at_times(record, watched, &cpu_ns, &delay_ns);
    if (err == -ESRCH)
        return false;
    bool moved = cpu_ns != watched->now.cpu_ns || delay_ns != watched->delay_told_ns;
    bool gave_up = gave_up_gil(record, watched);
    enum gil_wait gil = wait_of(record, watched);
    int64_t now_ns = conc_now_ns(), ns = now_ns - watched->seen_ns;
    int64_t ran_ns = cpu_ns - watched->now.cpu_ns, fresh_ns = new_delay(watched, delay_ns);
    watched->now.cpu_ns = cpu_ns;
    if (ran_ns > ns)
        ran_ns = ns;
    struct conc_doing doing = watched->doing;
    if ((moved || doing.state != CONC_WATCH_NOT_RUNNING || its_turn || err != 0) && gil != GIL_WAITED_FOR &&
        conc_watch_look(&record->files, &record->gils, watched, &doing) != 0)
        return false;
    bool all_waited = gil != GIL_NOT_WAITED_FOR || (gave_up && waits_for_gil(&doing));
    int64_t delayed_ns = all_waited ? 0 : within(fresh_ns, ns - ran_ns);
    if (!all_waited)
        put_right(watched, fresh_ns - delayed_ns);
    struct conc_division division =
        conc_divide_behind(ns, ran_ns, delayed_ns, moved, &watched->doing, &doing, &watched->waited);
    int64_t settled_ns = conc_division_ns(&division);
    if (settled_ns > 0)
        add_told_division(record, watched, &division, watched->seen_ns + settled_ns, delayed_ns);
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
    int64_t told_ns = delay_within(record, watched, span->ns - span->ran_ns, doing);
    int64_t delayed_ns = all_waited ? 0 : told_ns;
    struct conc_division division =
        conc_divide(span->ns, span->ran_ns, delayed_ns, &watched->doing, doing, &watched->waited);
    add_told_division(record, watched, &division, span->now_ns, delayed_ns);
    watched->seen_ns = span->now_ns;
}

/* It has not been on a CPU since the last look, and may be on one by now. One that waited then and is ready was woken at some
 * moment in between. */
static void
divide_still(struct conc_watch_record *record, struct conc_watched *watched, const struct span *span,
             const struct conc_doing *doing)
{
    const struct conc_doing ready = conc_doing_plainly(CONC_WATCH_RUNNABLE, CONC_WATCH_NONE);
    bool waited = watched->doing.state == CONC_WATCH_NOT_RUNNING;
    struct conc_doing before = watched->doing, after = *doing;
    if (after.state == CONC_WATCH_RUNNING)
        after = waited ? before : ready;
    if (!waited)
        before = after;
    struct conc_division division = conc_divide_seen(span->ns, &before, &after);
    if (span->ns > 0)
        add_division(record, watched, &division, span->now_ns);
    watched->seen_ns = span->now_ns;
}

/* It asked for its turn at the GIL once more, if that, and has not got it. */
static void
go_on_waiting(struct conc_watch_record *record, struct conc_watched *watched, const struct span *span)
{
    struct conc_division division =
        conc_divide(span->ns, span->ran_ns, 0, &watched->doing, &watched->doing, &watched->waited);
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

static void
count_ready(struct conc_watch_record *record, const struct conc_watched *watched, const struct span *span,
            const struct conc_doing *doing)
{
    if (doing->state != CONC_WATCH_RUNNING && doing->state != CONC_WATCH_RUNNABLE)
        return;
    record->ready++;
    if (span->ns - span->ran_ns >= DELAY_NS)
        record->delayed = watched->index;
}

/* A thread whose own clock says `cpu_ns`. False: it is gone. The time is taken with each thread's clock: the sampler itself may
 * be off its CPU in the middle of a look. */
static bool
look_by_clock(struct conc_watch_record *record, struct conc_watched *watched, int64_t cpu_ns, bool its_turn)
{
    if (cpu_ns < watched->now.cpu_ns)
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
    if (whole)
        put_down(record, watched, &doing, span.now_ns);
    else if (!span.moved)
        divide_still(record, watched, &span, &doing);
    else
        divide(record, watched, &span, gil == GIL_TO_BE_HAD || (gave_up && waits_for_gil(&doing)), &doing);
    count_ready(record, watched, &span, &doing);
    watched->gave_up = CONC_WATCH_NOT_KNOWN;
    know_what_it_does(watched, &doing, span.now_ns);
    return true;
}

/* ---- from outside ----------------------------------------------------------------------------------------------------- */

bool
conc_record_thread_look(struct conc_watch_record *record, struct conc_watched *watched, bool its_turn)
{
    int64_t cpu_ns;
    if (waits_for_gil(&watched->doing))
        wait_until_last_look(record, watched);
    switch (conc_watch_look_clock(&record->files, watched, &cpu_ns)) {
    case 0:
        return look_by_clock(record, watched, cpu_ns, its_turn);
    case -ESRCH:
        return false;
    default:
        break;
    }
    if (record->files.refused[CONC_WATCH_SCHEDSTAT] == 0)
        return look_behind(record, watched, its_turn);
    watched->now.cpu_ns = CONC_WATCH_NOT_KNOWN;
    return look_without_times(record, watched);
}

bool
conc_record_thread_waits_on(struct conc_watch_record *record, struct conc_watched *watched)
{
    if (wait_of(record, watched) != GIL_WAITED_FOR)
        return false;
    const struct conc_hold *hold = conc_holds_find(&record->holds, watched->doing.interpreter);
    if (!conc_hold_is_anothers_still(hold, watched->index))
        wait_until_last_look(record, watched);
    return true;
}

bool
conc_record_thread_begin(struct conc_watch_record *record, struct conc_watched *watched)
{
    struct conc_doing doing;
    int64_t delay_ns;
    int err = conc_watch_look_clock(&record->files, watched, &watched->now.cpu_ns);
    if (err != 0 && err != -ESRCH)
        err = conc_watch_look_times(&record->files, watched, &watched->now.cpu_ns, &delay_ns);
    watched->begin_ns = watched->seen_ns = conc_now_ns();
    if (err == -ESRCH || conc_watch_look(&record->files, &record->gils, watched, &doing) != 0)
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
