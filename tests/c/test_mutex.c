/* SPDX-License-Identifier: Apache-2.0 */
/* test_mutex.c - sync/mutex excludes, and wakes who waits. */
#include <pthread.h>
#include <sched.h>

#include "check.h"
#include "sync/mutex.h"

#define THREADS 4
#define TURNS (200000 / CONC_TEST_SCALE)

struct shared {
    struct conc_mutex mutex;
    long count;                 /* by mutex; no atomic, so that a sanitizer sees a hole in the lock */
    int inside;                 /* by mutex */
};

static void *
count_up(void *raw)
{
    struct shared *s = raw;
    for (int i = 0; i < TURNS; i++) {
        conc_mutex_lock(&s->mutex);
        CHECK_EQ(++s->inside, 1);
        s->count++;
        if (i % 64 == 0)
            sched_yield();      /* let the others pile up and park */
        s->inside--;
        conc_mutex_unlock(&s->mutex);
    }
    return NULL;
}

int
main(void)
{
    struct shared s = {.count = 0};
    conc_mutex_init(&s.mutex);
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++)
        CHECK_EQ(pthread_create(&threads[i], NULL, count_up, &s), 0);
    for (int i = 0; i < THREADS; i++)
        CHECK_EQ(pthread_join(threads[i], NULL), 0);
    CHECK_EQ(s.count, (long)THREADS * TURNS);
    CHECK_EQ(s.mutex.word, 0);
    return 0;
}
