/* SPDX-License-Identifier: Apache-2.0 */
/* test_gil.c - watch/gil.h on structures of our own that a real interpreter's could be, and that it could not. */
#include "watch/gil.h"

#include <string.h>
#include <sys/mman.h>

#include "crew.h"
#include "fake_runtime.h"

static void *
map(size_t bytes)
{
    void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(memory != MAP_FAILED);
    return memory;
}

static uint64_t
address_of(const void *there)
{
    return (uint64_t)(uintptr_t)there;
}

static struct conc_gil_reader *
open_reader(const struct conc_gil_layout *layout)
{
    struct conc_gil_reader *reader;
    HAVE_EQ(conc_gil_reader_open(&reader, 0, layout), 0);
    return reader;
}

static struct conc_gil_sample
read_one(struct conc_gil_reader *reader)
{
    struct conc_gil_sample sample;
    CHECK_EQ(conc_gil_reader_read(reader, &sample, 1), 1);
    return sample;
}

static void
one_gil(void)
{
    static struct fake_runtime runtime;
    static struct fake_interpreter main_interpreter = {.id = 0, .gil = &runtime.gil};
    static struct fake_thread first = {.native_id = 17}, second = {.native_id = 18};
    runtime.newest = &main_interpreter;
    struct conc_gil_layout layout = fake_layout(&runtime);
    struct conc_gil_reader *reader = open_reader(&layout);

    struct conc_gil_sample sample = read_one(reader);
    CHECK(!sample.enabled && !sample.locked && sample.holder_tid == 0);
    runtime.gil.locked = 1;                     /* nothing is said of one that is off */
    sample = read_one(reader);
    CHECK(!sample.enabled && !sample.locked && sample.holder_tid == 0);
    runtime.gil.locked = 0;
    runtime.gil.enabled = 1;
    sample = read_one(reader);
    CHECK(sample.enabled && !sample.locked && sample.holder_tid == 0 && sample.switches == 0);

    struct fake_thread *threads[] = {&first, &second, &second, &first};
    static const int tids[] = {17, 18, 18, 17};
    static const uint64_t switches[] = {1, 2, 2, 3};
    for (int i = 0; i < 4; i++) {
        fake_take(&runtime.gil, threads[i]);
        for (int again = 0; again < 2; again++) {
            sample = read_one(reader);
            CHECK(sample.enabled && sample.locked);
            CHECK_EQ(sample.interpreter, 0);
            CHECK_EQ(sample.holder_tid, tids[i]);
            CHECK_EQ(sample.switches, switches[i]);
        }
        fake_drop(&runtime.gil);
        sample = read_one(reader);
        CHECK(!sample.locked && sample.holder_tid == 0);    /* last_holder has it no more */
    }

    fake_take(&runtime.gil, &first);
    first.native_id = 19;                       /* the same thread state, as after a fork */
    CHECK_EQ(read_one(reader).holder_tid, 19);
    first.native_id = 0;
    CHECK_EQ(read_one(reader).holder_tid, -1);
    first.native_id = 1UL << 40;
    CHECK_EQ(read_one(reader).holder_tid, -1);
    runtime.gil.holder = NULL;
    sample = read_one(reader);
    CHECK(sample.locked && sample.holder_tid == -1);
    runtime.gil.locked = -1;                    /* being made */
    CHECK(!read_one(reader).locked);
    conc_gil_reader_close(reader);
}

/* As in 3.11: none of the interpreters points to a GIL. */
static void
gil_of_the_runtime(void)
{
    static struct fake_runtime runtime;
    static struct fake_interpreter main_interpreter = {.id = 0}, other = {.id = 3, .next = &main_interpreter};
    static struct fake_thread thread = {.native_id = 20};
    runtime.newest = &other;
    struct conc_gil_layout layout = fake_layout(&runtime);
    layout.runtime_gil = offsetof(struct fake_runtime, gil);
    layout.can_be_off = false;
    struct conc_gil_reader *reader = open_reader(&layout);
    fake_take(&runtime.gil, &thread);
    struct conc_gil_sample samples[2];
    CHECK_EQ(conc_gil_reader_read(reader, samples, 2), 1);
    CHECK(samples[0].enabled && samples[0].locked);
    CHECK_EQ(samples[0].interpreter, 0);
    CHECK_EQ(samples[0].holder_tid, 20);
    conc_gil_reader_close(reader);
}

