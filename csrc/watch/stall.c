/* SPDX-License-Identifier: Apache-2.0 */
/* watch/stall.c - see the header. */
#include "watch/stall.h"

#include <errno.h>
#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "os/clock.h"
#include "os/descriptor.h"
#include "os/park.h"
#include "os/registry.h"
#include "os/signal_aside.h"
#include "os/signal_self.h"
#include "os/thread.h"
#include "sync/lock.h"
#include "watch/stall_judge.h"

/* A quarter of the limit, so that a stall is told of before it has lasted for half as long again. */
#define TICKS_PER_LIMIT 4
#define MIN_TICK_NS INT64_C(1000000)
#define MAX_TICK_NS INT64_C(250000000)

#define MAX_LIMIT_NS (INT64_MAX / 4)     /* so that sums of two fit */

#define STACKS_BYTES ((size_t)1 << 20)  /* as much as a pipe may take */
#define STACKS_TRIES 5                  /* faulthandler writes nothing while it writes for another guard */
#define STACKS_PAUSE_NS INT64_C(2000000)
#define STACKS_PATIENCE_NS CONC_NS_PER_S
#define WRITE_PATIENCE_NS CONC_NS_PER_S
#define WRITE_CHUNK ((size_t)4096)      /* a pipe that is ready to be written to takes so much at once */

/* What the voice has to look at. */
enum pending {
    PENDING_ASK = 1,
    PENDING_GIL = 2,
    PENDING_LOOP_ENDED = 4,
    PENDING_EXAMINE = 8,
    PENDING_CLOSED = 16,
};

struct conc_stall {
    /* Constant once the watcher runs: */
    int64_t beat_ns, examine_ns, tick_ns;
    int output, signal, stacks;
    uintptr_t handler;
    uint32_t generation;                /* of forks */
    struct conc_os_thread watcher;

    _Atomic(uint64_t) beats;            /* written by the loop's thread */
    _Atomic(uint64_t) answers;          /* by the voice */
    atomic_bool waiting, busy;          /* by the voice */
    _Atomic(uint32_t) bell;             /* the voice sleeps on it; counts up */
    _Atomic(uint32_t) stop;             /* the watcher sleeps on it; 1: end */

    struct conc_lock lock;
    unsigned pending;                   /* by lock: enum pending */
    struct conc_stall_loop loop;        /* by lock */
    int64_t loop_begin_ns, loop_end_ns; /* by lock */

    /* The watcher's; of the report, the voice's between PENDING_GIL and its next sleep: */
    struct conc_gil_reader *reader;
    struct conc_stall_gil gil;
    struct conc_stall_judge judge;
    int64_t examined_at;
    bool reported;                      /* a report lasts, or waits for the voice */
    struct conc_stall_report report;
    struct conc_stall_threads threads;
    char text[CONC_STALL_THREADS_TEXT];
    char stack_text[STACKS_BYTES];

    /* For conc_stall_threads_now(): */
    struct conc_gil_reader *second_reader;
};

/* -- output --------------------------------------------------------------------------------------------------------- */

int
conc_stall_write(struct conc_stall *stall, const char *text, size_t length)
{
    while (length > 0) {
        struct conc_descriptor_wait wait = {.fd = stall->output, .for_write = true};
        int ready = conc_descriptor_wait(&wait, 1, conc_deadline_after(WRITE_PATIENCE_NS));
        if (ready < 0 && ready != -EINTR)
            return ready;
        if (ready < 0)
            continue;
        int64_t n = conc_descriptor_write(stall->output, text, length < WRITE_CHUNK ? length : WRITE_CHUNK);
        if (n < 0 && n != -EAGAIN && n != -EINTR)
            return (int)n;
        if (n > 0) {
            text += n;
            length -= (size_t)n;
        }
    }
    return 0;
}

static void
keep_first(int *err, int next)
{
    if (*err == 0)
        *err = next;
}

static double
seconds(int64_t ns)
{
    return (double)ns / (double)CONC_NS_PER_S;
}

/* -- stalls of the GIL ---------------------------------------------------------------------------------------------- */

/* Runs the handler that writes stacks to the pipe, and takes them out of it. In a copy: who keeps the GIL may let go of it
 * at any moment, and then frames go under the handler's eyes. */
