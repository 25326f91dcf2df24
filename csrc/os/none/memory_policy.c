/* SPDX-License-Identifier: Apache-2.0 */
/* os/none/memory_policy.c - where pages come from cannot be asked for or set on this platform. */
#include "os/memory_policy.h"

#include <errno.h>

int
conc_memory_policy_local(void)
{
    return -ENOSYS;
}

int
conc_memory_policy_bind(unsigned node)
{
    (void)node;
    return -ENOSYS;
}

int
conc_memory_policy_get(struct conc_memory_policy *policy)
{
    (void)policy;
    return -ENOSYS;
}
