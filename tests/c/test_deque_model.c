/* SPDX-License-Identifier: Apache-2.0 */
/* test_deque_model.c - sched/deque.c itself over every interleaving of small cases, with store buffers and stale loads.
 *
 * The file is included here with its atomics replaced by calls of a model, in which each location keeps all values that
 * were ever stored to it. A load may see any of them that is not older than what the thread must know: what it has read or
 * written there itself, what came to it by a release that it acquired, and for a seq_cst load the last seq_cst store. So a
 * store may stay unseen for as long as C11 lets it (a store buffer), and two stores may be seen in either order. Threads
 * are coroutines that change at each operation; all choices are tried, depth first, and a state that was reached before is
 * not entered again. A state is known by a hash of 128 bits of the values that each thread has read, which decide what it
 * does next, and of the model's memory.
 *
 * In every end each task that was pushed must have come out exactly once. That the model can fail is tested, too: with
 * the seq_cst operations taken as acquire and release alone, or the release of push() taken away, it must find the fault.
 *
 * What it does not cover: more threads or operations than the cases below; a load that sees a store which comes later in
 * another thread's program (load buffering), which hardware may do with relaxed operations; what a compiler could do
 * beyond C11; the address of a task, which here is a number; and the wake-ups of parked workers, which are pool.c's.
 */
#include <setjmp.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <ucontext.h>

#include "check.h"
#include "sched/task.h"

static int64_t model_load(const void *at, memory_order order);
static void model_store(const void *at, int64_t value, memory_order order);
static bool model_exchange(const void *at, int64_t *expected, int64_t desired);
static void *model_alloc(size_t size);
static void model_free(void *memory);

#undef atomic_init
#define atomic_init(at, value) model_store((at), (int64_t)(value), memory_order_relaxed)
#undef atomic_load_explicit
#define atomic_load_explicit(at, order) ((__typeof__(*(at) + 0))model_load((at), (order)))
#undef atomic_store_explicit
#define atomic_store_explicit(at, value, order) model_store((at), (int64_t)(value), (order))
#undef atomic_compare_exchange_strong_explicit
#define atomic_compare_exchange_strong_explicit(at, expected, desired, won, lost) model_exchange((at), (expected), (desired))
#define conc_alloc model_alloc
#define conc_free model_free
#define conc_deque_init model_deque_init
#define conc_deque_destroy model_deque_destroy
#define conc_deque_forget model_deque_forget
#define conc_deque_push model_deque_push
#define conc_deque_take model_deque_take
#define conc_deque_steal model_deque_steal
#define conc_deque_length model_deque_length
#include "sched/deque.c"

/* ---- the memory ---------------------------------------------------------------------------------------------------- */

#define THREADS 3
#define LOCATIONS 24
#define VERSIONS 12                 /* stores to one location in one execution */
#define DEPTH 400                   /* choices in one execution */
#define STACK 65536
#define ARENA 1024

struct view {
    uint8_t known[LOCATIONS];       /* the oldest version of each that may still be read */
};

struct version {
    int64_t value;
    struct view released;           /* what a reader that acquires learns */
};

struct location {
    uintptr_t at;
    int count;
    uint8_t last_seq_cst;
    struct version versions[VERSIONS];
};

struct thread {
    ucontext_t context;
    const char *program;            /* 'p' push, 't' take, 's' steal, one after the other */
    struct view view;
    uint64_t read[2];               /* hashes of all that it has read */
    int steps;
    bool over;
    char stack[STACK];
};

enum weakness { SOUND, NO_SEQ_CST, NO_RELEASE };

static struct {
    enum weakness weakness;
    struct conc_deque deque;
    _Alignas(16) char arena[ARENA];
    size_t arena_used;
    struct location locations[LOCATIONS];
    int location_count;
    struct thread threads[THREADS];
    int thread_count, current;      /* current < 0: before and after the threads, alone */
    ucontext_t scheduler;
    int pushed;
    int came_out[16];               /* by task's number */
    bool wrong;                     /* this execution broke the promise */
    /* The choices of this execution; those before `replayed` are given. */
    int chosen[DEPTH], options[DEPTH], depth, replayed;
} model;

