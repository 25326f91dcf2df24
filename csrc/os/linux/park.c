/* SPDX-License-Identifier: Apache-2.0 */
/* os/linux/park.c - futex(2), private to the process, absolute deadlines on CLOCK_MONOTONIC; two words at once by
 * futex_waitv(2), which Linux has from 5.16 on and sandboxes may refuse. */
#include "os/park.h"

#include <errno.h>
#include <linux/futex.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "os/clock.h"
#include "os/interrupt.h"
#include "os/linux/futex.h"
#include "os/linux/newer_calls.h"
#include "os/linux/park_tag.h"
#include "os/registry.h"

#define WAITV_32_BITS 2u

struct waitv {
    uint64_t expected, address;
    uint32_t flags, reserved;
};

static struct timespec
time_of(int64_t deadline_ns)
{
    return (struct timespec){.tv_sec = (time_t)(deadline_ns / CONC_NS_PER_S),
                             .tv_nsec = (long)(deadline_ns % CONC_NS_PER_S)};
}

static int
wait_one(enum conc_park_cause cause, const volatile void *word, uint32_t expected, bool private, int64_t deadline_ns)
{
    struct timespec ts = time_of(deadline_ns);
    /* FUTEX_WAIT_BITSET takes an absolute time, so that a restarted wait does not grow. */
    long rc = syscall(SYS_futex, word, FUTEX_WAIT_BITSET | (private ? FUTEX_PRIVATE_FLAG : 0), expected,
                      deadline_ns == CONC_FOREVER ? NULL : &ts, (unsigned long)conc_park_tag(cause),
                      FUTEX_BITSET_MATCH_ANY);
    return rc == 0 || errno == EAGAIN ? 0 : -errno;
}

static int
wait_two(enum conc_park_cause cause, const volatile void *word, uint32_t expected, bool private, int64_t deadline_ns,
         const struct conc_interrupt *interrupt)
{
    struct timespec ts = time_of(deadline_ns);
    const struct waitv waits[2] = {
        {expected, (uint64_t)(uintptr_t)word, WAITV_32_BITS | (private ? FUTEX_PRIVATE_FLAG : 0u), 0},
        {interrupt->expected, (uint64_t)(uintptr_t)interrupt->word, WAITV_32_BITS | FUTEX_PRIVATE_FLAG, 0},
    };
    long rc = syscall(SYS_futex_waitv, waits, 2, 0, deadline_ns == CONC_FOREVER ? NULL : &ts, CLOCK_MONOTONIC,
                      (unsigned long)conc_park_tag(cause));
    return rc >= 0 || errno == EAGAIN ? 0 : -errno;
}

int
conc_futex_wait(enum conc_park_cause cause, const volatile void *word, uint32_t expected, bool private,
                int64_t deadline_ns, const struct conc_interrupt *interrupt)
{
    if (interrupt == NULL)
        return wait_one(cause, word, expected, private, deadline_ns);
    if (conc_interrupt_came(interrupt))
        return -EINTR;
    if (conc_registry_parks_on_two()) {
        int err = wait_two(cause, word, expected, private, deadline_ns, interrupt);
        return conc_interrupt_came(interrupt) ? -EINTR : err;
    }
    int64_t look = conc_interrupt_next_look(interrupt, deadline_ns);
    int err = wait_one(cause, word, expected, private, look);
    return err == -ETIMEDOUT && look < deadline_ns ? 0 : err;
}

int
conc_park_for(enum conc_park_cause cause, _Atomic(uint32_t) *word, uint32_t expected, int64_t deadline_ns)
{
    return wait_one(cause, word, expected, true, deadline_ns);
}

int
conc_park_interruptible(enum conc_park_cause cause, _Atomic(uint32_t) *word, uint32_t expected, int64_t deadline_ns)
{
    return conc_futex_wait(cause, word, expected, true, deadline_ns, conc_interrupt_get());
}

void
conc_unpark(_Atomic(uint32_t) *word, unsigned count)
{
    /* EFAULT after the owner freed the word is expected and harmless. */
    (void)syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, count, NULL, NULL, 0);
}

bool
conc_park_learn_two(void)
{
    /* On no word at all: EINVAL where the call is known and allowed. */
    return syscall(SYS_futex_waitv, NULL, 0, 0, NULL, CLOCK_MONOTONIC) < 0 && errno == EINVAL;
}
