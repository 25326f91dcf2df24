/* SPDX-License-Identifier: Apache-2.0 */
/* test_relay.c - ipc/relay over pipes whose other ends are threads of the test. */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "check.h"
#include "ipc/relay.h"
#include "os/clock.h"
#include "os/descriptor.h"

#define SIZE ((size_t)(4 << 20) / CONC_TEST_SCALE)

struct pipes {
    int ours[CONC_RELAY_STREAMS];
    int theirs[CONC_RELAY_STREAMS];
};

static struct pipes
make_pipes(void)
{
    struct pipes p;
    for (int i = 0; i < CONC_RELAY_STREAMS; i++) {
        int fds[2];
        CHECK_EQ(pipe(fds), 0);
        p.ours[i] = fds[i == CONC_RELAY_IN];
        p.theirs[i] = fds[i != CONC_RELAY_IN];
    }
    return p;
}

/* The caller's part of the contract: closes what has ended, until nothing is left or something else happened. */
static int
run_and_close(struct conc_relay *relay, struct pipes *p, int64_t deadline_ns)
{
    for (;;) {
        int ended;
        MAY_LACK_MEMORY(ended = conc_relay_run(relay, deadline_ns));
        if (ended <= 0)
            return ended;
        for (int i = 0; i < CONC_RELAY_STREAMS; i++) {
            if (ended & (1 << i))
                CHECK_EQ(close(p->ours[i]), 0);
        }
    }
}

/* Says each byte it hears on both of its outputs, the second time inverted. */
static void *
echo_twice(void *raw)
{
    struct pipes *p = raw;
    unsigned char buffer[5000];
    ssize_t n;
    while ((n = read(p->theirs[CONC_RELAY_IN], buffer, sizeof(buffer))) > 0) {
        for (int stream = CONC_RELAY_OUT; stream <= CONC_RELAY_ERR; stream++) {
            for (ssize_t done = 0; done < n;) {
                ssize_t m = write(p->theirs[stream], buffer + done, (size_t)(n - done));
                CHECK(m > 0);
                done += m;
            }
            for (ssize_t i = 0; i < n; i++)
                buffer[i] = (unsigned char)~buffer[i];
        }
    }
    for (int i = 0; i < CONC_RELAY_STREAMS; i++)
        close(p->theirs[i]);
    return NULL;
}

static void
test_all_three_at_once(void)
{
    struct pipes p = make_pipes();
    unsigned char *input;
    HAVE(input = conc_alloc(SIZE));
    for (size_t i = 0; i < SIZE; i++)
        input[i] = (unsigned char)(i * 31 >> 3);
    pthread_t thread;
    CHECK_EQ(pthread_create(&thread, NULL, echo_twice, &p), 0);
    struct conc_relay relay;
    conc_relay_init(&relay, p.ours, (const char *)input, SIZE);
    /* Short deadlines cut it in pieces: nothing may be lost or said twice. */
    int result;
    while ((result = run_and_close(&relay, &p, conc_deadline_after(1000000))) == -ETIMEDOUT)
        ;
    CHECK_EQ(result, 0);
    CHECK_EQ(pthread_join(thread, NULL), 0);
    CHECK_EQ(relay.text[CONC_RELAY_OUT].size, SIZE);
    CHECK_EQ(relay.text[CONC_RELAY_ERR].size, SIZE);
    CHECK(memcmp(relay.text[CONC_RELAY_OUT].bytes, input, SIZE) == 0);
    for (size_t i = 0; i < SIZE; i++)
        CHECK((unsigned char)relay.text[CONC_RELAY_ERR].bytes[i] == (unsigned char)~input[i]);
    conc_relay_clear(&relay);
    conc_free(input);
}

static void
test_deadline_keeps_what_was_read(void)
{
    struct pipes p = make_pipes();
    struct conc_relay relay;
    conc_relay_init(&relay, p.ours, NULL, 0);
    CHECK_EQ(write(p.theirs[CONC_RELAY_OUT], "some", 4), 4);
    CHECK_EQ(run_and_close(&relay, &p, conc_deadline_after(0)), -ETIMEDOUT);
    CHECK_EQ(relay.text[CONC_RELAY_OUT].size, 4);
    bool blocking = false;
    CHECK_EQ(conc_descriptor_set_blocking(p.ours[CONC_RELAY_OUT], true, &blocking), 0);
    CHECK(blocking);                                    /* as it was before */
    CHECK_EQ(write(p.theirs[CONC_RELAY_OUT], "more", 4), 4);
    for (int i = 0; i < CONC_RELAY_STREAMS; i++)
        close(p.theirs[i]);
    CHECK_EQ(run_and_close(&relay, &p, CONC_FOREVER), 0);
    CHECK_EQ(relay.text[CONC_RELAY_OUT].size, 8);
    CHECK(memcmp(relay.text[CONC_RELAY_OUT].bytes, "somemore", 8) == 0);
    CHECK_EQ(run_and_close(&relay, &p, CONC_FOREVER), 0);   /* at the end it stays */
    conc_relay_clear(&relay);
}

static void
test_a_reader_that_stops(void)
{
    struct pipes p = make_pipes();
    static const char input[200000];
    struct conc_relay relay;
    conc_relay_init(&relay, p.ours, input, sizeof(input));
    for (int i = 0; i < CONC_RELAY_STREAMS; i++)
        close(p.theirs[i]);
    CHECK_EQ(run_and_close(&relay, &p, CONC_FOREVER), 0);
    CHECK_EQ(relay.input_sent, 0);
    conc_relay_clear(&relay);
}

static void
test_errors(void)
{
    const int none[CONC_RELAY_STREAMS] = {-1, -1, -1}, bad[CONC_RELAY_STREAMS] = {-1, 999, -1};
    struct conc_relay relay;
    conc_relay_init(&relay, none, NULL, 0);
    HAVE_EQ(conc_relay_run(&relay, CONC_FOREVER), 0);
    conc_relay_init(&relay, bad, NULL, 0);
    HAVE_EQ(conc_relay_run(&relay, CONC_FOREVER), -EBADF);
}

int
main(void)
{
    signal(SIGPIPE, SIG_IGN);
    test_all_three_at_once();
    test_deadline_keeps_what_was_read();
    test_a_reader_that_stops();
    test_errors();
    return 0;
}
