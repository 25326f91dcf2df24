/* SPDX-License-Identifier: Apache-2.0 */
/* test_stall_judge.c - watch/stall_judge.h: what is a stall, and what only looks like one. Time is made up. */
#include "watch/stall_judge.h"

#include "check.h"

#define MS INT64_C(1000000)
#define LIMIT (100 * MS)
#define TICK (25 * MS)
#define BEAT (20 * MS)

/* A judge, and what it is shown; each tick is TICK later. */
struct scene {
    struct conc_stall_judge judge;
    struct conc_stall_look look;
    unsigned verdicts;                  /* all since the scene was set or looked at last */
};

static struct scene
scene_of(bool gil, bool known)
{
    struct scene scene = {.look = {.now_ns = 1000 * MS, .known = known, .locked = true, .holder = 7, .switches = 3}};
    conc_stall_judge_init(&scene.judge, LIMIT, TICK, gil);
    return scene;
}

static unsigned
ticks(struct scene *scene, int count)
{
    scene->verdicts = 0;
    for (int i = 0; i < count; i++) {
        unsigned verdict = conc_stall_judge_tick(&scene->judge, &scene->look);
        if (verdict & CONC_STALL_ASK)
            scene->look.waiting = true;         /* the voice hears at once */
        scene->verdicts |= verdict;
        scene->look.now_ns += TICK;
    }
    return scene->verdicts;
}

static void
answer(struct scene *scene)
{
    scene->look.waiting = false;
    scene->look.answers++;
    scene->look.switches++;
}

/* One that computes in Python has the GIL for as long as it likes, and lets go of it when somebody asks. */
static void
who_lets_go_is_no_stall(void)
{
    struct scene scene = scene_of(true, true);
    for (int i = 0; i < 20; i++) {
        CHECK_EQ(ticks(&scene, 3), CONC_STALL_ASK);
        answer(&scene);
    }
}

static void
who_does_not_is_one(void)
{
    struct scene scene = scene_of(true, true);
    CHECK_EQ(ticks(&scene, 4), CONC_STALL_ASK);
    CHECK_EQ(ticks(&scene, 1), CONC_STALL_GIL_BEGINS);
    CHECK_EQ(scene.judge.gil_since_ns, 1000 * MS);
    CHECK_EQ(ticks(&scene, 100), 0);            /* one report */
    answer(&scene);
    CHECK_EQ(ticks(&scene, 1), CONC_STALL_GIL_ENDS);
    CHECK_EQ(ticks(&scene, 2), CONC_STALL_ASK);
    CHECK_EQ(ticks(&scene, 3), CONC_STALL_GIL_BEGINS);
    scene.look.switches++;                      /* to somebody else than the voice */
    CHECK_EQ(ticks(&scene, 1), CONC_STALL_GIL_ENDS);
}

/* Many threads that compute hand it to each other; the voice is not the next. */
static void
a_crowd_is_no_stall(void)
{
    struct scene scene = scene_of(true, true);
    scene.look.waiting = true;
    for (int i = 0; i < 100; i++) {
        scene.look.switches++;
        scene.look.holder = i % 5 + 1;
        CHECK_EQ(ticks(&scene, 1) & CONC_STALL_GIL_BEGINS, 0);
    }
}

static void
an_idle_program_is_not_asked(void)
{
    struct scene scene = scene_of(true, true);
    scene.look.locked = false;
    scene.look.holder = 0;
    CHECK_EQ(ticks(&scene, 100), 0);
}

static void
without_a_layout_the_voice_alone_tells(void)
{
    struct scene scene = scene_of(true, false);
    for (int i = 0; i < 10; i++) {
        CHECK_EQ(ticks(&scene, 3), CONC_STALL_ASK);
        answer(&scene);
    }
    CHECK_EQ(ticks(&scene, 3), CONC_STALL_ASK);
    CHECK_EQ(ticks(&scene, 5), CONC_STALL_GIL_BEGINS);
    answer(&scene);
    CHECK_EQ(ticks(&scene, 1), CONC_STALL_GIL_ENDS);
}

/* The voice runs somebody's callback: it cannot be asked, so nothing is known. */
static void
a_busy_voice_is_not_asked(void)
{
    struct scene scene = scene_of(true, true);
    scene.look.busy = true;
    CHECK_EQ(ticks(&scene, 100), 0);
    scene.look.busy = false;
    CHECK_EQ(ticks(&scene, 1), CONC_STALL_ASK);
}

/* That it was asked and has not come is no proof that somebody keeps it from coming. */
static void
a_voice_that_does_not_wait_proves_nothing(void)
{
    struct scene scene = scene_of(true, true);
    for (int i = 0; i < 100; i++) {
        CHECK_EQ(ticks(&scene, 1) & CONC_STALL_GIL_BEGINS, 0);
        scene.look.waiting = false;
    }
}