static void
gils_of_interpreters(void)
{
    static struct fake_runtime runtime;
    static struct fake_gil own = {.enabled = 1};
    static struct fake_interpreter main_interpreter = {.id = 0, .gil = &runtime.gil};
    static struct fake_interpreter sharing = {.id = 1, .gil = &runtime.gil, .next = &main_interpreter};
    static struct fake_interpreter owning = {.id = 2, .gil = &own, .next = &sharing};
    static struct fake_interpreter unborn = {.id = 3, .gil = NULL, .next = &owning};
    static struct fake_thread first = {.native_id = 21}, second = {.native_id = 22};
    runtime.gil.enabled = 1;
    runtime.newest = &unborn;
    struct conc_gil_layout layout = fake_layout(&runtime);
    struct conc_gil_reader *reader = open_reader(&layout);
    fake_take(&runtime.gil, &first);
    fake_take(&own, &second);
    struct conc_gil_sample samples[3];
    CHECK_EQ(conc_gil_reader_read(reader, samples, 3), 2);
    CHECK(samples[0].interpreter == 0 && samples[0].holder_tid == 21);
    CHECK(samples[1].interpreter == 2 && samples[1].holder_tid == 22);
    CHECK_EQ(conc_gil_reader_read(reader, samples, 1), 1);
    CHECK_EQ(conc_gil_reader_read(reader, samples, 0), 0);

    int64_t interpreter = -7;
    CHECK(!conc_gil_reader_is_gil_address(reader, address_of(&own.switches), &interpreter));
    CHECK(!conc_gil_reader_is_gil_address(reader, address_of(&own) + sizeof(own), &interpreter));
    CHECK(!conc_gil_reader_is_gil_address(reader, 0, &interpreter));
    CHECK_EQ(interpreter, -7);
    CHECK(conc_gil_reader_is_gil_address(reader, address_of(own.waits), &interpreter));
    CHECK_EQ(interpreter, 2);
    CHECK(conc_gil_reader_is_gil_address(reader, address_of(&runtime.gil) + sizeof(own) - 1, &interpreter));
    CHECK_EQ(interpreter, 0);

    unborn.gil = &own;                          /* made now; the list is looked at when asked to */
    runtime.newest = &sharing;
    CHECK_EQ(conc_gil_reader_read(reader, samples, 3), 2);
    CHECK_EQ(conc_gil_reader_refresh(reader), 0);
    CHECK_EQ(conc_gil_reader_read(reader, samples, 3), 1);
    CHECK(samples[0].interpreter == 0 && samples[0].holder_tid == 21);
    runtime.newest = NULL;                      /* finalized */
    CHECK_EQ(conc_gil_reader_refresh(reader), 0);
    CHECK_EQ(conc_gil_reader_read(reader, samples, 3), 0);
    conc_gil_reader_close(reader);
}

/* A GIL that is a variable is glanced at: who has it is asked when another one took it, and else now and then. */
static void
glances(void)
{
    static struct fake_runtime runtime;
    static struct fake_interpreter main_interpreter = {.id = 0, .gil = &runtime.gil};
    static struct fake_thread first = {.native_id = 30}, second = {.native_id = 31};
    runtime.newest = &main_interpreter;
    struct conc_gil_layout layout = fake_layout(&runtime);
    struct conc_gil_reader *reader = open_reader(&layout);
    struct conc_gil_sample sample;
    CHECK_EQ(conc_gil_reader_glance(reader, &sample, 1), 1);
    CHECK(!sample.enabled && !sample.locked && sample.holder_tid == 0);
    runtime.gil.enabled = 1;
    for (int i = 0; i < 3 * CONC_GIL_GLANCES; i++) {
        fake_take(&runtime.gil, i % 2 == 0 ? &first : &second);
        for (int again = 0; again < 2; again++) {
            CHECK_EQ(conc_gil_reader_glance(reader, &sample, 1), 1);
            CHECK(sample.enabled && sample.locked && sample.interpreter == 0);
            CHECK_EQ(sample.holder_tid, i % 2 == 0 ? 30 : 31);
            CHECK_EQ(sample.switches, (uint64_t)i + 1);
        }
        fake_drop(&runtime.gil);
        CHECK_EQ(conc_gil_reader_glance(reader, &sample, 1), 1);
        CHECK(sample.enabled && !sample.locked && sample.holder_tid == 0);
    }

    for (int look = 0; look < 4 * CONC_GIL_GLANCES; look++)     /* free all the while */
        CHECK_EQ(conc_gil_reader_glance(reader, &sample, 1), 1);
    fake_take(&runtime.gil, &first);
    CHECK_EQ(read_one(reader).holder_tid, 30);
    first.native_id = 32;                       /* another thread's state in its place */
    int old = 0;
    while (conc_gil_reader_glance(reader, &sample, 1) == 1 && sample.holder_tid == 30)
        old++;
    CHECK_EQ(old, CONC_GIL_GLANCES - 1);
    CHECK_EQ(sample.holder_tid, 32);
    first.native_id = 0;                        /* gone */
    CHECK_EQ(read_one(reader).holder_tid, -1);
    CHECK_EQ(conc_gil_reader_glance(reader, &sample, 1), 1);
    CHECK(sample.locked && sample.holder_tid == -1);
    CHECK_EQ(conc_gil_reader_glance(reader, &sample, 0), 0);
    conc_gil_reader_close(reader);
}

