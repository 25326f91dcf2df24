/* SPDX-License-Identifier: Apache-2.0 */
/* kernels/sleep.c - see the header. */
#include "kernels/sleep.h"

#include "os/clock.h"

static int
run(void *state, struct conc_stop *stop)
{
    const struct conc_sleep *sleep = state;
    return conc_stop_sleep(stop, conc_deadline_after(sleep->duration_ns));
}

const struct conc_kernel conc_kernel_sleep = {
    .name = "sleep",
    .state_size = sizeof(struct conc_sleep),
    .run = run,
};