static void
take_stacks(struct conc_stall *stall)
{
    static const char cut[] = "(cut off here: the program went on meanwhile)\n";
    size_t length = 0;
    char rest[4096];
    while (stall->signal != 0 && conc_descriptor_read(stall->stacks, rest, sizeof(rest)) > 0)
        ;                               /* of one that had no room */
    for (int i = 0; i < STACKS_TRIES && length == 0; i++) {
        int64_t n;
        if (i > 0)
            (void)conc_park(&stall->stop, 0, conc_deadline_after(STACKS_PAUSE_NS));
        int err = conc_signal_run_aside(stall->signal, stall->handler, conc_deadline_after(STACKS_PATIENCE_NS));
        while (length < STACKS_BYTES &&
               (n = conc_descriptor_read(stall->stacks, stall->stack_text + length, STACKS_BYTES - length)) > 0)
            length += (size_t)n;
        if (err != 0 && length > 0 && length < STACKS_BYTES - sizeof(cut)) {
            memcpy(stall->stack_text + length, cut, sizeof(cut) - 1);
            length += sizeof(cut) - 1;
        }
        if (err != 0)
            break;
    }
    stall->report.stacks = stall->stack_text;
    stall->report.stacks_length = length;
}

static void
begin_report(struct conc_stall *stall)
{
    char head[256];
    int64_t begin_ns = stall->judge.gil_since_ns;
    conc_stall_threads_read(&stall->threads, &stall->gil);
    stall->report = (struct conc_stall_report){
        .begin_ns = begin_ns,
        .holder = stall->judge.known ? stall->judge.holder : -1,
        .threads = &stall->threads,
    };
    int *err = &stall->report.write_err;
    if (stall->report.holder > 0)
        snprintf(head, sizeof(head), "conc.stall_guard: thread %d has held the GIL for %.3f s\nThreads:\n",
                 stall->report.holder, seconds(stall->judge.now_ns - begin_ns));
    else
        snprintf(head, sizeof(head), "conc.stall_guard: the GIL was not to be had for %.3f s\nThreads:\n",
                 seconds(stall->judge.now_ns - begin_ns));
    keep_first(err, conc_stall_write(stall, head, strlen(head)));
    size_t length = conc_stall_threads_text(&stall->threads, stall->text, sizeof(stall->text));
    keep_first(err, conc_stall_write(stall, stall->text, length));
    take_stacks(stall);
    const char *title = stall->report.stacks_length > 0 ? "Python stacks:\n" : "Python stacks: not to be had\n";
    keep_first(err, conc_stall_write(stall, title, strlen(title)));
    keep_first(err, conc_stall_write(stall, stall->report.stacks, stall->report.stacks_length));
    stall->reported = true;
}

static void
ring(struct conc_stall *stall, unsigned pending)
{
    conc_lock_acquire(&stall->lock);
    stall->pending |= pending;
    conc_lock_release(&stall->lock);
    atomic_fetch_add(&stall->bell, 1);
    conc_unpark(&stall->bell, 1);
}

static void
end_report(struct conc_stall *stall)
{
    char line[128];
    stall->report.end_ns = conc_now_ns();
    snprintf(line, sizeof(line), "conc.stall_guard: the GIL was let go of after %.3f s\n",
             seconds(stall->report.end_ns - stall->report.begin_ns));
    (void)conc_stall_write(stall, line, strlen(line));
    ring(stall, PENDING_GIL);
}

/* -- the watcher ---------------------------------------------------------------------------------------------------- */

static struct conc_stall_look
look(struct conc_stall *stall)
{
    struct conc_gil_sample sample = {.holder_tid = -1};
    struct conc_stall_look seen = {
        /* Before the sample: an answer that comes in between counts at the next tick. */
        .answers = atomic_load(&stall->answers),
        .waiting = atomic_load(&stall->waiting),
        .busy = atomic_load(&stall->busy),
        .now_ns = conc_now_ns(),
    };
    seen.known = conc_stall_gil_look(&stall->gil, &sample);
    seen.locked = sample.locked;
    seen.holder = sample.holder_tid;
    seen.switches = sample.switches;
    return seen;
}

/* What of the voice's work comes of the loop and of time. */
static unsigned
look_at_loop(struct conc_stall *stall)
{
    unsigned pending = 0;
    bool ended = false;
    if (stall->beat_ns != 0) {
        conc_lock_acquire(&stall->lock);
        int64_t since_ns = stall->loop.since_ns;
        conc_stall_loop_tick(&stall->loop, &stall->judge, stall->beat_ns, atomic_load(&stall->beats), &ended);
        if (stall->loop.phase == CONC_LOOP_LATE)
            pending |= PENDING_ASK;
        if (ended) {
            stall->loop_begin_ns = since_ns;
            stall->loop_end_ns = stall->judge.now_ns;
            pending |= PENDING_LOOP_ENDED;      /* the voice says so in the output, after its report */
        }
        conc_lock_release(&stall->lock);
    }
    if (stall->examine_ns != 0 && stall->judge.awake_ns - stall->examined_at >= stall->examine_ns) {
        stall->examined_at = stall->judge.awake_ns;
        pending |= PENDING_EXAMINE;
    }
    return pending;
}