/* One that may be freed is never. */
static void
no_glances(void)
{
    static struct fake_runtime runtime;
    static struct fake_interpreter ending = {.id = 1};
    static struct fake_thread thread = {.native_id = 33};
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    struct fake_gil *gil = map(page);
    ending.gil = gil;
    gil->enabled = 1;
    runtime.newest = &ending;
    struct conc_gil_layout layout = fake_layout(&runtime);
    struct conc_gil_reader *reader = open_reader(&layout);
    struct conc_gil_sample sample;
    fake_take(gil, &thread);
    for (unsigned long tid = 33; tid < 36; tid++) {
        thread.native_id = tid;
        CHECK_EQ(conc_gil_reader_glance(reader, &sample, 1), 1);
        CHECK_EQ(sample.holder_tid, (int)tid);
    }
    CHECK_EQ(munmap(gil, page), 0);
    CHECK_EQ(conc_gil_reader_glance(reader, &sample, 1), -EFAULT);
    conc_gil_reader_close(reader);
}

/* Structures that are unmapped after the reader has come to know them. */
static void
memory_that_goes(void)
{
    static struct fake_runtime runtime;
    static struct fake_interpreter main_interpreter = {.id = 0, .gil = &runtime.gil};
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    char *pages = map(2 * page);
    struct fake_interpreter *ending = (void *)pages;
    struct fake_gil *gil = (void *)(pages + 64);
    struct fake_thread *thread = (void *)(pages + page);
    runtime.gil.enabled = gil->enabled = 1;
    ending->id = 5;
    ending->gil = gil;
    ending->next = &main_interpreter;
    thread->native_id = 23;
    runtime.newest = ending;
    struct conc_gil_layout layout = fake_layout(&runtime);
    struct conc_gil_reader *reader = open_reader(&layout);
    fake_take(&runtime.gil, thread);
    fake_take(gil, thread);
    struct conc_gil_sample samples[2];
    CHECK_EQ(conc_gil_reader_read(reader, samples, 2), 2);
    CHECK_EQ(samples[0].holder_tid, 23);
    CHECK_EQ(samples[1].holder_tid, 23);

    CHECK_EQ(munmap(thread, page), 0);          /* deleted, and still said to have both */
    for (int i = 0; i < 3; i++) {
        CHECK_EQ(conc_gil_reader_read(reader, samples, 2), 2);
        CHECK(samples[0].locked && samples[0].holder_tid == -1);
        CHECK(samples[1].locked && samples[1].holder_tid == -1);
    }
    CHECK_EQ(munmap(pages, page), 0);           /* the interpreter ends, but is listed yet */
    CHECK_EQ(conc_gil_reader_read(reader, samples, 2), -EFAULT);
    CHECK_EQ(conc_gil_reader_refresh(reader), -EFAULT);
    runtime.newest = &main_interpreter;         /* now it is not */
    CHECK_EQ(conc_gil_reader_read(reader, samples, 2), 1);
    CHECK(samples[0].locked && samples[0].holder_tid == -1);
    conc_gil_reader_close(reader);
}

/* Lists that no interpreter makes: a ring, and more GILs than a reader has room for. */
static void
odd_lists(void)
{
    enum { MANY = CONC_GIL_LOCKS + 20 };
    static struct fake_runtime runtime;
    static struct fake_gil gils[MANY];
    static struct fake_interpreter interpreters[MANY];
    for (int i = 0; i < MANY; i++) {
        interpreters[i].id = i;
        interpreters[i].gil = &gils[i];
        interpreters[i].next = i > 0 ? &interpreters[i - 1] : NULL;
    }
    runtime.newest = &interpreters[MANY - 1];
    struct conc_gil_layout layout = fake_layout(&runtime);
    struct conc_gil_reader *reader = open_reader(&layout);
    struct conc_gil_sample samples[MANY];
    CHECK_EQ(conc_gil_reader_read(reader, samples, MANY), CONC_GIL_LOCKS);
    CHECK_EQ(samples[0].interpreter, 0);
    CHECK_EQ(samples[1].interpreter, MANY - CONC_GIL_LOCKS + 1);
    CHECK_EQ(samples[CONC_GIL_LOCKS - 1].interpreter, MANY - 1);
    interpreters[0].next = &interpreters[3];
    runtime.newest = &interpreters[3];
    CHECK_EQ(conc_gil_reader_refresh(reader), 0);
    CHECK_EQ(conc_gil_reader_read(reader, samples, MANY), 4);
    conc_gil_reader_close(reader);
}