static int
choose(int options)
{
    if (options == 1)
        return 0;
    CHECK(model.depth < DEPTH);
    if (model.depth >= model.replayed) {
        model.chosen[model.depth] = 0;
        model.options[model.depth] = options;
        model.replayed = model.depth + 1;
    }
    CHECK_EQ(model.options[model.depth], options);
    return model.chosen[model.depth++];
}

/* Where everything that a thread may know of starts when it is alone. */
static struct view everything;

static struct view *
current_view(void)
{
    return model.current < 0 ? &everything : &model.threads[model.current].view;
}

static int
location_of(const void *at)
{
    for (int i = 0; i < model.location_count; i++) {
        if (model.locations[i].at == (uintptr_t)at)
            return i;
    }
    CHECK(model.location_count < LOCATIONS);
    struct location *location = &model.locations[model.location_count];
    memset(location, 0, sizeof(*location));
    location->at = (uintptr_t)at;
    location->count = 1;            /* zeroed memory, which everybody knows of */
    return model.location_count++;
}

/* Lets another thread go first, if the scheduler will have it so. */
static void
yield(void)
{
    if (model.current >= 0) {
        struct thread *thread = &model.threads[model.current];
        thread->steps++;
        CHECK_EQ(swapcontext(&thread->context, &model.scheduler), 0);
    }
}

static void
note(int64_t value)
{
    if (model.current < 0)
        return;
    struct thread *thread = &model.threads[model.current];
    thread->read[0] = (thread->read[0] ^ (uint64_t)value) * UINT64_C(0x9e3779b97f4a7c15) + 1;
    thread->read[1] = (thread->read[1] + (uint64_t)value) * UINT64_C(0xd6e8feb86659fd93) ^ (thread->read[1] >> 29);
}

static void
learn(struct view *view, const struct view *more)
{
    for (int i = 0; i < LOCATIONS; i++) {
        if (more->known[i] > view->known[i])
            view->known[i] = more->known[i];
    }
}

static bool
is_seq_cst(memory_order order)
{
    return order == memory_order_seq_cst && model.weakness != NO_SEQ_CST;
}

static int64_t
read_version(int at, int which, bool acquires)
{
    struct view *view = current_view();
    struct version *version = &model.locations[at].versions[which];
    view->known[at] = (uint8_t)which;
    if (acquires)
        learn(view, &version->released);
    note(version->value);
    return version->value;
}

static void
append(int at, int64_t value, const struct view *released)
{
    struct location *location = &model.locations[at];
    CHECK(location->count < VERSIONS);
    struct version *version = &location->versions[location->count];
    version->value = value;
    current_view()->known[at] = (uint8_t)location->count;
    if (released == NULL)
        memset(&version->released, 0, sizeof(version->released));
    else
        version->released = *released;
    version->released.known[at] = (uint8_t)location->count;
    location->count++;
}

static int64_t
model_load(const void *at, memory_order order)
{
    yield();
    int which = location_of(at);
    struct location *location = &model.locations[which];
    int oldest = current_view()->known[which];
    if (is_seq_cst(order) && location->last_seq_cst > oldest)
        oldest = location->last_seq_cst;
    if (model.current < 0)
        oldest = location->count - 1;
    int version = location->count - 1 - choose(location->count - oldest);
    return read_version(which, version, order != memory_order_relaxed);
}

static void
model_store(const void *at, int64_t value, memory_order order)
{
    yield();
    int which = location_of(at);
    bool releases = order != memory_order_relaxed && model.weakness != NO_RELEASE;
    append(which, value, releases ? current_view() : NULL);
    if (is_seq_cst(order))
        model.locations[which].last_seq_cst = (uint8_t)(model.locations[which].count - 1);
}

/* It wins only on the last version; it may lose by any older one that is not what was expected. */
static bool
model_exchange(const void *at, int64_t *expected, int64_t desired)
{
    yield();
    int which = location_of(at);
    struct location *location = &model.locations[which];
    int last = location->count - 1, ways[VERSIONS], count = 0;
    for (int i = last; i >= (model.current < 0 ? last : current_view()->known[which]); i--) {
        if (i == last || location->versions[i].value != *expected)
            ways[count++] = i;
    }
    int way = ways[choose(count)];
    if (way == last && location->versions[last].value == *expected) {
        (void)read_version(which, last, true);
        struct view released = *current_view();
        learn(&released, &location->versions[last].released);
        append(which, desired, &released);
        location->last_seq_cst = (uint8_t)(location->count - 1);
        return true;
    }
    *expected = read_version(which, way, false);
    return false;
}

