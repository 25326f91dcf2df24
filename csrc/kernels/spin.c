/* SPDX-License-Identifier: Apache-2.0 */
/* kernels/spin.c - see the header. */
#include "kernels/spin.h"

#include "base/compiler.h"
#include "os/clock.h"

#define TURNS 16                /* pauses between two readings of the clock */

static int
run(void *state, struct conc_stop *stop)
{
    struct conc_spin *spin = state;
    int64_t deadline = conc_deadline_after(spin->duration_ns);
    int64_t cpu_before = conc_thread_cpu_ns();
    int err = 0;
    while (err == 0 && conc_now_ns() < deadline) {
        for (int i = 0; i < TURNS; i++)
            conc_cpu_relax();
        err = conc_stop_check(stop);
    }
    spin->cpu_ns = conc_thread_cpu_ns() - cpu_before;
    return err;
}

const struct conc_kernel conc_kernel_spin = {
    .name = "spin",
    .state_size = sizeof(struct conc_spin),
    .run = run,
};
