/* SPDX-License-Identifier: Apache-2.0 */
/* sched/begin.c - see the header. */
#include "sched/begin.h"

#include <stddef.h>

#include "os/clock.h"

#define MOMENT_NS INT64_C(1000000)

void
conc_wait_begun(struct conc_completion *begun, const struct conc_detach *detach)
{
    if (conc_completion_wait(begun, conc_deadline_after(MOMENT_NS)) == 0)
        return;
    void *detached = detach->detach == NULL ? NULL : detach->detach();
    while (conc_completion_wait(begun, CONC_FOREVER) != 0)
        continue;
    if (detach->attach != NULL)
        detach->attach(detached);
}
