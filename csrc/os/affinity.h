/* SPDX-License-Identifier: Apache-2.0 */
/* os/affinity.h - which CPUs a thread of this process may run on; any number of CPUs. */
#ifndef CONC_OS_AFFINITY_H
#define CONC_OS_AFFINITY_H

#include "base/bitset.h"

/* Adds the calling thread's CPUs to `cpus` (an empty set of the caller, who clears it). 0 or a negative errno. */
int conc_affinity_get(struct conc_bitset *cpus);

/* -EINVAL when none of `cpus` is there and allowed for this process. The thread runs on one of them on return. */
int conc_affinity_set(const struct conc_bitset *cpus);

/* The same for one CPU. */
int conc_affinity_pin(size_t cpu);

/* The same for the thread `tid` (conc_thread_self_id()) of this process: from the return on it runs nowhere else.
 * -ESRCH when it is gone. */
int conc_affinity_get_task(int tid, struct conc_bitset *cpus);
int conc_affinity_set_task(int tid, const struct conc_bitset *cpus);

/* The calling thread goes on on another one of its CPUs, all of which it keeps. No memory is allocated. -EINVAL: it has no other
 * one, or the machine has more than 8192. */
int conc_affinity_leave_cpu(void);

#endif
