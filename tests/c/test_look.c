/* SPDX-License-Identifier: Apache-2.0 */
/* test_look.c - watch/look.h: what each state of a thread is called that the system can tell of, also those that no test can bring
 * about, like a page that is read from a disk.
 *
 * The code under test is compiled once more, with what the test says in place of the files of /proc.
 */
#define conc_watch_files_read told_read
#define conc_watch_look tested_look
#define conc_watch_look_clock tested_clock
#define conc_watch_look_closely tested_closely
#define conc_watch_look_delay tested_delay
#define conc_watch_look_name tested_name
#define conc_watch_look_place tested_place
#define conc_watch_look_times tested_times
#include "watch/look.c"

#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>

#include "check.h"

#define ANOTHER_PROCESS 1
#define CPU 5

/* What the files say; NULL: the system has no such file, or refuses it. */
static struct told {
    const char *syscall;
    char letter;                /* of `stat`; 0: refused as well */
    bool gone;
} told;

int64_t
told_read(struct conc_watch_files *files, struct conc_watch_kept *kept, int tid, enum conc_watch_file file, char *text,
          size_t size)
{
    (void)files, (void)kept, (void)tid;
    if (told.gone)
        return -ESRCH;
    if (file == CONC_WATCH_SYSCALL && told.syscall != NULL)
        return snprintf(text, size, "%s", told.syscall);
    if (file == CONC_WATCH_STAT && told.letter != 0)
        return snprintf(text, size, "7 (a) b) %c 1 7 7 0 -1 0 0 0 0 0 1 1 0 0 20 0 1 0 99 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 %d 0",
                        told.letter, CPU);
    return -EPERM;
}

static struct conc_watched
seen_by(struct told now, struct conc_doing *doing, int answer)
{
    struct conc_watch_files files = {.pid = ANOTHER_PROCESS, .refused = {[CONC_WATCH_SCHEDSTAT] = -EPERM}};
    const struct conc_watch_gils gils = {0};
    struct conc_watched watched = {.tid = 7, .cpu = -1, .now = {.cpu_ns = 1}};
    told = now;
    CHECK_EQ(tested_look(&files, &gils, &watched, doing), answer);
    return watched;
}

static void
check_letter(const char *syscall, char letter, enum conc_watch_state state, enum conc_watch_reason reason)
{
    struct conc_doing doing;
    struct conc_watched watched = seen_by((struct told){syscall, letter, false}, &doing, 0);
    CHECK_EQ(doing.state, state);
    CHECK_EQ(doing.reason, reason);
    CHECK_EQ(doing.syscall, -1);
    CHECK_EQ(watched.cpu, CPU);
}

/* It waits, and has called nothing: for a page, or since it is stopped. */
static void
test_letters_of_what_waits_outside_of_system_calls(void)
{
    static const char outside[] = "-1 0x7ffd00000000 0x7f0000000000\n";
    check_letter(outside, 'D', CONC_WATCH_NOT_RUNNING, CONC_WATCH_PAGE_FAULT);
    check_letter(outside, 'T', CONC_WATCH_NOT_RUNNING, CONC_WATCH_STOPPED);
    check_letter(outside, 't', CONC_WATCH_NOT_RUNNING, CONC_WATCH_STOPPED);
    check_letter(outside, 'S', CONC_WATCH_NOT_RUNNING, CONC_WATCH_UNKNOWN);
    check_letter(outside, 'I', CONC_WATCH_NOT_RUNNING, CONC_WATCH_UNKNOWN);
    check_letter(outside, 'R', CONC_WATCH_RUNNING, CONC_WATCH_NONE);
    check_letter(outside, 'Z', CONC_WATCH_ENDED, CONC_WATCH_NONE);
    check_letter(outside, 'X', CONC_WATCH_ENDED, CONC_WATCH_NONE);
}

/* Where the system does not say which call a thread waits in, a D is no page: most are calls. */
static void
test_letters_where_calls_are_not_told(void)
{
    check_letter(NULL, 'D', CONC_WATCH_NOT_RUNNING, CONC_WATCH_UNKNOWN);
    check_letter(NULL, 'S', CONC_WATCH_NOT_RUNNING, CONC_WATCH_UNKNOWN);
    check_letter(NULL, 'T', CONC_WATCH_NOT_RUNNING, CONC_WATCH_STOPPED);
    check_letter(NULL, 'R', CONC_WATCH_RUNNING, CONC_WATCH_NONE);
    check_letter(NULL, 'Z', CONC_WATCH_ENDED, CONC_WATCH_NONE);
    check_letter("in no format that is known\n", 'T', CONC_WATCH_NOT_RUNNING, CONC_WATCH_STOPPED);
}

static void
check_call(long number, enum conc_watch_reason reason)
{
    char text[128];
    snprintf(text, sizeof(text), "%ld 0x0 0x0 0x0 0x0 0x0 0x0 0x7ffd00000000 0x7f0000000000\n", number);
    struct conc_doing doing;
    (void)seen_by((struct told){text, 0, false}, &doing, 0);
    CHECK_EQ(doing.state, CONC_WATCH_NOT_RUNNING);
    CHECK_EQ(doing.reason, reason);
    CHECK_EQ(doing.syscall, number);
}

static void
test_calls(void)
{
    check_call(SYS_clock_nanosleep, CONC_WATCH_SLEEP);
    check_call(SYS_futex, CONC_WATCH_FUTEX);
    check_call(SYS_epoll_pwait, CONC_WATCH_POLL);
    check_call(SYS_sync, CONC_WATCH_DISK);
    check_call(SYS_wait4, CONC_WATCH_JOIN);
    check_call(SYS_getpid, CONC_WATCH_SYSTEM_CALL);
}

static void
test_what_runs_and_what_is_gone(void)
{
    struct conc_doing doing;
    (void)seen_by((struct told){"running\n", 0, false}, &doing, 0);
    CHECK_EQ(doing.state, CONC_WATCH_RUNNING);
    (void)seen_by((struct told){.gone = true}, &doing, -ESRCH);
}

/* Neither file is to be had, and nor is its CPU time. */
static void
test_of_what_nothing_is_told_nothing_is_said(void)
{
    struct conc_doing doing;
    (void)seen_by((struct told){NULL, 0, false}, &doing, 0);
    CHECK_EQ(doing.state, CONC_WATCH_NOT_RUNNING);
    CHECK_EQ(doing.reason, CONC_WATCH_UNKNOWN);
}

int
main(void)
{
    test_letters_of_what_waits_outside_of_system_calls();
    test_letters_where_calls_are_not_told();
    test_calls();
    test_what_runs_and_what_is_gone();
    test_of_what_nothing_is_told_nothing_is_said();
    return 0;
}
