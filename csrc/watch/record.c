/* SPDX-License-Identifier: Apache-2.0 */
/* watch/record.c - a look at all threads, in the order of cost: a thread's CPU clock first, and nothing more when that
 * says all. One that has not run does what it did, with one exception: it may have been woken and wait for a CPU. So some
 * of those that have not moved are looked at by turns.
 */
#include "watch/record.h"

#include <errno.h>
#include <string.h>

#include "os/clock.h"
#include "os/task_list.h"
#include "os/thread_self.h"
#include "watch/division.h"

#define SEGMENTS 131072
#define HOLDS 65536

/* Looks between two listings of the threads when their number has not changed, and two walks over the interpreters. */
#define LOOKS_TO_LIST 64

/* Looks between two at which one thread, and one in so many of all, have their turn. */
#define LOOKS_TO_TURN 4
#define TURN_SHARE 16

/* Looks between two at the CPU that a thread runs on, for one thread each, and two close ones. */
#define LOOKS_TO_PLACE 4
#define LOOKS_TO_CLOSE 64

/* A thread that has not moved for so many looks is passed over at all but each so many. Its wait is told by its clock
 * all the same: no time is lost, and what it does in between is seen a little later. */
#define STILL_AFTER 32
#define LOOKS_TO_STILL 4

/* A wait is one of late for so many looks. */
#define LOOKS_OF_LATE 8

/* Less than this part of an interval that a thread was not on a CPU is not looked into: being interrupted, for one by
 * this sampler, takes as much. */
#define SLACK 16

/* At the end, and for those that were there at the begin, at most so many are looked at closely: 20 us each. */
#define MOST_CLOSE 4096

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
        add_wait(record, watched, part, i + 1 < division->count);
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

/* ---- one thread ------------------------------------------------------------------------------------------------------- */

static void
end_thread(struct conc_watch_record *record, struct conc_watched *watched, int64_t now_ns)
{
    conc_watch_files_close(&record->files, &watched->kept);
    if (watched->end_ns != CONC_WATCH_NOT_KNOWN)
        now_ns = watched->end_ns;               /* it was seen to have ended, and not yet gone */
    else
        conc_runs_put(&record->segments, &watched->track, watched->seen_ns, now_ns,
                      &(struct conc_run_value){.detail = {-1, -1, -1}, .state = CONC_WATCH_ENDED});
    conc_watched_end(&record->threads, watched, now_ns);
    record->listed = -1;            /* one that came meanwhile leaves their number as it was */
}

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

/* A thread of another process, whose clock is behind while it runs. False: it is gone. */
static bool
look_at_other(struct conc_watch_record *record, struct conc_watched *watched, bool its_turn)
{
    int64_t cpu_ns = watched->now.cpu_ns, delay_ns = watched->delay_told_ns;
    int err = conc_watch_look_times(&record->files, watched, &cpu_ns, &delay_ns);
    if (err == -ESRCH || cpu_ns < watched->now.cpu_ns)
        return false;
    bool moved = cpu_ns != watched->now.cpu_ns || delay_ns != watched->delay_told_ns;
    int64_t now_ns = conc_now_ns(), ns = now_ns - watched->seen_ns;
    int64_t ran_ns = cpu_ns - watched->now.cpu_ns, delayed_ns = new_delay(watched, delay_ns);
    watched->now.cpu_ns = cpu_ns;
    if (ran_ns > ns)
        ran_ns = ns;
    if (delayed_ns > ns - ran_ns)
        delayed_ns = ns - ran_ns;
    struct conc_doing doing = watched->doing;
    if ((moved || doing.state != CONC_WATCH_NOT_RUNNING || its_turn || err != 0) &&
        conc_watch_look(&record->files, &record->gils, watched, &doing) != 0)
        return false;
    struct conc_division division =
        conc_divide_behind(ns, ran_ns, delayed_ns, moved, &watched->doing, &doing, &watched->waited);
    int64_t settled_ns = conc_division_ns(&division);
    if (settled_ns > 0)
        add_division(record, watched, &division, watched->seen_ns + settled_ns);
    know_what_it_does(watched, &doing, now_ns);
    watched->seen_ns += settled_ns;
    return true;
}

