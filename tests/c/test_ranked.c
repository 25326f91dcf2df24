/* SPDX-License-Identifier: Apache-2.0 */
/* test_ranked.c - sched/ranked.h against a sorted list: every rank, equal ones in order of coming, removal anywhere. */
#include "sched/ranked.h"

#include "base/random.h"
#include "crew.h"
#include "os/clock.h"

#define MOST 64

struct model {
    struct conc_task tasks[MOST];
    struct conc_rank ranks[MOST];
    bool in[MOST];
};

/* The number of the task that goes first, or -1. */
static int
first_of(const struct model *model, int count)
{
    int first = -1;
    for (int i = 0; i < count; i++) {
        if (!model->in[i])
            continue;
        const struct conc_rank *a = &model->ranks[i], *b = &model->ranks[first < 0 ? i : first];
        if (first < 0 || a->priority > b->priority || (a->priority == b->priority && a->deadline_ns < b->deadline_ns))
            first = i;
    }
    return first;
}

static void
pop_is_the_first(struct conc_ranked *ranked, struct model *model, int count)
{
    int first = first_of(model, count);
    struct conc_task *task = conc_ranked_pop(ranked);
    CHECK(task == (first < 0 ? NULL : &model->tasks[first]));
    if (first >= 0)
        model->in[first] = false;
}

static void
against_a_list(void)
{
    struct conc_random random = {7};
    for (int turn = 0; turn < TURNS(2000); turn++) {
        struct model model = {.in = {false}};
        struct conc_ranked ranked;
        conc_ranked_init(&ranked);
        int count = 0;
        while (count < MOST) {
            uint64_t what = conc_random_below(&random, 4);
            if (what < 2) {
                model.ranks[count].priority = (int64_t)conc_random_below(&random, 5) - 2;
                uint64_t deadline = conc_random_below(&random, 4);
                model.ranks[count].deadline_ns = deadline == 0 ? CONC_FOREVER : (int64_t)deadline;
                HAVE_EQ(conc_ranked_push(&ranked, &model.tasks[count], &model.ranks[count]), 0);
                model.in[count++] = true;
            } else if (what == 2) {
                pop_is_the_first(&ranked, &model, count);
            } else if (count > 0) {
                int which = (int)conc_random_below(&random, (uint64_t)count);
                CHECK_EQ(conc_ranked_remove(&ranked, &model.tasks[which]), model.in[which]);
                model.in[which] = false;
            }
            int first = first_of(&model, count);
            CHECK_EQ(conc_ranked_is_urgent(&ranked),
                     first >= 0 && (model.ranks[first].priority > 0 ||
                                    (model.ranks[first].priority == 0 &&
                                     model.ranks[first].deadline_ns != CONC_FOREVER)));
        }
        for (int i = 0; i <= MOST; i++)
            pop_is_the_first(&ranked, &model, count);
        CHECK_EQ(ranked.length, 0);
        conc_ranked_destroy(&ranked);
    }
}

int
main(void)
{
    against_a_list();
    return 0;
}
