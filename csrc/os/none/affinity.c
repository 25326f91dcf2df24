/* SPDX-License-Identifier: Apache-2.0 */
/* os/none/affinity.c - a thread's CPUs cannot be asked for or set on this platform. */
#include "os/affinity.h"

#include <errno.h>

int
conc_affinity_get(struct conc_bitset *cpus)
{
    (void)cpus;
    return -ENOSYS;
}

int
conc_affinity_set(const struct conc_bitset *cpus)
{
    (void)cpus;
    return -ENOSYS;
}

int
conc_affinity_pin(size_t cpu)
{
    (void)cpu;
    return -ENOSYS;
}

int
conc_affinity_get_task(int tid, struct conc_bitset *cpus)
{
    (void)tid, (void)cpus;
    return -ENOSYS;
}

int
conc_affinity_leave_cpu(void)
{
    return -ENOSYS;
}

int
conc_affinity_set_task(int tid, const struct conc_bitset *cpus)
{
    (void)tid, (void)cpus;
    return -ENOSYS;
}
