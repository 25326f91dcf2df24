/* SPDX-License-Identifier: Apache-2.0 */
/* test_stall.c - watch/stall.h with a voice of our own, that comes into its interpreter when the test lets it: reports,
 * what handlers write, an output that nobody reads, the end. */
#include "watch/stall.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/wait.h>

#include "crew.h"
#include "os/clock.h"
#include "os/registry.h"
#include "os/signal_aside.h"
#include "os/signal_self.h"
#include "os/thread_self.h"

#define MS INT64_C(1000000)

struct voice {
    struct conc_stall *stall;
    sem_t enter, heard;                 /* it may come in; it has something other than NOTHING */
    atomic_bool free;                   /* it comes in without being let */
    atomic_int kind;                    /* what it heard */
    pthread_t thread;
};

static void *
speak(void *raw)
{
    struct voice *voice = raw;
    for (;;) {
        conc_stall_sleep(voice->stall);
        conc_stall_enter(voice->stall);
        if (!atomic_load(&voice->free))
            event_wait(&voice->enter);
        enum conc_stall_event_kind kind = conc_stall_entered(voice->stall);
        if (kind == CONC_STALL_NOTHING)
            continue;
        atomic_store(&voice->kind, (int)kind);
        event_set(&voice->heard);
        if (kind == CONC_STALL_CLOSED)
            return NULL;
    }
}

static void
voice_start(struct voice *voice, const struct conc_stall_attr *attr)
{
    event_init(&voice->enter);
    event_init(&voice->heard);
    HAVE_EQ(conc_stall_open(&voice->stall, attr), 0);
    CHECK_EQ(pthread_create(&voice->thread, NULL, speak, voice), 0);
}

static void
voice_end(struct voice *voice)
{
    atomic_store(&voice->free, true);
    event_set(&voice->enter);
    conc_stall_stop(voice->stall);
    CHECK_EQ(pthread_join(voice->thread, NULL), 0);
    CHECK_EQ(atomic_load(&voice->kind), CONC_STALL_CLOSED);
    conc_stall_close(voice->stall);
}

/* Reads the pipe until `word` has come. */
static void
read_until(int fd, char *text, size_t size, const char *word)
{
    size_t length = 0;
    text[0] = '\0';
    while (strstr(text, word) == NULL) {
        ssize_t n = read(fd, text + length, size - 1 - length);
        CHECK(n > 0);
        length += (size_t)n;
        text[length] = '\0';
    }
}

static int handler_writes_to = -1;

static void
handler(int number)
{
    (void)number;
    static const char stack[] = "a stack\n";
    CHECK_EQ(write(handler_writes_to, stack, sizeof(stack) - 1), sizeof(stack) - 1);
}

/* Nobody comes into the interpreter: told of at once, and to the voice later. */
static void
a_voice_that_is_kept_out(bool with_handler)
{
    int output[2], stacks[2];
    static char text[1 << 20];
    CHECK_EQ(pipe(output), 0);
    CHECK_EQ(pipe2(stacks, O_NONBLOCK), 0);
    struct conc_stall_attr attr = {.limit_ns = 40 * MS, .gil = true, .output = output[1], .stacks = stacks[0]};
    if (with_handler) {
        attr.signal = conc_signal_free();
        CHECK(attr.signal > 0);
        handler_writes_to = stacks[1];
        CHECK_EQ(sigaction(attr.signal, &(struct sigaction){.sa_handler = handler}, NULL), 0);
    }
    struct voice voice = {.stall = NULL};
    voice_start(&voice, &attr);
    read_until(output[0], text, sizeof(text), with_handler ? "a stack\n" : "not to be had\n");
    CHECK(strstr(text, "the GIL was not to be had") != NULL);
    char self[32];
    snprintf(self, sizeof(self), "\n  %-7d ", conc_thread_self_id());
    CHECK(strstr(text, self) != NULL);

    event_set(&voice.enter);            /* it gets in */
    read_until(output[0], text, sizeof(text), "was let go of after");
    event_set(&voice.enter);
    event_wait(&voice.heard);
    CHECK_EQ(atomic_load(&voice.kind), CONC_STALL_GIL);
    struct conc_stall_report report = conc_stall_report(voice.stall);
    CHECK(report.end_ns > report.begin_ns);
    CHECK_EQ(report.holder, -1);
    CHECK_EQ(report.write_err, 0);
    CHECK_EQ(report.stacks_length, with_handler ? strlen("a stack\n") : 0);
    CHECK(report.threads->count >= 2);
    voice_end(&voice);
    if (with_handler)
        CHECK_EQ(sigaction(attr.signal, &(struct sigaction){.sa_handler = SIG_DFL}, NULL), 0);
    for (int i = 0; i < 2; i++) {
        close(output[i]);
        close(stacks[i]);
    }
}

