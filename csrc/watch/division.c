/* SPDX-License-Identifier: Apache-2.0 */
/* watch/division.c - see the header. Time that was spent neither on a CPU nor waiting for one was a wait. Which one, is
 * known when the thread waited at either look: a wait at the first came before it ran, one at the second after it. One that
 * waited at neither, and was not seen to wait of late either, was ready: the system itself was off the CPU (a virtual
 * machine, an interrupt), or does not count such time.
 */
#include "watch/division.h"

static bool
waits(const struct conc_doing *doing)
{
    return doing->state == CONC_WATCH_NOT_RUNNING;
}

static bool
same_wait(const struct conc_doing *a, const struct conc_doing *b)
{
    return a->reason == b->reason && a->descriptor == b->descriptor && a->interpreter == b->interpreter;
}

static void
add(struct conc_division *division, const struct conc_doing *doing, int64_t ns)
{
    if (ns > 0)
        division->parts[division->count++] = (struct conc_division_part){*doing, ns};
}

struct conc_division
conc_divide(int64_t ns, int64_t ran_ns, int64_t delayed_ns, const struct conc_doing *before,
            const struct conc_doing *now, const struct conc_doing *waited)
{
    const struct conc_doing running = conc_doing_plainly(CONC_WATCH_RUNNING, CONC_WATCH_NONE);
    const struct conc_doing runnable = conc_doing_plainly(CONC_WATCH_RUNNABLE, CONC_WATCH_NONE);
    int64_t waited_ns = ns - ran_ns - delayed_ns, after_ns = 0;
    const struct conc_doing *wait = before;
    if (waits(now)) {
        if (!waits(before))
            after_ns = waited_ns;
        else if (!same_wait(before, now))
            after_ns = waited_ns / 2;
    }
    else if (!waits(before)) {
        wait = waited;
        if (!waits(waited)) {
            delayed_ns += waited_ns;
            waited_ns = 0;
        }
    }
    struct conc_division division = {.count = 0};
    add(&division, wait, waited_ns - after_ns);
    add(&division, &runnable, delayed_ns);
    add(&division, &running, ran_ns);
    add(&division, now, after_ns);
    return division;
}

struct conc_division
conc_divide_behind(int64_t ns, int64_t ran_ns, int64_t delayed_ns, bool moved, const struct conc_doing *before,
                   const struct conc_doing *now, const struct conc_doing *waited)
{
    if (waits(now) && moved)
        return conc_divide(ns, ran_ns, delayed_ns, before, now, waited);
    struct conc_division division = {.count = 0};
    if (waits(now)) {
        add(&division, now, ns);
        return division;
    }
    /* It is on a CPU, or wants to be. What it did since the clock last moved, the next move tells; how long it waited before,
     * nobody does. */
    const struct conc_doing running = conc_doing_plainly(CONC_WATCH_RUNNING, CONC_WATCH_NONE);
    const struct conc_doing runnable = conc_doing_plainly(CONC_WATCH_RUNNABLE, CONC_WATCH_NONE);
    int64_t open_ns = ns - ran_ns - delayed_ns;
    if (waits(before))
        add(&division, before, open_ns / 2);
    add(&division, &runnable, delayed_ns);
    add(&division, &running, ran_ns);
    /* So long the clock stands still for none but those that wait for a CPU. */
    if (!waits(before) && open_ns > CONC_DIVISION_BEHIND_NS)
        add(&division, &runnable, open_ns);
    return division;
}

static bool
same(const struct conc_doing *a, const struct conc_doing *b)
{
    return a->state == b->state && a->syscall == b->syscall && same_wait(a, b);
}

struct conc_division
conc_divide_seen(int64_t ns, const struct conc_doing *before, const struct conc_doing *now)
{
    struct conc_division division = {.count = 0};
    int64_t before_ns = same(before, now) ? 0 : ns / 2;
    add(&division, before, before_ns);
    add(&division, now, ns - before_ns);
    return division;
}

int64_t
conc_division_ns(const struct conc_division *division)
{
    int64_t ns = 0;
    for (int i = 0; i < division->count; i++)
        ns += division->parts[i].ns;
    return ns;
}
