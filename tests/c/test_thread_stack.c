/* SPDX-License-Identifier: Apache-2.0 */
/* test_thread_stack.c - os/thread_stack.h: stacks go from thread to thread, never two on one, and hold little memory. */
#include "os/thread_stack.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "crew.h"
#include "faults.h"
#include "os/memory.h"
#include "os/thread.h"
#include "os/thread_exit.h"

#define SIZE ((size_t)1 << 20)
#define STARTERS 4

static size_t page, usual;        /* bytes: a page, and the stack that the C library gives a thread */

static void
learn_sizes(void)
{
    pthread_attr_t attr;
    page = conc_memory_page_size();
    CHECK_EQ(pthread_attr_init(&attr), 0);
    CHECK_EQ(pthread_attr_getstacksize(&attr, &usual), 0);
    pthread_attr_destroy(&attr);
}

static struct conc_thread_stack *
have_stack(size_t size)
{
    struct conc_thread_stack *stack = NULL;
    HAVE_EQ(conc_thread_stack_take(size, page, &stack), 0);
    return stack;
}

static size_t
resident_pages(const struct conc_thread_stack *stack)
{
    size_t pages = stack->size / page, count = 0;
    unsigned char *map = malloc(pages);
    CHECK(map != NULL);
    CHECK_EQ(mincore(stack->lowest, stack->size, map), 0);
    for (size_t i = 0; i < pages; i++)
        count += map[i] & 1;
    free(map);
    return count;
}

static void
the_last_kept_is_taken_first(void)
{
    struct conc_thread_stack *first = have_stack(SIZE), *second = have_stack(SIZE);
    CHECK(first != second);
    conc_thread_stack_give(first, 0, 0);
    conc_thread_stack_give(second, 0, 0);
    CHECK(have_stack(SIZE) == second);
    struct conc_thread_stack *larger = have_stack(2 * SIZE);
    CHECK(larger != first && larger->size == 2 * SIZE);
    CHECK(have_stack(SIZE) == first);
    conc_thread_stack_give(larger, 0, 0);
    conc_thread_stack_give(first, 0, 0);
    conc_thread_stack_give(second, 0, 0);
}

static void
sizes_that_cannot_be(void)
{
    struct conc_thread_stack *stack = NULL;
    CHECK_EQ(conc_thread_stack_take(SIZE + 1, page, &stack), -EINVAL);
    CHECK_EQ(conc_thread_stack_take(SIZE, page + 1, &stack), -EINVAL);
    CHECK_EQ(conc_thread_stack_take(SIZE_MAX - page + 1, page, &stack), -EINVAL);
    CHECK_EQ(conc_thread_stack_take((size_t)1 << 55, page, &stack), -ENOMEM);
    CHECK(stack == NULL);
}

/* What is over the limit is unmapped at once. */
static void
few_are_kept(void)
{
    enum { MANY = 3 * CONC_THREAD_STACKS_KEPT };
    struct conc_thread_stack *stacks[MANY];
    long mapped = faults_mapped_bytes();
    for (int i = 0; i < MANY; i++)
        stacks[i] = have_stack(SIZE);
    for (int i = 0; i < MANY; i++)
        conc_thread_stack_give(stacks[i], 0, 0);
    CHECK(faults_mapped_bytes() <= mapped + (long)CONC_THREAD_STACKS_KEPT * (long)(SIZE + page));
}

static void
what_lies_deep_is_given_back(void)
{
    struct conc_thread_stack *stack = have_stack(SIZE);
    memset(stack->lowest, 1, SIZE);
    CHECK_EQ((long)resident_pages(stack), (long)(SIZE / page));
    conc_thread_stack_give(stack, 0, (int64_t)(SIZE / page));
    CHECK(have_stack(SIZE) == stack);
    CHECK((long)resident_pages(stack) * (long)page <= (long)CONC_THREAD_STACK_RESIDENT_BYTES);

    memset(stack->lowest, 1, SIZE);
    conc_thread_stack_give(stack, 0, -1);           /* nobody knows how deep */
    CHECK(have_stack(SIZE) == stack);
    CHECK((long)resident_pages(stack) * (long)page <= (long)CONC_THREAD_STACK_RESIDENT_BYTES);

    /* A little deeper each time, and what nobody counts: it does not add up. */
    size_t most = 0;
    for (size_t used = page; used <= SIZE; used += page) {
        memset(stack->lowest + SIZE - used, 1, page);
        conc_thread_stack_give(stack, 0, 0);
        CHECK(have_stack(SIZE) == stack);
        size_t resident = resident_pages(stack);
        most = resident > most ? resident : most;
    }
    CHECK((long)most * (long)page <= 2L * (long)CONC_THREAD_STACK_RESIDENT_BYTES);
    conc_thread_stack_give(stack, 0, 0);
}

