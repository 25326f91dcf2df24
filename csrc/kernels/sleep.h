/* SPDX-License-Identifier: Apache-2.0 */
/* kernels/sleep.h - waits for a time on the monotonic clock: the other end of every comparison. */
#ifndef CONC_KERNELS_SLEEP_H
#define CONC_KERNELS_SLEEP_H

#include <stdint.h>

#include "kernels/kernel.h"

struct conc_sleep {
    int64_t duration_ns;        /* set by parse, >= 0; CONC_FOREVER is allowed */
};

extern const struct conc_kernel conc_kernel_sleep;

#endif
