/* SPDX-License-Identifier: Apache-2.0 */
/* test_interrupt.c - os/interrupt.h: another thread ends a wait on a word or on a descriptor, and no change is missed. */
#include "os/interrupt.h"

#include "crew.h"
#include "os/clock.h"
#include "os/descriptor.h"
#include "os/park.h"
#include "os/registry.h"
#include "os/syscall_wait.h"
#include "os/task_syscall.h"

static _Atomic(uint32_t) word, interrupts;

static void
come(void)
{
    atomic_fetch_add(&interrupts, 1);
    conc_unpark(&interrupts, CONC_UNPARK_ALL);
}

static void
without_one_it_is_a_park(void)
{
    atomic_store(&word, 1);
    CHECK(conc_interrupt_get() == NULL);
    CHECK_EQ(conc_park_interruptible(CONC_PARK_JOIN, &word, 1, 0), -ETIMEDOUT);
    CHECK_EQ(conc_park_interruptible(CONC_PARK_JOIN, &word, 2, CONC_FOREVER), 0);
}

static void
one_that_came_before_ends_the_wait(void)
{
    const struct conc_interrupt interrupt = {&interrupts, atomic_load(&interrupts)};
    conc_interrupt_set(&interrupt);
    CHECK_EQ(conc_park_interruptible(CONC_PARK_JOIN, &word, 1, 0), -ETIMEDOUT);
    CHECK_EQ(conc_park_interruptible(CONC_PARK_JOIN, &word, 2, CONC_FOREVER), 0);
    come();
    CHECK_EQ(conc_park_interruptible(CONC_PARK_JOIN, &word, 1, CONC_FOREVER), -EINTR);
    CHECK_EQ(conc_park(&word, 1, 0), -ETIMEDOUT);           /* a lock's wait goes on */
    conc_interrupt_set(NULL);
}

struct waiting {
    int fd;                     /* -1: on the word */
    atomic_int tid;
    atomic_bool over;
};

static void
wait_for_one(void *arg, unsigned index)
{
    (void)index;
    struct waiting *waiting = arg;
    const struct conc_interrupt interrupt = {&interrupts, atomic_load(&interrupts)};
    conc_interrupt_set(&interrupt);
    atomic_store(&waiting->tid, conc_thread_self_id());
    struct conc_descriptor_wait wait = {.fd = waiting->fd};
    int err = 0;
    while (err == 0)
        err = waiting->fd >= 0 ? conc_descriptor_wait(&wait, 1, CONC_FOREVER)
                               : conc_park_interruptible(CONC_PARK_JOIN, &word, 1, CONC_FOREVER);
    CHECK_EQ(err, -EINTR);
    conc_interrupt_set(NULL);
}

/* A wait that may be ended is one for an end or a result, and a look at the thread says so. */
static void
check_what_for(int tid)
{
    struct conc_task_syscall call;
    struct conc_syscall_wait wait;
    CHECK_EQ(conc_task_syscall_read(tid, &call), 0);
    CHECK_EQ(conc_syscall_wait_of(&call, &wait), 0);
    CHECK_EQ(wait.kind, CONC_WAIT_FUTEX);
    CHECK_EQ(wait.cause, CONC_PARK_JOIN);
}

static void
wait_on(int fd)
{
    struct waiting waiting = {.fd = fd};
    struct crew crew;
    crew_start(&crew, 1, wait_for_one, &waiting);
    until_blocked(&waiting.tid);
    if (fd < 0)
        check_what_for(atomic_load(&waiting.tid));
    come();
    crew_join(&crew);
}

static void
one_that_comes_ends_the_wait(void)
{
    int ends[2];
    CHECK_EQ(pipe(ends), 0);
    atomic_store(&word, 1);
    wait_on(-1);
    wait_on(ends[0]);
    close(ends[0]);
    close(ends[1]);
}

static void
interrupt_or_change(void *arg, unsigned index)
{
    int *rounds = arg;
    for (int i = 0; i < *rounds; i++) {
        if (index == 0) {
            come();
            continue;
        }
        const struct conc_interrupt interrupt = {&interrupts, atomic_load(&interrupts)};
        conc_interrupt_set(&interrupt);
        if (interrupt.expected < (uint32_t)*rounds) {       /* another one will come */
            int err = 0;
            while (err == 0)
                err = conc_park_interruptible(CONC_PARK_JOIN, &word, 1, CONC_FOREVER);
            CHECK_EQ(err, -EINTR);
        }
        conc_interrupt_set(NULL);
    }
}

static void
none_is_missed(void)
{
    int rounds = TURNS(20000);
    atomic_store(&word, 1);
    atomic_store(&interrupts, 0);
    crew_run(2, interrupt_or_change, &rounds);
}

static void
all(void)
{
    without_one_it_is_a_park();
    one_that_came_before_ends_the_wait();
    one_that_comes_ends_the_wait();
    none_is_missed();
}

int
main(void)
{
    all();                                      /* looks now and then: what the kernel can do is not known yet */
    CHECK_EQ(conc_registry_init(), 0);
    all();
    return 0;
}