/* The whole process was stopped for an hour. */
static void
time_in_which_nobody_ran_does_not_count(void)
{
    struct scene scene = scene_of(true, true);
    struct conc_stall_loop loop = {.phase = CONC_LOOP_STILL};
    bool ended;
    ticks(&scene, 2);
    conc_stall_loop_tick(&loop, &scene.judge, BEAT, 1, &ended);
    scene.look.waiting = true;
    scene.look.now_ns += 3600 * 1000 * MS;
    CHECK_EQ(ticks(&scene, 1) & CONC_STALL_GIL_BEGINS, 0);
    conc_stall_loop_tick(&loop, &scene.judge, BEAT, 1, &ended);
    CHECK_EQ(loop.phase, CONC_LOOP_TURNS);
    scene.look.now_ns -= 7200 * 1000 * MS;      /* a clock that goes back is not believed */
    CHECK_EQ(ticks(&scene, 1) & CONC_STALL_GIL_BEGINS, 0);
}

static void
no_gil_no_stall_of_it(void)
{
    struct scene scene = scene_of(false, false);
    scene.look.waiting = true;
    CHECK_EQ(ticks(&scene, 100), 0);
}

static enum conc_stall_loop_phase
turn(struct scene *scene, struct conc_stall_loop *loop, uint64_t beats, bool *ended)
{
    ticks(scene, 1);
    conc_stall_loop_tick(loop, &scene->judge, BEAT, beats, ended);
    return loop->phase;
}

static void
a_loop_is_late_after_the_limit_and_a_beat(void)
{
    struct scene scene = scene_of(false, false);
    struct conc_stall_loop loop = {.phase = CONC_LOOP_STILL};
    bool ended;
    for (int i = 0; i < 100; i++)               /* it has not begun to run */
        CHECK_EQ(turn(&scene, &loop, 0, &ended), CONC_LOOP_STILL);
    for (uint64_t beats = 1; beats < 100; beats++)
        CHECK_EQ(turn(&scene, &loop, beats, &ended), CONC_LOOP_TURNS);
    for (int i = 0; i < 4; i++)                 /* 100 ms */
        CHECK_EQ(turn(&scene, &loop, 99, &ended), CONC_LOOP_TURNS);
    CHECK_EQ(turn(&scene, &loop, 99, &ended), CONC_LOOP_LATE);
    CHECK(!ended);
    loop.phase = CONC_LOOP_STALLED;             /* as the voice says */
    for (int i = 0; i < 100; i++)
        CHECK_EQ(turn(&scene, &loop, 99, &ended), CONC_LOOP_STALLED);
    CHECK_EQ(turn(&scene, &loop, 100, &ended), CONC_LOOP_TURNS);
    CHECK(ended);
    CHECK_EQ(turn(&scene, &loop, 101, &ended), CONC_LOOP_TURNS);
    CHECK(!ended);
}

static void
a_loop_that_does_not_run_is_left_alone_until_it_does(void)
{
    struct scene scene = scene_of(false, false);
    struct conc_stall_loop loop = {.phase = CONC_LOOP_STILL};
    bool ended;
    turn(&scene, &loop, 1, &ended);
    for (int i = 0; i < 5; i++)
        turn(&scene, &loop, 1, &ended);
    CHECK_EQ(loop.phase, CONC_LOOP_LATE);
    loop.phase = CONC_LOOP_STILL;
    CHECK_EQ(turn(&scene, &loop, 1, &ended), CONC_LOOP_STILL);
    CHECK_EQ(turn(&scene, &loop, 2, &ended), CONC_LOOP_TURNS);
    CHECK(!ended);
}

/* What keeps the GIL keeps the loop from turning: that is one stall, not two. */
static void
a_loop_without_the_gil_is_not_late(void)
{
    struct scene scene = scene_of(true, true);
    struct conc_stall_loop loop = {.phase = CONC_LOOP_STILL};
    bool ended;
    turn(&scene, &loop, 1, &ended);
    for (int i = 0; i < 100; i++) {
        turn(&scene, &loop, 1, &ended);
        CHECK(loop.phase == CONC_LOOP_TURNS);
    }
    CHECK(scene.judge.stalled);
    answer(&scene);
    scene.look.locked = false;
    CHECK_EQ(turn(&scene, &loop, 1, &ended), CONC_LOOP_TURNS);
    for (int i = 0; i < 5; i++)
        turn(&scene, &loop, 1, &ended);
    CHECK_EQ(loop.phase, CONC_LOOP_LATE);       /* now it has the GIL */
}

int
main(void)
{
    who_lets_go_is_no_stall();
    who_does_not_is_one();
    a_crowd_is_no_stall();
    an_idle_program_is_not_asked();
    without_a_layout_the_voice_alone_tells();
    a_busy_voice_is_not_asked();
    a_voice_that_does_not_wait_proves_nothing();
    time_in_which_nobody_ran_does_not_count();
    no_gil_no_stall_of_it();
    a_loop_is_late_after_the_limit_and_a_beat();
    a_loop_that_does_not_run_is_left_alone_until_it_does();
    a_loop_without_the_gil_is_not_late();
    return 0;
}
