/* SPDX-License-Identifier: Apache-2.0 */
/* test_refcount.c - base/refcount.h: exactly one drop is the last, and it sees what the other owners wrote. */
#include "base/refcount.h"

#include "base/alloc.h"
#include "crew.h"

#define OWNERS 4

struct shared {
    struct conc_refcount refs;
    int written[OWNERS];            /* plain: the count alone must order it */
};

struct round {
    struct shared *shared;
    atomic_int freed;
};

static void
own(void *arg, unsigned index)
{
    struct round *round = arg;
    struct shared *shared = round->shared;
    conc_ref_take(&shared->refs);
    CHECK(!conc_ref_drop(&shared->refs));       /* our first one is still held */
    shared->written[index] = (int)index + 1;
    if (!conc_ref_drop(&shared->refs))
        return;
    for (int i = 0; i < OWNERS; i++)
        CHECK_EQ(shared->written[i], i + 1);
    conc_free(shared);
    atomic_fetch_add(&round->freed, 1);
}

int
main(void)
{
    struct conc_refcount one;
    conc_ref_init(&one);
    conc_ref_take(&one);
    CHECK(!conc_ref_drop(&one));
    CHECK(conc_ref_drop(&one));

    for (int turn = 0; turn < TURNS(1000); turn++) {
        struct round round = {0};
        HAVE(round.shared = conc_alloc(sizeof(*round.shared)));
        conc_ref_init(&round.shared->refs);
        for (int i = 1; i < OWNERS; i++)
            conc_ref_take(&round.shared->refs);
        crew_run(OWNERS, own, &round);
        CHECK_EQ(atomic_load(&round.freed), 1);
    }
    return 0;
}
