/* SPDX-License-Identifier: Apache-2.0 */
/* watch/stall_judge.c - see the header. */
#include "watch/stall_judge.h"

void
conc_stall_judge_init(struct conc_stall_judge *judge, int64_t limit_ns, int64_t tick_ns, bool gil)
{
    *judge = (struct conc_stall_judge){.limit_ns = limit_ns, .tick_ns = tick_ns, .gil = gil, .waiting_since = -1};
}

/* A tick that comes very late was not missed by anybody: nobody ran. */
static void
pass_time(struct conc_stall_judge *judge, int64_t now_ns)
{
    int64_t passed = now_ns - judge->now_ns;
    if (!judge->begun || passed < 0)
        passed = 0;
    judge->awake_ns += passed < 2 * judge->tick_ns ? passed : 2 * judge->tick_ns;
    judge->now_ns = now_ns;
}

/* Whether somebody else may have had the GIL since the last look. */
static bool
has_moved(const struct conc_stall_judge *judge, const struct conc_stall_look *look)
{
    if (!judge->begun || look->answers != judge->answers || look->known != judge->known)
        return true;
    if (!look->known)
        return !look->waiting;
    return !look->locked || !judge->locked || look->holder != judge->holder || look->switches != judge->switches;
}

static void
take_over(struct conc_stall_judge *judge, const struct conc_stall_look *look, bool moved)
{
    if (!judge->begun || look->answers != judge->answers) {
        judge->asked = false;
        judge->answered_at = judge->awake_ns;
    }
    if (moved) {
        judge->held_since = judge->awake_ns;
        judge->gil_since_ns = look->now_ns;
    }
    if (!look->waiting || look->answers != judge->answers)
        judge->waiting_since = -1;
    if (look->waiting && judge->waiting_since < 0)
        judge->waiting_since = judge->awake_ns;
    judge->begun = true;
    judge->known = look->known;
    judge->locked = look->locked;
    judge->holder = look->holder;
    judge->switches = look->switches;
    judge->answers = look->answers;
}

unsigned
conc_stall_judge_tick(struct conc_stall_judge *judge, const struct conc_stall_look *look)
{
    unsigned verdict = 0;
    pass_time(judge, look->now_ns);
    bool moved = has_moved(judge, look);
    take_over(judge, look, moved);
    if (!judge->gil)
        return 0;
    if (moved && judge->stalled) {
        judge->stalled = false;
        verdict |= CONC_STALL_GIL_ENDS;
    }
    int64_t held = judge->awake_ns - judge->held_since;
    int64_t unasked = look->known ? held : judge->awake_ns - judge->answered_at;
    if (!judge->asked && !look->busy && unasked >= judge->limit_ns / 2) {
        judge->asked = true;
        verdict |= CONC_STALL_ASK;
    }
    bool waits = judge->waiting_since >= 0 && judge->awake_ns - judge->waiting_since >= judge->limit_ns / 4;
    if (!judge->stalled && waits && held >= judge->limit_ns) {
        judge->stalled = true;
        verdict |= CONC_STALL_GIL_BEGINS;
    }
    return verdict;
}

void
conc_stall_loop_tick(struct conc_stall_loop *loop, const struct conc_stall_judge *judge, int64_t beat_ns,
                     uint64_t beats, bool *ended)
{
    *ended = false;
    if (beats != loop->beats) {
        *ended = loop->phase == CONC_LOOP_STALLED;
        *loop = (struct conc_stall_loop){CONC_LOOP_TURNS, beats, judge->awake_ns, judge->now_ns};
    }
    else if (judge->stalled && (loop->phase == CONC_LOOP_TURNS || loop->phase == CONC_LOOP_LATE)) {
        /* Nothing turns without the GIL, and that is told already. */
        *loop = (struct conc_stall_loop){CONC_LOOP_TURNS, beats, judge->awake_ns, judge->now_ns};
    }
    else if (loop->phase == CONC_LOOP_TURNS && judge->awake_ns - loop->since >= beat_ns + judge->limit_ns)
        loop->phase = CONC_LOOP_LATE;
}
