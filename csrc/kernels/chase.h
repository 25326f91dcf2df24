/* SPDX-License-Identifier: Apache-2.0 */
/* kernels/chase.h - the latency kernel: loads each of which needs the result of the one before. */
#ifndef CONC_KERNELS_CHASE_H
#define CONC_KERNELS_CHASE_H

#include <stddef.h>

#define CONC_CHASE_UNROLL 64

/* Follows rounds * CONC_CHASE_UNROLL pointers from `start`, each of which points to the next; the last one. There is
 * nothing between two loads but, every CONC_CHASE_UNROLL, a counter that the loads do not depend on. */
void *conc_chase(void *start, size_t rounds);

#endif