static void *
model_alloc(size_t size)
{
    void *memory = model.arena + model.arena_used;
    model.arena_used += (size + 15) / 16 * 16;
    CHECK(model.arena_used <= ARENA);
    return memory;
}

static void
model_free(void *memory)
{
    (void)memory;
}

/* ---- the threads --------------------------------------------------------------------------------------------------- */

static void
came_out(struct conc_task *task)
{
    intptr_t number = (intptr_t)task;
    if (number < 1 || number > model.pushed || model.came_out[number]++ != 0)
        model.wrong = true;
}

static void
thread_main(void)
{
    struct thread *thread = &model.threads[model.current];
    for (const char *step = thread->program; *step != '\0'; step++) {
        if (*step == 'p') {
            CHECK_EQ(model_deque_push(&model.deque, (struct conc_task *)(intptr_t)++model.pushed), 0);
        } else {
            struct conc_task *task = *step == 't' ? model_deque_take(&model.deque) : model_deque_steal(&model.deque);
            note((intptr_t)task);
            if (task != NULL)
                came_out(task);
        }
    }
    thread->over = true;
    CHECK_EQ(swapcontext(&thread->context, &model.scheduler), 0);
}

/* ---- the states that were seen ------------------------------------------------------------------------------------- */

#define SEEN (UINT64_C(1) << 22)

static uint64_t (*seen)[2];
static uint64_t seen_count;

static void
mix(uint64_t hash[2], uint64_t value)
{
    hash[0] = (hash[0] ^ value) * UINT64_C(0x100000001b3) ^ (hash[0] >> 31);
    hash[1] = (hash[1] + value) * UINT64_C(0xff51afd7ed558ccd) ^ (hash[1] >> 33);
}

/* Whether the state was new. */
static bool
enter_state(void)
{
    uint64_t hash[2] = {14695981039346656037u, 88172645463325252u};
    for (int i = 0; i < model.thread_count; i++) {
        struct thread *thread = &model.threads[i];
        mix(hash, thread->read[0]);
        mix(hash, thread->read[1]);
        mix(hash, (uint64_t)thread->steps * 2 + thread->over);
        for (int at = 0; at < LOCATIONS; at++)
            mix(hash, thread->view.known[at]);
    }
    for (int at = 0; at < model.location_count; at++) {
        struct location *location = &model.locations[at];
        mix(hash, location->at - (uintptr_t)&model);
        mix(hash, location->last_seq_cst);
        for (int i = 0; i < location->count; i++) {
            mix(hash, (uint64_t)location->versions[i].value);
            for (int known = 0; known < LOCATIONS; known++)
                mix(hash, location->versions[i].released.known[known]);
        }
    }
    for (uint64_t at = hash[0] % SEEN;; at = (at + 1) % SEEN) {
        if (seen[at][0] == 0 && seen[at][1] == 0) {
            memcpy(seen[at], hash, sizeof(hash));
            CHECK(++seen_count < SEEN / 4 * 3);
            return true;
        }
        if (seen[at][0] == hash[0] && seen[at][1] == hash[1])
            return false;
    }
}

/* ---- executions ---------------------------------------------------------------------------------------------------- */

/* Starts from a deque that holds `held` tasks, of size 1 << log2_size, whose first index is `held` mod its size. */
static void
begin_execution(int thread_count, const char *const *programs, unsigned log2_size, int held)
{
    model.arena_used = 0;
    memset(model.arena, 0, sizeof(model.arena));
    model.location_count = 0;
    model.pushed = 0;
    memset(model.came_out, 0, sizeof(model.came_out));
    memset(&everything, 0, sizeof(everything));
    model.wrong = false;
    model.depth = 0;
    model.current = -1;
    model.thread_count = thread_count;
    CHECK_EQ(model_deque_init(&model.deque, log2_size), 0);
    for (int i = 0; i < held; i++)
        CHECK_EQ(model_deque_push(&model.deque, (struct conc_task *)(intptr_t)++model.pushed), 0);
    for (int i = 0; i < thread_count; i++) {
        struct thread *thread = &model.threads[i];
        thread->program = programs[i];
        thread->view = everything;
        thread->read[0] = thread->read[1] = (uint64_t)i + 1;
        thread->steps = 0;
        thread->over = false;
        CHECK_EQ(getcontext(&thread->context), 0);
        thread->context.uc_stack.ss_sp = thread->stack;
        thread->context.uc_stack.ss_size = sizeof(thread->stack);
        thread->context.uc_link = NULL;
        makecontext(&thread->context, thread_main, 0);
    }
}

