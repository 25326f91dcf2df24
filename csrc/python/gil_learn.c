/* SPDX-License-Identifier: Apache-2.0 */
/* python/gil_learn.c - where threads wait for the GIL, seen: one thread waits for it, while the caller, which has it, stays
 * in C and looks at what the other one's system call waits on. */
#include "python/gil_layout.h"

#include <errno.h>
#include <stdatomic.h>
#include <string.h>

#include "os/clock.h"
#include "os/task_syscall.h"
#include "os/thread.h"
#include "os/thread_self.h"
#include "python/attach.h"

/* How often a waiter is seen to wait before it is believed, how far apart, and when it is given up. */
#define SIGHTINGS 8
#define BETWEEN_NS INT64_C(1000000)
#define PATIENCE_NS INT64_C(500000000)

/* A thread waits on one of two words of a condition, or on its mutex, which stands behind it. */
#define SPREAD 8

struct waiter {
    PyInterpreterState *interp;     /* alive: the caller is attached to it, or waits for this thread */
    atomic_int tid;                 /* set when nothing but the GIL is left to wait for; -1: it came to nothing */
};

static void *
wait_for_gil(void *raw)
{
    struct waiter *waiter = raw;
    struct conc_attachment attachment;
    if (conc_attachment_make(&attachment, waiter->interp) != 0) {
        atomic_store(&waiter->tid, -1);
        return NULL;
    }
    atomic_store(&waiter->tid, conc_thread_self_id());
    conc_attach(&attachment);
    conc_attachment_drop(&attachment);
    return NULL;
}

static void
pause_until(int64_t deadline_ns)
{
    while (conc_now_ns() < deadline_ns)
        conc_os_thread_yield();
}

/* Sees where it waits, the lowest and the highest address. 0 or a negative errno. */
static int
see(struct waiter *waiter, uint64_t *low, uint64_t *high)
{
    int64_t deadline_ns = conc_deadline_after(PATIENCE_NS);
    *low = UINT64_MAX;
    *high = 0;
    for (int seen = 0; seen < SIGHTINGS;) {
        if (conc_now_ns() >= deadline_ns)
            return -ETIMEDOUT;
        pause_until(conc_deadline_after(BETWEEN_NS));
        int tid = atomic_load(&waiter->tid);
        if (tid == 0)
            continue;
        if (tid < 0)
            return -ENOMEM;
        struct conc_task_syscall call;
        int err = conc_task_syscall_read(tid, &call);
        if (err < 0)
            return err;
        const char *name = call.kind == CONC_SYSCALL_BLOCKED ? conc_syscall_name(call.number) : NULL;
        if (name == NULL || strcmp(name, "futex") != 0)
            continue;
        *low = call.arguments[0] < *low ? call.arguments[0] : *low;
        *high = call.arguments[0] > *high ? call.arguments[0] : *high;
        seen++;
    }
    return *high - *low > SPREAD ? -ENODATA : 0;
}

static int
learn(uint64_t *low, uint64_t *high)
{
    struct waiter waiter = {.interp = PyInterpreterState_Get()};
    struct conc_os_thread_attr attr = {.block_signals = true};
    struct conc_os_thread thread;
    int err = conc_os_thread_create(&attr, wait_for_gil, &waiter, &thread);
    if (err < 0)
        return err;
    err = see(&waiter, low, high);
    CONC_BEGIN_DETACHED             /* uses: thread; the thread waits for what we let go of */
    conc_os_thread_join(&thread, 0);
    CONC_END_DETACHED
    return err;
}

int
conc_gil_layout_learn(struct conc_gil_layout *layout, const char **reason)
{
    uint64_t low = 0, high = 0;
    int err = CONC_FREE_THREADED || conc_is_finalizing() ? -ENOTSUP : learn(&low, &high);
    switch (err) {
    case 0:
        break;
    case -ENOTSUP:
        *reason = "where threads wait for the GIL is learned on builds with a GIL alone, and not while the interpreter ends";
        return err;
    case -ENODATA:
    case -ETIMEDOUT:
        *reason = "a thread that should have waited for the GIL was not seen to";
        return err;
    case -EACCES:
    case -EPERM:
    case -ENOENT:
    case -ENOSYS:
        *reason = "the system does not tell what a thread waits in (/proc/self/task/<tid>/syscall)";
        return err;
    default:
        *reason = strerror(-err);
        return err;
    }
    /* Behind the condition and the mutex that were seen stand those on which a thread waits that has given the GIL up on
     * request: as far again, and as much. */
    uint64_t second = conc_os_condition_bytes() + conc_os_mutex_bytes();
    *layout = (struct conc_gil_layout){
        .version = (uint32_t)Py_Version,
        .learned_begin = low - SPREAD,
        .learned_end = high + second + 2 * SPREAD,
        .learned_interpreter = PyInterpreterState_GetID(PyInterpreterState_Get()),
    };
    return 0;
}
