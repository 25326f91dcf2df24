/* SPDX-License-Identifier: Apache-2.0 */
/* os/interrupt.c - see the header. */
#include "os/interrupt.h"

#include "os/clock.h"
#include "os/thread_local.h"

static CONC_THREAD_LOCAL const struct conc_interrupt *current;

void
conc_interrupt_set(const struct conc_interrupt *interrupt)
{
    current = interrupt;
}

const struct conc_interrupt *
conc_interrupt_get(void)
{
    return current;
}

int64_t
conc_interrupt_next_look(const struct conc_interrupt *interrupt, int64_t deadline_ns)
{
    if (interrupt == NULL)
        return deadline_ns;
    int64_t look = conc_deadline_after(CONC_INTERRUPT_LOOK_NS);
    return look < deadline_ns ? look : deadline_ns;
}
