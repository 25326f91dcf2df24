/* SPDX-License-Identifier: Apache-2.0 */
/* test_record.c - watch/record.h: ids that the kernel gives anew between two looks. The kernel gives one anew when it has given
 * all others, so the test makes it up: who has an id began later than who is known by it, or what is kept open of an id was of
 * a thread that has ended. */
#include "watch/record.h"

#include "crew.h"
#include "fake_gil.h"
#include "os/clock.h"

#define LOOKS 200

/* A thread that waits until it is to end. */
struct guest {
    atomic_int tid;
    sem_t over;
    pthread_t thread;
};

static void *
stay(void *raw)
{
    struct guest *guest = raw;
    atomic_store(&guest->tid, conc_thread_self_id());
    event_wait(&guest->over);
    return NULL;
}

static void
invite(struct guest *guest)
{
    atomic_init(&guest->tid, 0);
    event_init(&guest->over);
    CHECK_EQ(pthread_create(&guest->thread, NULL, stay, guest), 0);
    until_blocked(&guest->tid);
}

static void
dismiss(struct guest *guest)
{
    event_set(&guest->over);
    CHECK_EQ(pthread_join(guest->thread, NULL), 0);
}

/* One that found no memory goes on without what it was for, so that no more can be said of it. */
static void
look(struct conc_watch_record *record)
{
    conc_record_look(record, conc_now_ns());
    if (faults_injected() > 0)
        faults_end();
}

static void
begin(struct conc_watch_record *record, int descriptors)
{
    record->interval_ns = 1000000;
    record->files.most = descriptors;
    HAVE_EQ(conc_record_begin(record, conc_now_ns(), 0), 0);
}

static struct conc_watched *
find(const struct conc_watch_record *record, const struct guest *guest)
{
    struct conc_watched *watched;
    HAVE(watched = conc_watched_find(&record->threads, atomic_load(&guest->tid)));
    return watched;
}

/* What was known of another one that had the id before. */
static const struct conc_watch_used FORMER = {.cpu_ns = 1, .run_delay_ns = 2, .voluntary = 3, .involuntary = 4};

static void
make_former(struct conc_watched *watched)
{
    CHECK(watched->start_ticks > 0);
    watched->start_ticks--;
    watched->now = FORMER;
    strcpy(watched->name, "former");
}

static void
check_former(const struct conc_watched *watched)
{
    CHECK(strcmp(watched->name, "former") == 0);
    CHECK_EQ(watched->now.voluntary, FORMER.voluntary);
    CHECK_EQ(watched->now.involuntary, FORMER.involuntary);
    CHECK(watched->end_ns != CONC_WATCH_NOT_KNOWN);
}

static void
test_who_has_an_id_at_the_end_is_not_who_had_it(void)
{
    struct guest same, other;
    struct conc_watch_record record = {0};
    invite(&same);
    invite(&other);
    begin(&record, 0);
    look(&record);
    struct conc_watched *former = find(&record, &other);
    const struct conc_watched *itself = find(&record, &same);
    make_former(former);
    conc_record_finish(&record, conc_now_ns());
    check_former(former);
    CHECK(former->end_ns <= record.end_ns);
    CHECK(conc_watched_find(&record.threads, former->tid) == NULL);
    CHECK_EQ(itself->end_ns, CONC_WATCH_NOT_KNOWN);
    CHECK(itself->now.voluntary >= 0);
    conc_record_clear(&record);
    dismiss(&same);
    dismiss(&other);
}

/* Also when it is looked at for the first time after it has run. The new one is a thread of its own. */
static void
test_who_has_an_id_meanwhile_is_not_who_had_it(void)
{
    struct guest guest;
    struct conc_watch_record record = {0};
    invite(&guest);
    begin(&record, 0);
    look(&record);
    struct conc_watched *former = find(&record, &guest);
    make_former(former);
    former->born_before = former->closely_seen = false;
    for (int i = 0; i < LOOKS && conc_watched_find(&record.threads, former->tid) == former; i++)
        look(&record);
    check_former(former);
    look(&record);
    const struct conc_watched *next = find(&record, &guest);
    CHECK(next != former);
    CHECK(next->start_ticks > former->start_ticks);
    conc_record_finish(&record, conc_now_ns());
    CHECK_EQ(next->end_ns, CONC_WATCH_NOT_KNOWN);
    conc_record_clear(&record);
    dismiss(&guest);
}

/* The file is of who had the id when it was opened. That it can be read no more says nothing of the other threads' files. */
static void
test_what_is_kept_open_is_of_who_had_the_id(void)
{
    struct guest first, second;
    struct conc_watch_record record = {0};
    invite(&first);
    invite(&second);
    begin(&record, 64);
    look(&record);
    struct conc_watched *ended = find(&record, &first), *former = find(&record, &second);
    dismiss(&first);
    struct conc_watch_kept kept = former->kept;
    former->kept = ended->kept;
    ended->kept = kept;
    for (int i = 0; i < LOOKS && conc_watched_find(&record.threads, former->tid) == former; i++)
        look(&record);
    CHECK(former->end_ns != CONC_WATCH_NOT_KNOWN);
    look(&record);
    const struct conc_watched *next = find(&record, &second);
    CHECK(next != former);
    for (int file = 0; file < CONC_WATCH_FILES; file++)
        CHECK_EQ(record.files.refused[file], 0);
    conc_record_finish(&record, conc_now_ns());
    CHECK_EQ(record.files.open, 0);
    conc_record_clear(&record);
    dismiss(&second);
}

/* ---- interpreters ---------------------------------------------------------------------------------------------------------- */

static int walks;

static int
count_walk(void *context)
{
    walks++;
    return fake_gil_refresh(context);
}

static void
test_interpreters_are_looked_for_when_threads_come(void)
{
    struct conc_watch_record record = {0};
    struct fake_gil fake = {0};
    struct guest first, second;
    record.gils = fake_gil_seen(&fake);
    record.gils.refresh = count_walk;
    invite(&first);
    begin(&record, 16);
    look(&record);
    CHECK_EQ(walks, 1);
    look(&record);
    look(&record);
    CHECK_EQ(walks, 1);
    invite(&second);
    look(&record);
    CHECK_EQ(walks, 2);
    conc_record_clear(&record);
    dismiss(&second);
    dismiss(&first);
}

int
main(void)
{
    test_who_has_an_id_at_the_end_is_not_who_had_it();
    test_who_has_an_id_meanwhile_is_not_who_had_it();
    test_what_is_kept_open_is_of_who_had_the_id();
    test_interpreters_are_looked_for_when_threads_come();
    return 0;
}
