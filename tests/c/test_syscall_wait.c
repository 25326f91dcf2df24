/* SPDX-License-Identifier: Apache-2.0 */
/* test_syscall_wait.c - os/syscall_wait.h: each kind of wait from a call's number and arguments, and what a thread of ours
 * parks for, as the kernel shows it. */
#include "os/syscall_wait.h"

#include <linux/futex.h>
#include <sys/syscall.h>

#include "crew.h"
#include "os/clock.h"
#include "os/task_syscall.h"

static struct conc_syscall_wait
wait_of(const struct conc_task_syscall *call)
{
    struct conc_syscall_wait wait;
    CHECK_EQ(conc_syscall_wait_of(call, &wait), 0);
    return wait;
}

static struct conc_syscall_wait
wait_in(long number, uint64_t first, uint64_t second)
{
    struct conc_task_syscall call = {.kind = CONC_SYSCALL_BLOCKED, .number = number, .arguments = {first, second}};
    return wait_of(&call);
}

static void
test_kinds_of_waits(void)
{
    const struct {
        long number;
        uint64_t first, second;
        enum conc_wait_kind kind;
        int descriptor;
    } rows[] = {
        {SYS_futex, 0x7000, FUTEX_WAIT, CONC_WAIT_FUTEX, -1},
        {SYS_read, 7, 0, CONC_WAIT_DESCRIPTOR, 7},
        {SYS_recvfrom, 8, 0, CONC_WAIT_DESCRIPTOR, 8},
        {SYS_fsync, 9, 0, CONC_WAIT_DESCRIPTOR, 9},
        {SYS_openat, UINT64_MAX - 99, 0, CONC_WAIT_DISK, -1},
        {SYS_epoll_pwait, 5, 0, CONC_WAIT_POLL, 5},
        {SYS_ppoll, 0x7000, 1, CONC_WAIT_POLL, -1},
        {SYS_ppoll, 0, 0, CONC_WAIT_SLEEP, -1},
        {SYS_pselect6, 4, 0x7000, CONC_WAIT_POLL, -1},
        {SYS_pselect6, 0, 0, CONC_WAIT_SLEEP, -1},
        {SYS_flock, 3, 2, CONC_WAIT_LOCK, -1},
        {SYS_wait4, 1, 0, CONC_WAIT_PROCESS, -1},
        {SYS_clock_nanosleep, 1, 1, CONC_WAIT_SLEEP, -1},
        {SYS_restart_syscall, 0, 0, CONC_WAIT_AGAIN, -1},
        {426, 3, 0, CONC_WAIT_IO, -1},
        {SYS_getpid, 3, 0, CONC_WAIT_OTHER, -1},
        {100000, 3, 0, CONC_WAIT_OTHER, -1},
        {-1, 3, 0, CONC_WAIT_OTHER, -1},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        struct conc_syscall_wait wait = wait_in(rows[i].number, rows[i].first, rows[i].second);
        CHECK_EQ(wait.kind, rows[i].kind);
        CHECK_EQ(wait.descriptor, rows[i].descriptor);
        CHECK_EQ(wait.futex, rows[i].kind == CONC_WAIT_FUTEX ? rows[i].first : 0);
        CHECK_EQ(wait.cause, CONC_PARK_UNTOLD);
    }
}

/* The fifth argument is a tag in one of futex(2)'s operations alone. */
static void
test_a_tag_is_one_where_the_kernel_ignores_it(void)
{
    struct conc_task_syscall call = {
        .kind = CONC_SYSCALL_BLOCKED,
        .number = SYS_futex,
        .arguments = {0x7000, FUTEX_WAIT_BITSET | FUTEX_PRIVATE_FLAG, 0, 0, 0x636f6e04, UINT32_MAX},
    };
    CHECK_EQ(wait_of(&call).cause, CONC_PARK_IDLE);
    call.arguments[1] = FUTEX_WAIT_REQUEUE_PI | FUTEX_PRIVATE_FLAG;
    CHECK_EQ(wait_of(&call).cause, CONC_PARK_UNTOLD);
    call.arguments[1] = FUTEX_WAIT_BITSET;
    call.arguments[4] = 0x636f6e00 + CONC_PARK_CAUSES;
    CHECK_EQ(wait_of(&call).cause, CONC_PARK_UNTOLD);
    call.arguments[4] = UINT64_C(0x1636f6e04);
    CHECK_EQ(wait_of(&call).cause, CONC_PARK_UNTOLD);
}

struct parked {
    enum conc_park_cause cause;
    _Atomic(uint32_t) word;
    atomic_int tid;
};

static void
park(void *arg, unsigned index)
{
    (void)index;
    struct parked *parked = arg;
    atomic_store(&parked->tid, conc_thread_self_id());
    while (atomic_load(&parked->word) == 0)
        (void)conc_park_for(parked->cause, &parked->word, 0, CONC_FOREVER);
}

static void
test_what_a_thread_parks_for(void)
{
    for (int cause = 0; cause < CONC_PARK_CAUSES; cause++) {
        struct parked parked = {.cause = (enum conc_park_cause)cause};
        struct crew crew;
        struct conc_task_syscall call;
        struct conc_syscall_wait wait;
        crew_start(&crew, 1, park, &parked);
        until_blocked(&parked.tid);
        do {
            CHECK_EQ(conc_task_syscall_read(atomic_load(&parked.tid), &call), 0);
            wait = wait_of(&call);
        } while (call.kind != CONC_SYSCALL_BLOCKED || wait.futex != (uintptr_t)&parked.word);
        CHECK_EQ(wait.kind, CONC_WAIT_FUTEX);
        CHECK_EQ(wait.cause, cause);
        atomic_store(&parked.word, 1);
        conc_unpark(&parked.word, 1);
        crew_join(&crew);
    }
}

int
main(void)
{
    test_kinds_of_waits();
    test_a_tag_is_one_where_the_kernel_ignores_it();
    test_what_a_thread_parks_for();
    return 0;
}
