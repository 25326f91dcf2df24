/* SPDX-License-Identifier: Apache-2.0 */
/* test_completion.c - sync/completion.h: everybody learns of the end once, sees what was written before it, and may
 * free the completion at once. */
#include "sync/completion.h"

#include "base/alloc.h"
#include "crew.h"
#include "os/clock.h"

struct told {
    struct conc_waiter waiter;          /* first: notify() is given its address */
    struct conc_completion *of;
    int times;
    int done_when_told;
};

static void
tell(struct conc_waiter *waiter)
{
    struct told *told = (struct told *)waiter;
    told->times++;
    told->done_when_told = conc_completion_done(told->of);
}

static void
pending_then_done(void)
{
    struct conc_completion completion;
    struct told told[3] = {0};
    conc_completion_init(&completion);
    CHECK(!conc_completion_done(&completion));
    CHECK_EQ(conc_completion_wait(&completion, 0), -ETIMEDOUT);
    for (int i = 0; i < 3; i++) {
        told[i] = (struct told){{tell, NULL}, &completion, 0, 0};
        CHECK(conc_completion_add_waiter(&completion, &told[i].waiter));
        CHECK_EQ(told[i].times, 0);
    }
    conc_complete(&completion);
    CHECK(conc_completion_done(&completion));
    CHECK_EQ(conc_completion_wait(&completion, 0), 0);
    CHECK_EQ(conc_completion_wait(&completion, CONC_FOREVER), 0);
    struct told late = {{tell, NULL}, &completion, 0, 0};
    CHECK(!conc_completion_add_waiter(&completion, &late.waiter));
    CHECK_EQ(late.times, 0);
    for (int i = 0; i < 3; i++) {
        CHECK_EQ(told[i].times, 1);
        CHECK_EQ(told[i].done_when_told, 1);
    }
}

static void
deadline_is_kept(void)
{
    struct conc_completion completion;
    conc_completion_init(&completion);
    int64_t deadline = conc_deadline_after(2000000);
    CHECK_EQ(conc_completion_wait(&completion, deadline), -ETIMEDOUT);
    CHECK(conc_now_ns() >= deadline);
    conc_complete(&completion);             /* after a wait that gave up */
    CHECK_EQ(conc_completion_wait(&completion, 0), 0);
}

struct race {
    struct conc_completion completion;
    int value;                          /* plain: the completion alone orders it */
    atomic_int tid;
    atomic_bool interrupted;
    atomic_int told, refused;
};

static void
wait_for_value(void *arg, unsigned index)
{
    (void)index;
    struct race *race = arg;
    atomic_store(&race->tid, conc_thread_self_id());
    CHECK_EQ(conc_completion_wait(&race->completion, CONC_FOREVER), 0);
    CHECK_EQ(race->value, 42);
}

static void
many_parked_waiters(void)
{
    for (int turn = 0; turn < TURNS(200); turn++) {
        struct race race = {0};
        conc_completion_init(&race.completion);
        struct crew crew;
        crew_start(&crew, 12, wait_for_value, &race);
        if (turn % 2 == 0)
            until_blocked(&race.tid);
        race.value = 42;
        conc_complete(&race.completion);
        crew_join(&crew);
    }
}

struct counted {
    struct conc_waiter waiter;
    struct race *race;
    int mine;                           /* written by the adder, read by the teller */
};

static void
count_told(struct conc_waiter *waiter)
{
    struct counted *counted = (struct counted *)waiter;
    struct race *race = counted->race;
    CHECK_EQ(counted->mine, 7);
    CHECK_EQ(race->value, 42);
    CHECK(conc_completion_done(&race->completion));
    conc_free(counted);                 /* notify() may free the waiter */
    atomic_fetch_add(&race->told, 1);
}

#define ADDED_EACH 50

static void
add_or_complete(void *arg, unsigned index)
{
    struct race *race = arg;
    if (index == 0) {
        race->value = 42;
        conc_complete(&race->completion);
        return;
    }
    for (int i = 0; i < ADDED_EACH; i++) {
        struct counted *counted;
        HAVE(counted = conc_alloc(sizeof(*counted)));
        *counted = (struct counted){{count_told, NULL}, race, 7};
        if (conc_completion_add_waiter(&race->completion, &counted->waiter))
            continue;
        CHECK_EQ(race->value, 42);
        conc_free(counted);
        atomic_fetch_add(&race->refused, 1);
    }
}

/* Each waiter is told exactly once or refused, whenever it comes. */
static void
added_while_completing(void)
{
    for (int turn = 0; turn < TURNS(2000); turn++) {
        struct race race = {0};
        conc_completion_init(&race.completion);
        crew_run(4, add_or_complete, &race);
        CHECK_EQ(atomic_load(&race.told) + atomic_load(&race.refused), 3 * ADDED_EACH);
    }
}

static void
complete_it(void *arg, unsigned index)
{
    (void)index;
    struct race *race = arg;
    race->value = 42;
    conc_complete(&race->completion);   /* the waiter frees it as soon as it is done */
}

static void
freed_right_after_the_wait(void)
{
    for (int turn = 0; turn < TURNS(3000); turn++) {
        struct race *race;
        HAVE(race = conc_alloc(sizeof(*race)));
        conc_completion_init(&race->completion);
        struct crew crew;
        crew_start(&crew, 1, complete_it, race);
        CHECK_EQ(conc_completion_wait(&race->completion, CONC_FOREVER), 0);
        CHECK_EQ(race->value, 42);
        conc_free(race);
        crew_join(&crew);
    }
}

static void
wait_for_signal(void *arg, unsigned index)
{
    (void)index;
    struct race *race = arg;
    atomic_store(&race->tid, conc_thread_self_id());
    CHECK_EQ(conc_completion_wait(&race->completion, CONC_FOREVER), -EINTR);
    atomic_store(&race->interrupted, true);
    CHECK_EQ(conc_completion_wait(&race->completion, 0), -ETIMEDOUT);
}

static void
signal_ends_the_wait(void)
{
    struct race race = {0};
    conc_completion_init(&race.completion);
    struct crew crew;
    crew_start(&crew, 1, wait_for_signal, &race);
    until_blocked(&race.tid);
    interrupt_until(crew.threads[0], &race.interrupted);
    crew_join(&crew);
    conc_complete(&race.completion);
}

int
main(void)
{
    interruptible();
    pending_then_done();
    deadline_is_kept();
    many_parked_waiters();
    added_while_completing();
    freed_right_after_the_wait();
    signal_ends_the_wait();
    return 0;
}