static void
no_structures(void)
{
    struct conc_gil_reader *reader;
    struct conc_gil_sample sample;
    int64_t interpreter = -1;
    struct conc_gil_layout layout = {0};
    HAVE_EQ(conc_gil_reader_open(&reader, 0, &layout), 0);
    CHECK_EQ(conc_gil_reader_read(reader, &sample, 1), 0);
    CHECK_EQ(conc_gil_reader_refresh(reader), 0);
    CHECK(!conc_gil_reader_is_gil_address(reader, 0, &interpreter));
    conc_gil_reader_close(reader);
    conc_gil_reader_close(NULL);

    layout = (struct conc_gil_layout){.learned_begin = 100, .learned_end = 200, .learned_interpreter = 4};
    HAVE_EQ(conc_gil_reader_open(&reader, 0, &layout), 0);
    CHECK_EQ(conc_gil_reader_read(reader, &sample, 1), 0);
    CHECK(!conc_gil_reader_is_gil_address(reader, 99, &interpreter));
    CHECK(!conc_gil_reader_is_gil_address(reader, 200, &interpreter));
    CHECK(conc_gil_reader_is_gil_address(reader, 100, &interpreter));
    CHECK(conc_gil_reader_is_gil_address(reader, 199, &interpreter));
    CHECK_EQ(interpreter, 4);
    conc_gil_reader_close(reader);
}

static void
no_runtime(void)
{
    static struct fake_runtime runtime;
    struct conc_gil_reader *reader = NULL;
    struct conc_gil_layout layout = fake_layout(&runtime);
    layout.runtime = 8;
    HAVE_EQ(conc_gil_reader_open(&reader, 0, &layout), -EFAULT);
    layout = fake_layout(&runtime);
    uint32_t *offsets[] = {&layout.gil_enabled, &layout.gil_holder, &layout.gil_locked, &layout.gil_switches,
                           &layout.gil_waits};
    for (int i = 0; i < 5; i++) {
        layout = fake_layout(&runtime);
        *offsets[i] = 0xfffffff0;
        HAVE_EQ(conc_gil_reader_open(&reader, 0, &layout), -EBADMSG);
    }
    layout = fake_layout(&runtime);
    layout.gil_bytes = layout.gil_waits - 1;
    HAVE_EQ(conc_gil_reader_open(&reader, 0, &layout), -EBADMSG);
    CHECK(reader == NULL);
}

/* Threads that take turns, whose states come and go: what is said is one of them, or that it is not known. */
#define TAKERS 4
#define FIRST_TID 1000

static struct {
    struct fake_runtime runtime;
    struct fake_interpreter interpreter;
    pthread_mutex_t turn;
    struct fake_thread *threads[TAKERS];
    atomic_bool stop;
} race = {.turn = PTHREAD_MUTEX_INITIALIZER};

static void
take_turns(void *arg, unsigned index)
{
    (void)arg;
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    for (unsigned turn = 0; !atomic_load(&race.stop); turn++) {
        struct fake_thread *thread = map(page);
        atomic_store(&thread->native_id, FIRST_TID + index);
        pthread_mutex_lock(&race.turn);
        fake_take(&race.runtime.gil, thread);
        for (unsigned i = 0; i < turn % 64; i++)
            atomic_signal_fence(memory_order_seq_cst);
        fake_drop(&race.runtime.gil);
        pthread_mutex_unlock(&race.turn);
        CHECK_EQ(munmap(thread, page), 0);
    }
}

static void
changing_holders(int (*look)(struct conc_gil_reader *reader, struct conc_gil_sample *samples, int size))
{
    atomic_store(&race.stop, false);
    race.runtime.gil.enabled = 1;
    race.interpreter.gil = &race.runtime.gil;
    race.runtime.newest = &race.interpreter;
    struct conc_gil_layout layout = fake_layout(&race.runtime);
    struct conc_gil_reader *reader = open_reader(&layout);
    struct crew crew;
    crew_start(&crew, TAKERS, take_turns, NULL);
    uint64_t switches = 0;
    for (int i = 0; i < TURNS(20000); i++) {
        struct conc_gil_sample sample;
        CHECK_EQ(look(reader, &sample, 1), 1);
        CHECK(sample.enabled && sample.switches >= switches);
        switches = sample.switches;
        if (!sample.locked)
            CHECK_EQ(sample.holder_tid, 0);
        else if (sample.holder_tid != -1)
            CHECK(sample.holder_tid >= FIRST_TID && sample.holder_tid < FIRST_TID + TAKERS);
    }
    atomic_store(&race.stop, true);
    crew_join(&crew);
    conc_gil_reader_close(reader);
}

int
main(void)
{
    one_gil();
    gil_of_the_runtime();
    gils_of_interpreters();
    glances();
    no_glances();
    memory_that_goes();
    odd_lists();
    no_structures();
    no_runtime();
    changing_holders(conc_gil_reader_read);
    changing_holders(conc_gil_reader_glance);
    return 0;
}