static void
tick(struct conc_stall *stall)
{
    struct conc_stall_look seen = look(stall);
    unsigned verdict = conc_stall_judge_tick(&stall->judge, &seen);
    unsigned pending = verdict & CONC_STALL_ASK ? PENDING_ASK : 0;
    bool taken = stall->reported && stall->report.end_ns != 0;
    if (taken) {                        /* is the voice through with the last one? */
        conc_lock_acquire(&stall->lock);
        taken = (stall->pending & PENDING_GIL) != 0 || atomic_load(&stall->busy);
        conc_lock_release(&stall->lock);
        stall->reported = taken;
    }
    if (verdict & CONC_STALL_GIL_ENDS && stall->reported && stall->report.end_ns == 0)
        end_report(stall);
    if (verdict & CONC_STALL_GIL_BEGINS && !stall->reported)
        begin_report(stall);
    pending |= look_at_loop(stall);
    if (pending != 0)
        ring(stall, pending);
}

static void *
watch(void *raw)
{
    struct conc_stall *stall = raw;
    while (atomic_load(&stall->stop) == 0) {
        tick(stall);
        (void)conc_park(&stall->stop, 0, conc_deadline_after(stall->tick_ns));
    }
    if (stall->reported && stall->report.end_ns == 0)
        end_report(stall);              /* who closes the guard has the GIL */
    ring(stall, PENDING_CLOSED);
    return NULL;
}

/* -- the voice ------------------------------------------------------------------------------------------------------ */

void
conc_stall_beat(struct conc_stall *stall)
{
    atomic_fetch_add_explicit(&stall->beats, 1, memory_order_relaxed);
}

/* In the child of a fork nobody watches, and the lock may be held for ever. */
static bool
is_foreign(const struct conc_stall *stall)
{
    return stall->generation != conc_fork_generation();
}

void
conc_stall_sleep(struct conc_stall *stall)
{
    if (is_foreign(stall))
        return;
    atomic_store(&stall->busy, false);
    if (atomic_exchange(&stall->waiting, false))    /* the first time: it has come into the interpreter */
        atomic_fetch_add(&stall->answers, 1);
    for (;;) {
        uint32_t heard = atomic_load(&stall->bell);
        conc_lock_acquire(&stall->lock);
        unsigned pending = stall->pending;
        conc_lock_release(&stall->lock);
        if (pending != 0)
            return;
        (void)conc_park(&stall->bell, heard, CONC_FOREVER);
    }
}

void
conc_stall_enter(struct conc_stall *stall)
{
    atomic_store(&stall->waiting, true);
}

enum conc_stall_event_kind
conc_stall_entered(struct conc_stall *stall)
{
    static const struct {
        unsigned pending;
        enum conc_stall_event_kind kind;
    } order[] = {
        {PENDING_GIL, CONC_STALL_GIL},
        {PENDING_LOOP_ENDED, CONC_STALL_LOOP_ENDED},
        {PENDING_EXAMINE, CONC_STALL_EXAMINE},
        {PENDING_CLOSED, CONC_STALL_CLOSED},
    };
    enum conc_stall_event_kind kind = CONC_STALL_NOTHING;
    if (is_foreign(stall))
        return CONC_STALL_CLOSED;
    conc_lock_acquire(&stall->lock);
    stall->pending &= ~(unsigned)PENDING_ASK;
    /* Before an end: that of a stall that was told of is told first. */
    for (size_t i = 0; i < sizeof(order) / sizeof(order[0]) && kind == CONC_STALL_NOTHING; i++) {
        if (order[i].kind == CONC_STALL_EXAMINE && stall->loop.phase == CONC_LOOP_LATE)
            kind = CONC_STALL_LOOP;
        else if (stall->pending & order[i].pending) {
            kind = order[i].kind;
            stall->pending &= ~order[i].pending;
        }
    }
    /* Before PENDING_GIL is seen to be gone: until the next sleep the report is the voice's. */
    atomic_store(&stall->busy, kind != CONC_STALL_NOTHING);
    conc_lock_release(&stall->lock);
    atomic_store(&stall->waiting, false);
    atomic_fetch_add(&stall->answers, 1);
    return kind;
}

