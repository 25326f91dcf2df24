/* SPDX-License-Identifier: Apache-2.0 */
/* sleep and spin: they last as long as asked, end at a stop from another thread, and let a poll stop them. */
#include <errno.h>
#include <pthread.h>

#include "check.h"
#include "kernels/sleep.h"
#include "kernels/spin.h"
#include "os/clock.h"

#define SHORT_NS INT64_C(5000000)

static void
test_they_last(void)
{
    struct conc_stop stop;
    conc_stop_init(&stop, NULL);
    int64_t before = conc_now_ns();
    struct conc_sleep sleep = {.duration_ns = SHORT_NS};
    CHECK_EQ(conc_kernel_sleep.run(&sleep, &stop), 0);
    CHECK(conc_now_ns() - before >= SHORT_NS);

    before = conc_now_ns();
    struct conc_spin spin = {.duration_ns = SHORT_NS};
    CHECK_EQ(conc_kernel_spin.run(&spin, &stop), 0);
    int64_t elapsed = conc_now_ns() - before;
    CHECK(elapsed >= SHORT_NS);
    CHECK(spin.cpu_ns > 0 && spin.cpu_ns <= elapsed);
}

static void *
request(void *stop)
{
    conc_stop_request(stop);
    return NULL;
}

static void
test_stop_from_another_thread(const struct conc_kernel *kernel, void *state)
{
    struct conc_stop stop;
    conc_stop_init(&stop, NULL);
    pthread_t thread;
    CHECK_EQ(pthread_create(&thread, NULL, request, &stop), 0);
    CHECK_EQ(kernel->run(state, &stop), -ECANCELED);
    pthread_join(thread, NULL);
}

/* A stop whose poll is counted, and answers yes at the third. */
struct counted {
    struct conc_stop stop;
    int polls;
};

static bool
third_poll(struct conc_stop *stop)
{
    return ++((struct counted *)stop)->polls == 3;
}

static void
test_stop_by_poll(const struct conc_kernel *kernel, void *state)
{
    struct counted counted = {.polls = 0};
    conc_stop_init(&counted.stop, third_poll);
    int64_t before = conc_now_ns();
    CHECK_EQ(kernel->run(state, &counted.stop), -ECANCELED);
    CHECK_EQ(counted.polls, 3);
    CHECK(conc_now_ns() - before >= 3 * CONC_STOP_POLL_NS);     /* never more often than due */
}

/* A poll that takes itself away is not called again, and the kernel goes on to its end. */
static bool
last_poll(struct conc_stop *stop)
{
    ((struct counted *)stop)->polls++;
    stop->poll = NULL;
    return false;
}

static void
test_poll_takes_itself_away(const struct conc_kernel *kernel, void *state)
{
    struct counted counted = {.polls = 0};
    conc_stop_init(&counted.stop, last_poll);
    CHECK_EQ(kernel->run(state, &counted.stop), 0);
    CHECK_EQ(counted.polls, 1);
}

int
main(void)
{
    test_they_last();
    struct conc_sleep sleep = {.duration_ns = CONC_FOREVER};
    struct conc_spin spin = {.duration_ns = CONC_FOREVER};
    test_stop_from_another_thread(&conc_kernel_sleep, &sleep);
    test_stop_from_another_thread(&conc_kernel_spin, &spin);
    test_stop_by_poll(&conc_kernel_sleep, &sleep);
    test_stop_by_poll(&conc_kernel_spin, &spin);
    sleep.duration_ns = spin.duration_ns = 5 * CONC_STOP_POLL_NS;
    test_poll_takes_itself_away(&conc_kernel_sleep, &sleep);
    test_poll_takes_itself_away(&conc_kernel_spin, &spin);
    return 0;
}