/* -- with threads on them ------------------------------------------------------------------------------------------- */

struct sitter {
    sem_t sits, go;
    void *low;                  /* of its own frame */
    struct conc_os_thread self;
    size_t stack_size;
};

static void *
sit(void *raw)
{
    struct sitter *sitter = raw;
    char frame[64];
    sitter->low = frame;
    pthread_attr_t attr;
    void *lowest;
    CHECK_EQ(pthread_getattr_np(pthread_self(), &attr), 0);
    CHECK_EQ(pthread_attr_getstack(&attr, &lowest, &sitter->stack_size), 0);
    CHECK((char *)frame > (char *)lowest && (char *)frame < (char *)lowest + sitter->stack_size);
    pthread_attr_destroy(&attr);
    event_set(&sitter->sits);
    event_wait(&sitter->go);
    return NULL;
}

static const struct conc_os_thread_attr REUSE = {.block_signals = true, .reuse_stack = true};

static void
seat(struct sitter *sitter)
{
    event_init(&sitter->sits);
    event_init(&sitter->go);
    HAVE_EQ(conc_os_thread_create(&REUSE, sit, sitter, &sitter->self), 0);
    event_wait(&sitter->sits);
}

static void
a_thread_sits_on_it(void)
{
    struct sitter sitter, other;
    seat(&sitter);
    seat(&other);
    if (faults_injected() == 0) {
        CHECK(sitter.self.stack != NULL && other.self.stack != NULL && sitter.self.stack != other.self.stack);
        CHECK_EQ((long)sitter.stack_size, (long)usual);
        CHECK((char *)sitter.low >= sitter.self.stack->lowest);
        CHECK((char *)sitter.low < sitter.self.stack->lowest + usual);
    }
    event_set(&sitter.go);
    conc_os_thread_join(&sitter.self, 0);
    struct conc_thread_stack *stack = sitter.self.stack;
    seat(&sitter);
    CHECK(stack == NULL || sitter.self.stack == stack);
    event_set(&sitter.go);
    event_set(&other.go);
    conc_os_thread_join(&sitter.self, 0);
    conc_os_thread_join(&other.self, 0);
}

/* As long as its detached thread is there, nobody else gets it, and neither is it unmapped. */
static void
not_while_a_thread_is_on_it(void)
{
    struct sitter sitter;
    seat(&sitter);
    struct conc_thread_stack *stack = sitter.self.stack, *others[2 * CONC_THREAD_STACKS_KEPT];
    if (stack == NULL) {
        event_set(&sitter.go);
        conc_os_thread_join(&sitter.self, 0);
        return;
    }
    unsigned long ident = sitter.self.ident;
    size_t size = stack->size, count = sizeof(others) / sizeof(others[0]);
    conc_os_thread_detach(&sitter.self, -1);
    for (size_t i = 0; i < count; i++) {
        others[i] = have_stack(size);
        CHECK(others[i] != stack);
    }
    for (size_t i = 0; i < count; i++)
        conc_thread_stack_give(others[i], 0, 0);
    event_set(&sitter.go);
    /* It stays mapped until somebody gives or takes one: till then the word may be read. */
    while (conc_thread_exit_id(ident) != 0)
        sched_yield();
    bool found = false;
    for (size_t i = 0; i < count; i++) {
        others[i] = have_stack(size);
        found |= others[i] == stack;
    }
    CHECK(found);
    for (size_t i = 0; i < count; i++)
        conc_thread_stack_give(others[i], 0, 0);
}

static void *
write_everywhere_near(void *arg)
{
    volatile char frame[16 << 10];
    for (size_t i = 0; i < sizeof(frame); i += 512)
        frame[i] = (char)(uintptr_t)arg;
    for (size_t i = 0; i < sizeof(frame); i += 512)
        CHECK_EQ(frame[i], (char)(uintptr_t)arg);
    return NULL;
}

static void
start_many(void *arg, unsigned index)
{
    (void)arg;
    for (int turn = 0; turn < TURNS(25000); turn++) {
        struct conc_os_thread thread;
        HAVE_EQ(conc_os_thread_create(&REUSE, write_everywhere_near, (void *)(uintptr_t)(index + 1), &thread), 0);
        if (turn % 3 == 0)
            conc_os_thread_detach(&thread, 4);      /* while it runs */
        else
            conc_os_thread_join(&thread, 4);
    }
}