/* Runs until all threads are over, true, or a state comes that was seen before. */
static bool
run_execution(void)
{
    for (;;) {
        int ready[THREADS], count = 0;
        for (int i = 0; i < model.thread_count; i++) {
            if (!model.threads[i].over)
                ready[count++] = i;
        }
        model.current = -1;
        if (count == 0)
            return true;
        if (model.depth >= model.replayed && !enter_state())
            return false;
        model.current = ready[choose(count)];
        CHECK_EQ(swapcontext(&model.scheduler, &model.threads[model.current].context), 0);
    }
}

/* What is still in the deque comes out now; then every task must have come out. */
static void
judge_execution(void)
{
    struct conc_task *task;
    for (int turns = 0; turns < 16 && (task = model_deque_steal(&model.deque)) != NULL; turns++)
        came_out(task);
    for (int i = 1; i <= model.pushed; i++)
        model.wrong |= model.came_out[i] != 1;
}

/* Tries every execution; whether one of them was wrong. */
static bool
explore(enum weakness weakness, int thread_count, const char *const *programs, unsigned log2_size, int held)
{
    model.weakness = weakness;
    memset(seen, 0, SEEN * sizeof(*seen));
    seen_count = 0;
    model.replayed = 0;
    unsigned long executions = 0, ends = 0;
    bool wrong = false;
    for (;;) {
        begin_execution(thread_count, programs, log2_size, held);
        executions++;
        if (run_execution()) {
            judge_execution();
            ends++;
        }
        wrong |= model.wrong;
        if (wrong)
            break;
        /* The next choice of the last that has one. */
        while (model.replayed > 0 && model.chosen[model.replayed - 1] + 1 == model.options[model.replayed - 1])
            model.replayed--;
        if (model.replayed == 0)
            break;
        model.chosen[model.replayed - 1]++;
    }
    printf("%s|%s|%s size %d, %d held%s: %llu states, %lu executions, %lu ends%s\n", programs[0], programs[1],
           thread_count > 2 ? programs[2] : "", 1 << log2_size, held,
           weakness == SOUND ? "" : weakness == NO_SEQ_CST ? ", no seq_cst" : ", no release",
           (unsigned long long)seen_count, executions, ends, wrong ? ", WRONG" : "");
    return wrong;
}

int
main(void)
{
#ifdef __SANITIZE_THREAD__
    SKIP("the model's threads are coroutines of one thread: nothing for ThreadSanitizer");
#endif
    seen = calloc(SEEN, sizeof(*seen));
    CHECK(seen != NULL);
    static const struct {
        const char *programs[THREADS];
        int threads;
        unsigned log2_size;
        int held;
    } cases[] = {
        {{"ptpt", "ss"}, 2, 1, 0},
        {{"tt", "ss"}, 2, 1, 2},
        {{"ppt", "ss"}, 2, 0, 0},               /* grows while it is stolen from */
        {{"ppp", "ss"}, 2, 1, 1},               /* grows, and its place 0 is another task's */
        {{"tp", "s", "s"}, 3, 1, 1},
        {{"tt", "s", "s"}, 3, 1, 2},
        {{"pt", "s", "s"}, 3, 0, 1},
        {{"ptptpt", "sss"}, 2, 0, 1},
        {{"pptt", "s", "s"}, 3, 0, 1},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        CHECK(!explore(SOUND, cases[i].threads, cases[i].programs, cases[i].log2_size, cases[i].held));
    CHECK(explore(NO_SEQ_CST, 2, cases[1].programs, 1, 2));
    CHECK(explore(NO_RELEASE, 2, cases[0].programs, 1, 0));
    free(seen);
    return 0;
}
