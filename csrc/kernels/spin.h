/* SPDX-License-Identifier: Apache-2.0 */
/* kernels/spin.h - burns CPU for a time on the monotonic clock: the one end of every comparison. */
#ifndef CONC_KERNELS_SPIN_H
#define CONC_KERNELS_SPIN_H

#include <stdint.h>

#include "kernels/kernel.h"

struct conc_spin {
    int64_t duration_ns;        /* set by parse, >= 0; CONC_FOREVER is allowed */
    int64_t cpu_ns;             /* set by run: CPU time that the thread got meanwhile */
};

extern const struct conc_kernel conc_kernel_spin;

#endif