/* False: the thread is gone. The time is taken with each thread's clock: the sampler itself may be off its CPU in the
 * middle of a look. */
static bool
look_at(struct conc_watch_record *record, struct conc_watched *watched, bool its_turn)
{
    if (record->files.pid != 0)
        return look_at_other(record, watched, its_turn);
    int64_t cpu_ns;
    if (conc_watch_look_cpu(&record->files, watched, &cpu_ns) != 0 || cpu_ns < watched->now.cpu_ns)
        return false;
    int64_t now_ns = conc_now_ns(), ns = now_ns - watched->seen_ns;
    int64_t ran_ns = cpu_ns - watched->now.cpu_ns;
    bool moved = ran_ns > 0;
    watched->still = moved ? 0 : watched->still + 1;
    watched->now.cpu_ns = cpu_ns;
    if (ran_ns > ns)
        ran_ns = ns;
    int64_t rested_ns = ns - ran_ns, delayed_ns = 0;
    struct conc_doing doing = watched->doing;
    if (moved && rested_ns <= ns / SLACK) {
        doing = conc_doing_plainly(CONC_WATCH_RUNNING, CONC_WATCH_NONE);
        ran_ns = ns;
    }
    else if (moved || doing.state == CONC_WATCH_RUNNING || its_turn) {
        if (conc_watch_look(&record->files, &record->gils, watched, &doing) != 0)
            return false;
        if (moved)
            delayed_ns = delay_within(record, watched, rested_ns, &doing);
    }
    if (ns > 0) {
        struct conc_division division =
            moved ? conc_divide(ns, ran_ns, delayed_ns, &watched->doing, &doing, &watched->waited)
                  : (struct conc_division){.parts = {{doing, ns}}, .count = 1};
        add_division(record, watched, &division, now_ns);
    }
    know_what_it_does(watched, &doing, now_ns);
    watched->seen_ns = now_ns;
    return true;
}

/* ---- who there is ----------------------------------------------------------------------------------------------------- */

static void
add_thread(struct conc_watch_record *record, int tid)
{
    struct conc_watched *watched = conc_watched_add(&record->threads, tid);
    if (watched == NULL) {
        record->threads.left_out++;
        return;
    }
    watched->born_before = record->looks == 0;
    conc_runs_add_track(&record->segments, &watched->track);
    struct conc_doing doing;
    int64_t delay_ns;
    int err = conc_watch_look_cpu(&record->files, watched, &watched->now.cpu_ns);
    watched->begin_ns = watched->seen_ns = conc_now_ns();
    if (err == 0)
        err = conc_watch_look(&record->files, &record->gils, watched, &doing);
    if (err != 0) {
        end_thread(record, watched, watched->begin_ns);
        return;
    }
    know_what_it_does(watched, &doing, watched->begin_ns);
    conc_watch_look_name(&record->files, watched);
    (void)conc_watch_look_place(&record->files, watched);
    if (conc_watch_look_delay(&record->files, watched, &delay_ns))
        watched->delay_told_ns = delay_ns;
    if (watched->born_before) {
        if (record->threads.count <= MOST_CLOSE)
            conc_watch_look_closely(&record->files, watched);
        watched->before = watched->now;
    }
}

static void
found(void *context, int tid)
{
    struct conc_watch_record *record = context;
    if (tid != record->own_tid && conc_watched_find(&record->threads, tid) == NULL)
        add_thread(record, tid);
}

void
conc_record_add_thread(struct conc_watch_record *record, int tid)
{
    found(record, tid);
}

static void
list_threads(struct conc_watch_record *record)
{
    if (record->list < 0)
        return;
    int count = conc_task_list_count(record->list);
    if (count == record->listed && record->looks % LOOKS_TO_LIST != 0)
        return;
    /* As they were when they were counted: one that came meanwhile makes the next count another one. */
    if (conc_task_list_read(record->list, found, record) >= 0)
        record->listed = count;
}

/* ---- the GILs --------------------------------------------------------------------------------------------------------- */