/* A stall that lasts when the guard is stopped has ended then. */
static void
stopped_in_a_stall(void)
{
    int output[2];
    static char text[1 << 20];
    CHECK_EQ(pipe(output), 0);
    struct conc_stall_attr attr = {.limit_ns = 40 * MS, .gil = true, .output = output[1]};
    struct voice voice = {.stall = NULL};
    voice_start(&voice, &attr);
    read_until(output[0], text, sizeof(text), "not to be had\n");
    conc_stall_stop(voice.stall);
    read_until(output[0], text, sizeof(text), "was let go of after");
    atomic_store(&voice.free, true);
    event_set(&voice.enter);
    event_wait(&voice.heard);
    CHECK_EQ(pthread_join(voice.thread, NULL), 0);
    CHECK_EQ(atomic_load(&voice.kind), CONC_STALL_CLOSED);
    event_wait(&voice.heard);           /* it heard of the stall before */
    conc_stall_close(voice.stall);
    close(output[0]);
    close(output[1]);
}

/* A handler that is not the one that was there is not run: a real-time signal without one ends the process. */
static void
a_handler_that_has_gone(void)
{
    int number = conc_signal_free();
    CHECK_EQ(sigaction(number, &(struct sigaction){.sa_handler = handler}, NULL), 0);
    uintptr_t before = conc_signal_handler(number);
    CHECK(before != 0);
    CHECK_EQ(sigaction(number, &(struct sigaction){.sa_handler = SIG_DFL}, NULL), 0);
    CHECK_EQ(conc_signal_handler(number), 0);
    CHECK_EQ(conc_signal_run(number, before), -ESTALE);
    CHECK_EQ(conc_signal_run(number, 0), -ESTALE);
    CHECK_EQ(sigaction(number, &(struct sigaction){.sa_handler = SIG_IGN}, NULL), 0);
    CHECK_EQ(conc_signal_run(number, before), -ESTALE);
    CHECK(conc_signal_free() != number);
    CHECK_EQ(sigaction(number, &(struct sigaction){.sa_handler = SIG_DFL}, NULL), 0);
    CHECK_EQ(conc_signal_free(), number);
}

static int told[2];

static void
tell_and_crash(int number)
{
    (void)number;
    (void)!write(told[1], "told\n", 5);
    (void)raise(SIGSEGV);
}

static void
tell_for_ever(int number)
{
    (void)number;
    (void)!write(told[1], "told\n", 5);
    for (;;)
        (void)pause();
}

static void
tell(int number)
{
    (void)number;
    (void)!write(told[1], "told\n", 5);
}

/* What a handler does in a copy, this process outlives, and has nobody to wait for afterwards. */
static void
a_handler_in_a_copy(void)
{
    static const struct {
        void (*handler)(int);
        int64_t patience_ns;
        int outcome;
    } rows[] = {
        {tell, 60 * CONC_NS_PER_S, 0},
        {tell_and_crash, 60 * CONC_NS_PER_S, -EFAULT},
        {tell_for_ever, 300 * MS, -ETIMEDOUT},
    };
    int number = conc_signal_free();
    char text[16];
    CHECK_EQ(pipe(told), 0);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        CHECK_EQ(sigaction(number, &(struct sigaction){.sa_handler = rows[i].handler}, NULL), 0);
        uintptr_t handler_now = conc_signal_handler(number);
        CHECK_EQ(conc_signal_run_aside(number, handler_now, conc_deadline_after(rows[i].patience_ns)), rows[i].outcome);
        CHECK_EQ(read(told[0], text, sizeof(text)), 5);
        CHECK_EQ(waitpid(-1, NULL, __WALL | WNOHANG), -1);
        CHECK_EQ(errno, ECHILD);
        CHECK_EQ(conc_signal_run_aside(number, handler_now + 1, CONC_FOREVER), -ESTALE);
    }
    CHECK_EQ(sigaction(number, &(struct sigaction){.sa_handler = SIG_DFL}, NULL), 0);
    CHECK_EQ(conc_signal_run_aside(number, 0, CONC_FOREVER), -ESTALE);
    close(told[0]);
    close(told[1]);
}

