/* SPDX-License-Identifier: Apache-2.0 */
/* watch/pace.c - see the header. */
#include "watch/pace.h"

void
conc_pace_begin(struct conc_pace *pace, int64_t interval_ns, int64_t now_ns)
{
    *pace = (struct conc_pace){.asked_ns = interval_ns, .interval_ns = interval_ns, .due_ns = now_ns};
    pace->rates[pace->rate_count++] = (struct conc_pace_rate){now_ns, interval_ns};
}

static void
change(struct conc_pace *pace, int64_t now_ns, int64_t interval_ns)
{
    if (pace->rate_count == CONC_PACE_RATES)
        pace->rates[CONC_PACE_RATES - 1] = (struct conc_pace_rate){now_ns, interval_ns};
    else
        pace->rates[pace->rate_count++] = (struct conc_pace_rate){now_ns, interval_ns};
    pace->interval_ns = interval_ns;
}

void
conc_pace_judge(struct conc_pace *pace, int64_t now_ns, int64_t cost_ns)
{
    int64_t each_ns = pace->settled == 0 ? 0 : (cost_ns - pace->cost_ns) / pace->settled;
    pace->cost_ns = cost_ns;
    pace->settled = 0;
    if (each_ns > pace->interval_ns / CONC_PACE_SHARE && pace->interval_ns < INT64_MAX / 4)
        change(pace, now_ns, 2 * pace->interval_ns);
    /* Half of what is allowed at half the interval, so that it does not go to and fro. */
    else if (pace->interval_ns > pace->asked_ns && pace->rate_count < CONC_PACE_RATES &&
             each_ns < pace->interval_ns / (4 * CONC_PACE_SHARE))
        change(pace, now_ns, pace->interval_ns / 2);
}

void
conc_pace_look(struct conc_pace *pace, int64_t now_ns)
{
    if (now_ns - pace->due_ns > pace->interval_ns / 2)
        pace->late++;
    pace->looks++;
    pace->settled++;
    pace->due_ns += pace->interval_ns;
    /* Looks that were missed are not made up for. */
    if (pace->due_ns <= now_ns)
        pace->due_ns += (now_ns - pace->due_ns) / pace->interval_ns * pace->interval_ns + pace->interval_ns;
}