static int32_t
index_of(const struct conc_watch_record *record, const struct conc_gil_sample *sample)
{
    if (!sample->locked)
        return CONC_HOLD_FREE;
    const struct conc_watched *holder =
        sample->holder_tid > 0 ? conc_watched_find(&record->threads, sample->holder_tid) : NULL;
    return holder == NULL ? CONC_SUMS_NOBODY : holder->index;
}

static bool
sits_in_a_call(const struct conc_watch_record *record, int32_t holder)
{
    return holder >= 0 && record->threads.all[holder]->doing.state == CONC_WATCH_NOT_RUNNING &&
           record->threads.all[holder]->doing.syscall >= 0 &&
           record->threads.all[holder]->doing.reason != CONC_WATCH_GIL;
}

static int
read_gils(struct conc_watch_record *record, struct conc_gil_sample *samples)
{
    if (record->gils.read == NULL)
        return 0;
    if (record->looks % LOOKS_TO_LIST == 0)
        (void)record->gils.refresh(record->gils.context);
    int count = record->gils.read(record->gils.context, samples, CONC_GIL_LOCKS);
    if (count < 0)
        record->gil_err = count;
    return count < 0 ? 0 : count;
}

static bool
still_so(const struct conc_gil_sample *sample, const struct conc_gil_sample *again, int count)
{
    for (int i = 0; i < count; i++) {
        if (again[i].interpreter == sample->interpreter)
            return again[i].locked && again[i].holder_tid == sample->holder_tid && again[i].switches == sample->switches;
    }
    return false;
}

/* Before the threads are looked at, so that a waiter's time is put down to who has the GIL now. */
static void
see_holds(struct conc_watch_record *record, const struct conc_gil_sample *samples, int count,
          struct conc_hold *seen[CONC_GIL_LOCKS])
{
    for (int i = 0; i < count; i++)
        seen[i] = !samples[i].enabled ? NULL
                                      : conc_holds_see(&record->holds, samples[i].interpreter,
                                                       index_of(record, &samples[i]), samples[i].switches,
                                                       record->last_ns);
}

/* Threads were looked at after the GILs were read: a holder that is seen to wait may have let go before. So what would be
 * the worst fault of a program is said only when the GIL is still its own. */
static void
add_holds(struct conc_watch_record *record, const struct conc_gil_sample *samples, int count,
          struct conc_hold *const seen[CONC_GIL_LOCKS], int64_t now_ns)
{
    struct conc_gil_sample again[CONC_GIL_LOCKS];
    int again_count = -1;
    for (int i = 0; i < count; i++) {
        if (seen[i] == NULL)
            continue;
        bool blocked = sits_in_a_call(record, seen[i]->holder);
        if (blocked && again_count < 0)
            again_count = record->gils.read(record->gils.context, again, CONC_GIL_LOCKS);
        blocked = blocked && still_so(&samples[i], again, again_count);
        conc_holds_add(&record->holds, seen[i], blocked, record->last_ns, now_ns);
    }
}

/* ---- all of it -------------------------------------------------------------------------------------------------------- */

int
conc_record_begin(struct conc_watch_record *record, int64_t now_ns, int64_t unix_ns)
{
    record->list = -ENOENT;
    int32_t room = record->segment_room > 0 ? record->segment_room : SEGMENTS;
    if (conc_runs_init(&record->segments, room, record->interval_ns) != 0)
        return -ENOMEM;
    if (conc_holds_init(&record->holds, room < HOLDS ? room : HOLDS, record->interval_ns) != 0)
        return -ENOMEM;
    conc_pace_begin(&record->pace, record->interval_ns, now_ns);
    record->begin_ns = record->last_ns = record->end_ns = now_ns;
    record->begin_unix_ns = unix_ns;
    record->own_tid = conc_thread_self_id();
    record->list = conc_task_list_open(record->files.pid);
    record->list_err = record->list < 0 ? record->list : 0;
    return 0;
}

/* Looked at by turns: those from `turn` on, so many at each look. */
static bool
has_its_turn(const struct conc_watch_record *record, int32_t place, int32_t turns)
{
    int32_t ahead = place - record->turn;
    if (ahead < 0)
        ahead += record->threads.alive_count;
    return ahead < turns;
}

