/* SPDX-License-Identifier: Apache-2.0 */
/* raw_threads.c - threads as the C library gives them, with its default attributes: what conc.Thread is measured against.
 * benchmarks/raw_threads.py compiles it and calls it. Functions return 0 or an errno. */
#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

struct raw_parked {
    atomic_uint open;               /* a futex: 0 while the threads are to sleep */
    int count;
    pthread_t threads[];
};

int raw_start_join(int count);
int raw_park(int count, struct raw_parked **parked);
int raw_release(struct raw_parked *parked);

static void *
nothing(void *arg)
{
    return arg;
}

/* Starts and joins one thread after the other. */
int
raw_start_join(int count)
{
    for (int i = 0; i < count; i++) {
        pthread_t thread;
        int err = pthread_create(&thread, NULL, nothing, NULL);
        if (err == 0)
            err = pthread_join(thread, NULL);
        if (err != 0)
            return err;
    }
    return 0;
}

static void *
sleep_until_open(void *raw)
{
    struct raw_parked *parked = raw;
    while (atomic_load(&parked->open) == 0)
        syscall(SYS_futex, &parked->open, FUTEX_WAIT_PRIVATE, 0, NULL, NULL, 0);
    return NULL;
}

/* Starts threads that sleep until raw_release(), which is to be called with what stands in *parked then. */
int
raw_park(int count, struct raw_parked **parked)
{
    struct raw_parked *made = malloc(sizeof(*made) + (size_t)count * sizeof(pthread_t));
    if (made == NULL)
        return ENOMEM;
    atomic_init(&made->open, 0);
    for (made->count = 0; made->count < count; made->count++) {
        int err = pthread_create(&made->threads[made->count], NULL, sleep_until_open, made);
        if (err != 0) {
            raw_release(made);
            return err;
        }
    }
    *parked = made;
    return 0;
}

/* Wakes them, joins them and frees them. */
int
raw_release(struct raw_parked *parked)
{
    int err = 0;
    atomic_store(&parked->open, 1);
    syscall(SYS_futex, &parked->open, FUTEX_WAKE_PRIVATE, INT_MAX, NULL, NULL, 0);
    for (int i = 0; i < parked->count && err == 0; i++)
        err = pthread_join(parked->threads[i], NULL);
    if (err == 0)
        free(parked);
    return err;
}
