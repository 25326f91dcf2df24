/* SPDX-License-Identifier: Apache-2.0 */
/* os/noise.h - what disturbs a measurement and the operating system counts. Read before and after; a difference > 0
 * means that the time in between was not all ours. */
#ifndef CONC_OS_NOISE_H
#define CONC_OS_NOISE_H

#include <stddef.h>
#include <stdint.h>

#define CONC_NOISE_UNKNOWN INT64_C(-1)

struct conc_noise {
    int64_t involuntary;        /* involuntary context switches of the calling thread; or CONC_NOISE_UNKNOWN */
    int64_t steal_ticks;        /* clock ticks that a hypervisor took from the CPU; or CONC_NOISE_UNKNOWN */
};

/* 0, and what is not to be had is CONC_NOISE_UNKNOWN; or -ENOSYS where this platform tells neither, and both are. */
int conc_noise_read(size_t cpu, struct conc_noise *noise);

#endif