/* The loop beats, and then does not; the voice says that it runs. */
static void
a_loop_that_stops(void)
{
    int output[2];
    CHECK_EQ(pipe(output), 0);
    struct conc_stall_attr attr = {.limit_ns = 40 * MS, .beat_ns = 10 * MS, .output = output[1]};
    struct voice voice = {.free = true};
    voice_start(&voice, &attr);
    conc_stall_beat(voice.stall);
    event_wait(&voice.heard);
    CHECK_EQ(atomic_load(&voice.kind), CONC_STALL_LOOP);
    while (!conc_stall_loop_is_late(voice.stall))
        sched_yield();
    conc_stall_judge_loop(voice.stall, true);
    CHECK(!conc_stall_loop_is_late(voice.stall));
    int64_t begin_ns, end_ns;
    conc_stall_loop_times(voice.stall, &begin_ns, &end_ns);
    CHECK(begin_ns > 0 && end_ns == 0);
    do {                                /* more than one LOOP may have been heard until it was judged */
        conc_stall_beat(voice.stall);
        event_wait(&voice.heard);
    } while (atomic_load(&voice.kind) == CONC_STALL_LOOP);
    CHECK_EQ(atomic_load(&voice.kind), CONC_STALL_LOOP_ENDED);
    voice_end(&voice);
    close(output[0]);
    close(output[1]);
}

/* Nobody reads: the watch gives up and goes on. */
static void
an_output_that_is_full(void)
{
    int output[2];
    CHECK_EQ(pipe2(output, O_NONBLOCK), 0);
    char full[4096] = {0};
    while (write(output[1], full, sizeof(full)) > 0)
        ;
    struct conc_stall_attr attr = {.limit_ns = 3600 * 1000 * MS, .output = output[1]};
    struct voice voice = {.free = true};
    voice_start(&voice, &attr);
    CHECK_EQ(conc_stall_write(voice.stall, "x", 1), -ETIMEDOUT);
    close(output[0]);
    CHECK_EQ(conc_stall_write(voice.stall, "x", 1), -EPIPE);
    voice_end(&voice);
    close(output[1]);
}

static void
as_a_child(void *arg)
{
    struct voice *voice = arg;
    conc_stall_sleep(voice->stall);
    conc_stall_enter(voice->stall);
    CHECK_EQ(conc_stall_entered(voice->stall), CONC_STALL_CLOSED);
    conc_stall_judge_loop(voice->stall, true);
    conc_stall_stop(voice->stall);
    conc_stall_close(voice->stall);
}

/* In the child nobody watches, and nothing is waited for. */
static void
a_fork(void)
{
    struct conc_stall_attr attr = {.limit_ns = 40 * MS, .examine_ns = 10 * MS, .output = 2};
    struct voice voice = {.free = true};
    voice_start(&voice, &attr);
    in_child(as_a_child, &voice);
    voice_end(&voice);
}

static void
lines_of_text(void)
{
    static struct conc_stall_threads threads = {.total = 300, .count = CONC_STALL_THREADS};
    static char text[CONC_STALL_THREADS_TEXT];
    for (int i = 0; i < threads.count; i++)
        threads.rows[i] = (struct conc_stall_thread){
            .tid = INT32_MAX, .name = "123456789012345", .state_known = true, .state = CONC_TASK_NOT_RUNNING,
            .syscall = INT64_MAX, .cpu_ns = INT64_MAX, .holds_gil = true, .waits_for_gil = true,
        };
    size_t length = conc_stall_threads_text(&threads, text, sizeof(text));
    CHECK_EQ(length, strlen(text));
    CHECK(strstr(text, "of 300 threads") != NULL);
    for (size_t size = 1; size < 200; size++) {
        length = conc_stall_threads_text(&threads, text, size);
        CHECK(length < size);
        CHECK_EQ(strlen(text), length);
    }
    threads = (struct conc_stall_threads){.total = -EACCES};
    conc_stall_threads_text(&threads, text, sizeof(text));
    CHECK(strstr(text, "not told") != NULL);
    threads = (struct conc_stall_threads){.total = 1, .count = 1, .rows = {{.tid = 1, .syscall = -2, .cpu_ns = -1}}};
    conc_stall_threads_text(&threads, text, sizeof(text));
    CHECK_EQ(strcmp(text, "  1       ?               ?          \n"), 0);
}

int
main(void)
{
    HAVE_EQ(conc_registry_init(), 0);
    signal(SIGPIPE, SIG_IGN);
    lines_of_text();
    a_handler_that_has_gone();
    a_handler_in_a_copy();
    a_voice_that_is_kept_out(false);
    a_voice_that_is_kept_out(true);
    stopped_in_a_stall();
    a_loop_that_stops();
    an_output_that_is_full();
    a_fork();
    return 0;
}
