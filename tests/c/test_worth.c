/* SPDX-License-Identifier: Apache-2.0 */
/* test_worth.c - sync/worth.h: always while it pays, rarely while it does not, and back again. */
#include "sync/worth.h"

#include "check.h"

/* How many of `occasions` are tried when each try ends as `pays` says. */
static unsigned
tries(struct conc_worth *worth, unsigned occasions, bool pays)
{
    unsigned count = 0;
    for (unsigned i = 0; i < occasions; i++) {
        if (conc_worth_a_try(worth)) {
            conc_worth_note(worth, pays);
            count++;
        }
    }
    return count;
}

/* How many occasions go by until a try pays, where every other one would. */
static unsigned
occasions_until_paid(struct conc_worth *worth, bool first_pays)
{
    for (unsigned i = 0;; i++) {
        bool pays = (i % 2 == 0) == first_pays;
        if (!conc_worth_a_try(worth))
            continue;
        conc_worth_note(worth, pays);
        if (pays)
            return i;
    }
}

int
main(void)
{
    struct conc_worth worth = {0, 0};
    CHECK_EQ(tries(&worth, 1000, true), 1000);

    CHECK_EQ(tries(&worth, CONC_WORTH_PATIENCE + 1, false), CONC_WORTH_PATIENCE + 1);
    CHECK(tries(&worth, 1000, false) < 50);
    CHECK_EQ(worth.failed, CONC_WORTH_MOST_DOUBT);
    CHECK_EQ(tries(&worth, 10 * CONC_WORTH_RARELY, false), 10);

    for (int first_pays = 0; first_pays < 2; first_pays++) {
        (void)tries(&worth, 1000, false);
        CHECK(occasions_until_paid(&worth, first_pays) < 2 * CONC_WORTH_RARELY);
        CHECK_EQ(tries(&worth, 1000, true), 1000);
    }
    return 0;
}
