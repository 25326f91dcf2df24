/* SPDX-License-Identifier: Apache-2.0 */
/* os/linux/park.c - futex(2), private to the process, absolute deadlines on CLOCK_MONOTONIC. */
#include "os/park.h"

#include <errno.h>
#include <linux/futex.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "os/clock.h"
#include "os/linux/park_tag.h"

int
conc_park_for(enum conc_park_cause cause, _Atomic(uint32_t) *word, uint32_t expected, int64_t deadline_ns)
{
    struct timespec ts = {.tv_sec = (time_t)(deadline_ns / CONC_NS_PER_S),
                          .tv_nsec = (long)(deadline_ns % CONC_NS_PER_S)};
    /* FUTEX_WAIT_BITSET takes an absolute time, so that a restarted wait does not grow. */
    long rc = syscall(SYS_futex, word, FUTEX_WAIT_BITSET | FUTEX_PRIVATE_FLAG, expected,
                      deadline_ns == CONC_FOREVER ? NULL : &ts, (unsigned long)conc_park_tag(cause),
                      FUTEX_BITSET_MATCH_ANY);
    if (rc == 0 || errno == EAGAIN)
        return 0;
    return -errno;
}

void
conc_unpark(_Atomic(uint32_t) *word, unsigned count)
{
    /* EFAULT after the owner freed the word is expected and harmless. */
    (void)syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, count, NULL, NULL, 0);
}
