/* SPDX-License-Identifier: Apache-2.0 */
/* test_registry.c - os/registry.h: the fork generation, fork hooks, and what is made once in a process. */
#include "os/registry.h"

#include "crew.h"

static void
next_generation(void *arg)
{
    uint32_t parent = *(uint32_t *)arg;
    CHECK_EQ(conc_fork_generation(), parent + 1);
    uint32_t mine = parent + 1;
    if (mine < 3)
        in_child(next_generation, &mine);
    CHECK_EQ(conc_fork_generation(), mine);
}

static void
generation_counts_forks(void)
{
    CHECK_EQ(conc_fork_generation(), 0);
    uint32_t generation = 0;
    in_child(next_generation, &generation);
    CHECK_EQ(conc_fork_generation(), 0);
}

struct heard {
    struct conc_fork_hook hook;         /* first: the callbacks are given its address */
    int prepare, parent, child;
    uint32_t generation_in_child;
};

static void
hear_prepare(struct conc_fork_hook *hook)
{
    ((struct heard *)hook)->prepare++;
}

static void
hear_parent(struct conc_fork_hook *hook)
{
    ((struct heard *)hook)->parent++;
}

static void
hear_child(struct conc_fork_hook *hook)
{
    struct heard *heard = (struct heard *)hook;
    heard->child++;
    heard->generation_in_child = conc_fork_generation();
}

#define HOOKS 3

static void
look_in_child(void *arg)
{
    struct heard *heard = arg;
    for (int i = 0; i < HOOKS; i++) {
        CHECK_EQ(heard[i].prepare, i == 1 ? 0 : 1);
        CHECK_EQ(heard[i].child, i == 1 ? 0 : 1);
        CHECK_EQ(heard[i].parent, 0);
        CHECK_EQ(heard[i].generation_in_child, i == 1 ? 0 : 1);
    }
    conc_registry_remove_fork_hook(&heard[0].hook);     /* the registry is usable in the child */
}

/* Hooks are added and taken away in any order: removed from the middle, the end and the front. */
static void
hooks_hear_of_a_fork(void)
{
    struct heard heard[HOOKS] = {0};
    for (int i = 0; i < HOOKS; i++) {
        heard[i].hook = (struct conc_fork_hook){hear_prepare, hear_parent, hear_child, NULL, NULL};
        conc_registry_add_fork_hook(&heard[i].hook);
    }
    conc_registry_remove_fork_hook(&heard[1].hook);
    in_child(look_in_child, heard);
    for (int i = 0; i < HOOKS; i++) {
        CHECK_EQ(heard[i].prepare, i == 1 ? 0 : 1);
        CHECK_EQ(heard[i].parent, i == 1 ? 0 : 1);
        CHECK_EQ(heard[i].child, 0);
    }
    conc_registry_remove_fork_hook(&heard[0].hook);
    conc_registry_remove_fork_hook(&heard[2].hook);
    pid_t pid = fork();
    CHECK(pid >= 0);
    if (pid == 0)
        _exit(0);
    CHECK_EQ(waitpid(pid, NULL, 0), pid);
    for (int i = 0; i < HOOKS; i++)
        CHECK_EQ(heard[i].prepare, i == 1 ? 0 : 1);
}

static void
nothing(struct conc_fork_hook *hook)
{
    (void)hook;
}

static void
churn(void *arg, unsigned index)
{
    (void)index;
    atomic_bool *stop = arg;
    while (!atomic_load(stop)) {
        struct conc_fork_hook hooks[2] = {{nothing, nothing, nothing, NULL, NULL},
                                          {nothing, nothing, nothing, NULL, NULL}};
        conc_registry_add_fork_hook(&hooks[0]);
        conc_registry_add_fork_hook(&hooks[1]);
        conc_registry_remove_fork_hook(&hooks[0]);
        conc_registry_remove_fork_hook(&hooks[1]);
    }
}

static void
use_registry(void *arg)
{
    (void)arg;
    struct conc_fork_hook hook = {nothing, nothing, nothing, NULL, NULL};
    conc_registry_add_fork_hook(&hook);
    conc_registry_remove_fork_hook(&hook);
}

/* A fork while other threads hold the registry's lock leaves it free in the child. */
static void
fork_while_hooks_come_and_go(void)
{
    atomic_bool stop = false;
    struct crew crew;
    crew_start(&crew, 3, churn, &stop);
    for (int i = 0; i < TURNS(50); i++)
        in_child(use_registry, NULL);
    atomic_store(&stop, true);
    crew_join(&crew);
}

static atomic_int made;
static int the_thing;

static int
make_fails(void **out)
{
    *out = &made;               /* and whatever it leaves behind is not kept */
    return -ENOENT;
}

static int
make_works(void **out)
{
    atomic_fetch_add(&made, 1);
    *out = &the_thing;
    return 0;
}

static void
ask(void *arg, unsigned index)
{
    (void)arg, (void)index;
    void *out = NULL;
    CHECK_EQ(conc_registry_slot(CONC_SLOT_CURL, make_works, &out), 0);
    CHECK(out == &the_thing);
}

static void
slot_is_made_once(void)
{
    void *out = NULL;
    CHECK_EQ(conc_registry_slot(CONC_SLOT_CURL, make_fails, &out), -ENOENT);
    CHECK_EQ(conc_registry_slot(CONC_SLOT_CURL, make_fails, &out), -ENOENT);
    crew_run(4, ask, NULL);
    CHECK_EQ(atomic_load(&made), 1);
    CHECK_EQ(conc_registry_slot(CONC_SLOT_CURL, make_fails, &out), 0);
    CHECK(out == &the_thing);
}

int
main(void)
{
    CHECK_EQ(conc_registry_init(), 0);
    CHECK_EQ(conc_registry_init(), 0);      /* later calls do nothing: one generation a fork */
    generation_counts_forks();
    hooks_hear_of_a_fork();
    fork_while_hooks_come_and_go();
    slot_is_made_once();
    return 0;
}