/* Waiters for a GIL are not passed over: whom they wait for changes. */
static bool
passed_over(const struct conc_watch_record *record, const struct conc_watched *watched)
{
    return watched->still >= STILL_AFTER && watched->doing.state == CONC_WATCH_NOT_RUNNING &&
           watched->doing.reason != CONC_WATCH_GIL && (record->looks + watched->index) % LOOKS_TO_STILL != 0;
}

static void
look_at_all(struct conc_watch_record *record, bool last)
{
    int32_t turns = record->looks % LOOKS_TO_TURN == 0 ? record->threads.alive_count / TURN_SHARE + 1 : 0;
    if (record->turn >= record->threads.alive_count)
        record->turn = 0;
    int32_t next_turn = record->turn + turns;
    for (int32_t i = record->threads.alive_count - 1; i >= 0; i--) {
        struct conc_watched *watched = record->threads.alive[i];
        if (passed_over(record, watched) && !last)
            continue;
        if (!look_at(record, watched, has_its_turn(record, i, turns)))
            end_thread(record, watched, conc_now_ns());     /* who takes its place was looked at */
        else if (!watched->closely_seen && !watched->born_before)
            conc_watch_look_closely(&record->files, watched);   /* by now it has its own name */
    }
    record->turn = next_turn;
}

/* What changes rarely or costs much: one thread at a time. */
static void
look_closer(struct conc_watch_record *record)
{
    if (record->threads.alive_count == 0 || record->looks % LOOKS_TO_PLACE != 0)
        return;
    int32_t turn = ++record->close_turn % record->threads.alive_count;
    struct conc_watched *watched = record->threads.alive[turn];
    bool closely = !watched->closely_seen || record->looks % LOOKS_TO_CLOSE == 0;
    if (watched->doing.state != CONC_WATCH_RUNNING && !closely)
        return;
    if (!conc_watch_look_place(&record->files, watched)) {
        end_thread(record, watched, conc_now_ns());     /* another one has its id */
        return;
    }
    if (closely)
        conc_watch_look_closely(&record->files, watched);
}

static void
look_once(struct conc_watch_record *record, int64_t now_ns, bool last)
{
    struct conc_gil_sample samples[CONC_GIL_LOCKS];
    struct conc_hold *seen[CONC_GIL_LOCKS];
    list_threads(record);
    int gils = read_gils(record, samples);
    see_holds(record, samples, gils, seen);
    look_at_all(record, last);
    add_holds(record, samples, gils, seen, now_ns);
    look_closer(record);
    record->looks++;
    record->last_ns = record->end_ns = now_ns;
}

/* Time of a thread of another process that the next look would have divided. */
static void
settle(struct conc_watch_record *record, struct conc_watched *watched, int64_t now_ns)
{
    struct conc_division division = {.parts = {{watched->doing, now_ns - watched->seen_ns}}, .count = 1};
    if (record->files.pid == 0 || division.parts[0].ns <= 0)
        return;
    add_division(record, watched, &division, now_ns);
    watched->seen_ns = now_ns;
}

void
conc_record_look(struct conc_watch_record *record, int64_t now_ns)
{
    look_once(record, now_ns, false);
}

void
conc_record_finish(struct conc_watch_record *record, int64_t now_ns)
{
    look_once(record, now_ns, true);
    record->end_ns = conc_now_ns();
    conc_holds_finish(&record->holds, now_ns);
    for (int32_t i = 0; i < record->threads.alive_count; i++)
        settle(record, record->threads.alive[i], now_ns);
    for (int32_t i = 0; i < record->threads.alive_count && i < MOST_CLOSE; i++)
        conc_watch_look_closely(&record->files, record->threads.alive[i]);
    conc_record_close_files(record);
}

void
conc_record_close_files(struct conc_watch_record *record)
{
    for (int32_t i = 0; i < record->threads.alive_count; i++)
        conc_watch_files_close(&record->files, &record->threads.alive[i]->kept);
    if (record->list >= 0) {
        conc_task_list_close(record->list);
        record->list = -ENOENT;
    }
}

void
conc_record_clear(struct conc_watch_record *record)
{
    conc_record_close_files(record);
    conc_runs_clear(&record->segments);
    conc_holds_clear(&record->holds);
    conc_sums_clear(&record->waits);
    conc_watched_clear(&record->threads);
}
