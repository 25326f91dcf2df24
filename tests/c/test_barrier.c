/* SPDX-License-Identifier: Apache-2.0 */
/* test_barrier.c - nobody passes before all have come, what was written before is seen after, and a stop frees all. */
#include "sync/barrier.h"

#include <errno.h>
#include <pthread.h>

#include "check.h"

#define THREADS 4
#define ROUNDS (2000 / CONC_TEST_SCALE)

struct shared {
    struct conc_barrier barrier;
    struct conc_stop stop;
    unsigned written[THREADS];              /* plain: the barrier alone orders it */
    atomic_uint came;
    atomic_uint ended;
};

struct place {
    struct shared *shared;
    unsigned index;
};

static void *
pass_rounds(void *raw)
{
    struct place *place = raw;
    struct shared *s = place->shared;
    for (unsigned round = 1; round <= ROUNDS; round++) {
        s->written[place->index] = round;
        atomic_fetch_add(&s->came, 1);
        CHECK_EQ(conc_barrier_wait(&s->barrier, &s->stop), 0);
        CHECK(atomic_load(&s->came) >= round * THREADS);
        for (unsigned i = 0; i < THREADS; i++)
            CHECK_EQ(s->written[i], round);
        CHECK_EQ(conc_barrier_wait(&s->barrier, &s->stop), 0);      /* all have read before anybody writes again */
    }
    return NULL;
}

static void
test_rounds(void)
{
    struct shared shared = {0};
    struct place places[THREADS];
    pthread_t threads[THREADS];
    conc_barrier_init(&shared.barrier, THREADS);
    conc_stop_init(&shared.stop, NULL);
    for (unsigned i = 0; i < THREADS; i++) {
        places[i] = (struct place){&shared, i};
        CHECK_EQ(pthread_create(&threads[i], NULL, pass_rounds, &places[i]), 0);
    }
    for (unsigned i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    CHECK_EQ(atomic_load(&shared.came), ROUNDS * THREADS);
}

static void *
wait_for_the_missing(void *raw)
{
    struct shared *s = raw;
    CHECK_EQ(conc_barrier_wait(&s->barrier, &s->stop), -ECANCELED);
    atomic_fetch_add(&s->ended, 1);
    return NULL;
}

static void
test_stop(void)
{
    struct shared shared = {0};
    pthread_t threads[THREADS - 1];
    conc_barrier_init(&shared.barrier, THREADS);
    conc_stop_init(&shared.stop, NULL);
    for (unsigned i = 0; i < THREADS - 1; i++)
        CHECK_EQ(pthread_create(&threads[i], NULL, wait_for_the_missing, &shared), 0);
    CHECK_EQ(atomic_load(&shared.ended), 0);
    conc_stop_request(&shared.stop);
    for (unsigned i = 0; i < THREADS - 1; i++)
        pthread_join(threads[i], NULL);
    CHECK_EQ(atomic_load(&shared.ended), THREADS - 1);
}

static void
test_alone(void)
{
    struct conc_barrier barrier;
    struct conc_stop stop;
    conc_barrier_init(&barrier, 1);
    conc_stop_init(&stop, NULL);
    for (int i = 0; i < 10; i++)
        CHECK_EQ(conc_barrier_wait(&barrier, &stop), 0);
}

int
main(void)
{
    test_rounds();
    test_stop();
    test_alone();
    return 0;
}
