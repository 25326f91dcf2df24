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
#include "watch/record_thread.h"

#define SEGMENTS 131072
#define HOLDS 65536

/* Looks between two listings of the threads, and walks over the interpreters, when the number of threads has not changed. */
#define LOOKS_TO_LIST 64

/* Looks between two at which one thread, and one in so many of all, have their turn. */
#define LOOKS_TO_TURN 4
#define TURN_SHARE 16

/* Looks between two at the CPU that a thread runs on, for one thread each, and two close ones. */
#define LOOKS_TO_PLACE 4
#define LOOKS_TO_CLOSE 64

/* A thread that has not moved for so many looks is passed over at all but each so many. Its wait is told by its clock all the
 * same: no time is lost, and what it does in between is seen a little later. */
#define STILL_AFTER 32
#define LOOKS_TO_STILL 4

/* So is one that waits for a GIL as long as that is known to be others': without it, it does nothing else but end. */
#define LOOKS_TO_WAITER 16

/* At the end, and for those that were there at the begin, at most so many are looked at closely: 25 us each. */
#define MOST_CLOSE 4096

/* ---- who there is ----------------------------------------------------------------------------------------------------- */

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
add_thread(struct conc_watch_record *record, int tid)
{
    struct conc_watched *watched = conc_watched_add(&record->threads, tid);
    if (watched == NULL) {
        record->threads.left_out++;
        return;
    }
    watched->born_before = record->looks == 0;
    conc_runs_add_track(&record->segments, &watched->track);
    if (!conc_record_thread_begin(record, watched)) {
        end_thread(record, watched, watched->begin_ns);
        return;
    }
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

/* Whether there may be others than at the last look. */
static bool
list_threads(struct conc_watch_record *record)
{
    bool due = record->looks % LOOKS_TO_LIST == 0;
    if (record->list < 0)
        return due;
    int count = conc_task_list_count(record->list);
    if (count == record->listed && !due)
        return false;
    /* As they were when they were counted: one that came meanwhile makes the next count another one. */
    if (conc_task_list_read(record->list, found, record) >= 0)
        record->listed = count;
    return true;
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

/* Interpreters that came have threads that came, if they are to wait for a GIL. */
static int
read_gils(struct conc_watch_record *record, struct conc_gil_sample *samples, bool other_threads)
{
    if (record->gils.read == NULL)
        return 0;
    if (other_threads)
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
    conc_holds_begin_look(&record->holds);
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

static bool
passed_over(struct conc_watch_record *record, struct conc_watched *watched)
{
    if (watched->doing.state != CONC_WATCH_NOT_RUNNING)
        return false;
    int64_t turn = record->looks + watched->index;
    if (watched->doing.reason == CONC_WATCH_GIL)
        return turn % LOOKS_TO_WAITER != 0 && conc_record_thread_waits_on(record, watched);
    return turn % LOOKS_TO_STILL != 0 && watched->still >= STILL_AFTER;
}

/* Its name and counts, unless it is gone: what was read may then be of another one that has got its id. */
static bool
look_closely_at_itself(struct conc_watch_record *record, struct conc_watched *watched)
{
    struct conc_watch_used used = watched->now;
    char name[CONC_TASK_NAME_SIZE];
    memcpy(name, watched->name, sizeof(name));
    conc_watch_look_closely(&record->files, watched);
    if (conc_watch_look_place(&record->files, watched))
        return true;
    watched->now = used;
    memcpy(watched->name, name, sizeof(name));
    return false;
}

static void
look_at_all(struct conc_watch_record *record, bool last)
{
    record->ready = 0;
    record->delayed = CONC_SUMS_NOBODY;
    int32_t turns = record->looks % LOOKS_TO_TURN == 0 ? record->threads.alive_count / TURN_SHARE + 1 : 0;
    if (record->turn >= record->threads.alive_count)
        record->turn = 0;
    int32_t next_turn = record->turn + turns;
    for (int32_t i = record->threads.alive_count - 1; i >= 0; i--) {
        struct conc_watched *watched = record->threads.alive[i];
        if (!last && passed_over(record, watched))
            continue;
        bool there = conc_record_thread_look(record, watched, has_its_turn(record, i, turns));
        if (there && !watched->closely_seen && !watched->born_before && watched->now.cpu_ns != 0)
            there = look_closely_at_itself(record, watched);    /* it has run, if that is known, and has its own name */
        if (!there)
            end_thread(record, watched, conc_now_ns());     /* who takes its place was looked at */
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
    bool there = closely ? look_closely_at_itself(record, watched) : conc_watch_look_place(&record->files, watched);
    if (!there)
        end_thread(record, watched, conc_now_ns());     /* another one has its id */
}

static void
look_once(struct conc_watch_record *record, int64_t now_ns, bool last)
{
    struct conc_gil_sample samples[CONC_GIL_LOCKS];
    struct conc_hold *seen[CONC_GIL_LOCKS];
    bool other_threads = list_threads(record);
    int gils = read_gils(record, samples, other_threads);
    see_holds(record, samples, gils, seen);
    look_at_all(record, last);
    add_holds(record, samples, gils, seen, now_ns);
    look_closer(record);
    record->looks++;
    record->last_ns = record->end_ns = now_ns;
}

void
conc_record_look(struct conc_watch_record *record, int64_t now_ns)
{
    look_once(record, now_ns, false);
}

bool
conc_record_is_in_the_way(struct conc_watch_record *record, int32_t cpus)
{
    if (record->delayed < 0 || record->ready >= cpus)
        return false;
    const struct conc_watched *watched = record->threads.all[record->delayed];
    int64_t first_ns, second_ns;
    return conc_watch_look_clock(&record->files, watched, &first_ns) == 0 &&
           conc_watch_look_clock(&record->files, watched, &second_ns) == 0 && first_ns == second_ns;
}

static void
look_closely_at_all(struct conc_watch_record *record)
{
    int32_t place = 0;
    for (int looked = 0; looked < MOST_CLOSE && place < record->threads.alive_count; looked++) {
        struct conc_watched *watched = record->threads.alive[place];
        if (look_closely_at_itself(record, watched))
            place++;
        else
            end_thread(record, watched, record->end_ns);    /* another one takes its place */
    }
}

void
conc_record_finish(struct conc_watch_record *record, int64_t now_ns)
{
    look_once(record, now_ns, true);
    record->end_ns = conc_now_ns();
    conc_holds_finish(&record->holds, now_ns);
    for (int32_t i = 0; i < record->threads.alive_count; i++)
        conc_record_thread_settle(record, record->threads.alive[i], now_ns);
    look_closely_at_all(record);
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