struct conc_stall_report
conc_stall_report(struct conc_stall *stall)
{
    return stall->report;
}

void
conc_stall_loop_times(struct conc_stall *stall, int64_t *begin_ns, int64_t *end_ns)
{
    conc_lock_acquire(&stall->lock);
    bool over = stall->loop.phase != CONC_LOOP_STALLED && stall->loop.phase != CONC_LOOP_LATE;
    *begin_ns = over ? stall->loop_begin_ns : stall->loop.since_ns;
    *end_ns = over ? stall->loop_end_ns : 0;
    conc_lock_release(&stall->lock);
}

bool
conc_stall_loop_is_late(struct conc_stall *stall)
{
    conc_lock_acquire(&stall->lock);
    bool late = stall->loop.phase == CONC_LOOP_LATE && atomic_load(&stall->beats) == stall->loop.beats;
    conc_lock_release(&stall->lock);
    return late;
}

void
conc_stall_judge_loop(struct conc_stall *stall, bool stalled)
{
    if (is_foreign(stall))
        return;
    conc_lock_acquire(&stall->lock);
    if (stall->loop.phase == CONC_LOOP_LATE)
        stall->loop.phase = stalled ? CONC_LOOP_STALLED : CONC_LOOP_STILL;
    conc_lock_release(&stall->lock);
}

void
conc_stall_threads_now(struct conc_stall *stall, struct conc_stall_threads *threads)
{
    struct conc_stall_gil gil = {stall->second_reader, stall->gil.interpreter};
    conc_stall_threads_read(threads, &gil);
}

/* -- life ----------------------------------------------------------------------------------------------------------- */

static int64_t
tick_of(int64_t limit_ns)
{
    int64_t tick_ns = limit_ns / TICKS_PER_LIMIT;
    if (tick_ns < MIN_TICK_NS)
        return MIN_TICK_NS;
    return tick_ns > MAX_TICK_NS ? MAX_TICK_NS : tick_ns;
}

static int
open_readers(struct conc_stall *stall, const struct conc_gil_layout *layout)
{
    int err = conc_gil_reader_open(&stall->reader, 0, layout);
    if (err == 0)
        err = conc_gil_reader_open(&stall->second_reader, 0, layout);
    stall->gil.reader = stall->reader;
    return err;
}

int
conc_stall_open(struct conc_stall **out, const struct conc_stall_attr *attr)
{
    struct conc_stall *stall = conc_alloc(sizeof(*stall));
    if (stall == NULL)
        return -ENOMEM;
    int64_t limit_ns = attr->limit_ns < MAX_LIMIT_NS ? attr->limit_ns : MAX_LIMIT_NS;
    stall->beat_ns = attr->beat_ns;
    stall->examine_ns = attr->examine_ns;
    stall->tick_ns = tick_of(limit_ns);
    stall->output = attr->output;
    stall->signal = attr->signal;
    stall->stacks = attr->stacks;
    stall->handler = attr->signal == 0 ? 0 : conc_signal_handler(attr->signal);
    stall->generation = conc_fork_generation();
    stall->gil.interpreter = attr->interpreter;
    atomic_init(&stall->waiting, true);     /* a voice that starts has to get the GIL first */
    conc_lock_init(&stall->lock);
    conc_stall_judge_init(&stall->judge, limit_ns, stall->tick_ns, attr->gil);
    int err = attr->layout == NULL ? 0 : open_readers(stall, attr->layout);
    if (err == 0) {
        static const struct conc_os_thread_attr thread = {.block_signals = true};
        err = conc_os_thread_create(&thread, watch, stall, &stall->watcher);
    }
    if (err != 0) {
        stall->watcher = (struct conc_os_thread){0};
        conc_stall_close(stall);
        return err;
    }
    *out = stall;
    return 0;
}

void
conc_stall_stop(struct conc_stall *stall)
{
    if (is_foreign(stall))
        return;
    atomic_store(&stall->stop, 1);
    conc_unpark(&stall->stop, 1);
    conc_os_thread_join(&stall->watcher, 0);
}

void
conc_stall_close(struct conc_stall *stall)
{
    if (stall == NULL)
        return;
    conc_gil_reader_close(stall->reader);
    conc_gil_reader_close(stall->second_reader);
    conc_free(stall);
}