static void
no_two_threads_on_one(void)
{
    crew_run(STARTERS, start_many, NULL);
}

/* -- forks --------------------------------------------------------------------------------------------------------- */

static void
take_the_stack_that_stayed(void *raw)
{
    struct conc_thread_stack *stack = raw;
    CHECK(have_stack(stack->size) == stack);
    conc_thread_stack_give(stack, 0, 0);
}

/* In the child the stack of a thread that stayed behind is one that is kept. */
static void
a_child_has_them_all(void)
{
    struct sitter sitter;
    seat(&sitter);
    if (sitter.self.stack != NULL)
        in_child(take_the_stack_that_stayed, sitter.self.stack);
    event_set(&sitter.go);
    conc_os_thread_join(&sitter.self, 0);
}

static void
take_every_other(void *raw)
{
    struct sitter *sitter = raw;
    for (int i = 0; sitter->self.stack != NULL && i < 2 * CONC_THREAD_STACKS_KEPT; i++)
        CHECK(have_stack(usual) != sitter->self.stack);
}

static void *
fork_from_here(void *raw)
{
    struct sitter *sitter = raw;
    event_wait(&sitter->go);                /* its creator has written `self` */
    in_child(take_every_other, sitter);
    return NULL;
}

static void
but_not_the_one_that_forked(void)
{
    struct sitter sitter;
    event_init(&sitter.go);
    HAVE_EQ(conc_os_thread_create(&REUSE, fork_from_here, &sitter, &sitter.self), 0);
    event_set(&sitter.go);
    conc_os_thread_join(&sitter.self, 0);
}

/* -- its end -------------------------------------------------------------------------------------------------------- */

static void
the_guard_faults(void)
{
    pid_t pid = fork();
    CHECK(pid >= 0);
    if (pid == 0) {
        signal(SIGSEGV, SIG_DFL);           /* a sanitizer has its own */
        volatile char *lowest = have_stack(SIZE)->lowest;
        lowest[0] = 1;
        lowest[-1] = 1;
        _exit(0);
    }
    int status;
    CHECK_EQ(waitpid(pid, &status, 0), pid);
    if (WIFEXITED(status) && WEXITSTATUS(status) == FAULTS_ENDED)
        faults_end();
    CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV);
}

/* -- refused -------------------------------------------------------------------------------------------------------- */

/* Then the thread is on one of the C library's, or there is an error, and nothing is held. */
static void
refused_requests(void)
{
#if !defined(__SANITIZE_THREAD__) && !defined(__SANITIZE_ADDRESS__)       /* which map and create as well */
    for (long nth = 1; nth < 6; nth++) {
        struct conc_thread_stack *stacks[CONC_THREAD_STACKS_KEPT];
        for (int i = 0; i < CONC_THREAD_STACKS_KEPT; i++)
            stacks[i] = have_stack(usual + (size_t)nth * SIZE);      /* none of the usual size is kept */
        for (int i = 0; i < CONC_THREAD_STACKS_KEPT; i++)
            conc_thread_stack_give(stacks[i], 0, 0);
        long blocks = faults_live_blocks();
        long mapped = faults_mapped_bytes();
        struct conc_os_thread thread;
        faults_arm(FAULTS_SYSTEM, nth, false);
        int err = conc_os_thread_create(&REUSE, write_everywhere_near, NULL, &thread);
        long injected = faults_injected();
        faults_disarm();
        CHECK(err == 0 || (injected > 0 && (err == -EAGAIN || err == -ENOMEM)));
        if (err == 0)
            conc_os_thread_join(&thread, 0);
        CHECK(faults_live_blocks() <= blocks + 1);
        CHECK(faults_mapped_bytes() <= mapped + (long)(usual + page));
    }
#endif
}

int
main(void)
{
    learn_sizes();
    struct conc_thread_stack *stack;
    CHECK_EQ(conc_thread_stack_take(SIZE, page, &stack), -ENOSYS);      /* not before the registry is there */
    HAVE_EQ(conc_registry_init(), 0);
    if (conc_registry_exit_offset() == 0) {
        fprintf(stderr, "this system does not tell when a thread is gone\n");
        return 77;
    }
    the_last_kept_is_taken_first();
    sizes_that_cannot_be();
    few_are_kept();
    what_lies_deep_is_given_back();
    a_thread_sits_on_it();
    not_while_a_thread_is_on_it();
    a_child_has_them_all();
    but_not_the_one_that_forked();
    the_guard_faults();
    no_two_threads_on_one();
    refused_requests();
    return 0;
}
