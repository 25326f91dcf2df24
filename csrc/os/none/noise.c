/* SPDX-License-Identifier: Apache-2.0 */
/* os/none/noise.c - this platform does not tell what disturbed a thread. */
#include "os/noise.h"

#include <errno.h>

int
conc_noise_read(size_t cpu, struct conc_noise *noise)
{
    (void)cpu;
    noise->involuntary = CONC_NOISE_UNKNOWN;
    noise->steal_ticks = CONC_NOISE_UNKNOWN;
    return -ENOSYS;
}
