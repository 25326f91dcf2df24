/* SPDX-License-Identifier: Apache-2.0 */
/* os/linux/memory_policy.c - set_mempolicy(2) and get_mempolicy(2) by system call: no libnuma. */
#include "os/memory_policy.h"

#include <errno.h>
#include <linux/mempolicy.h>
#include <stddef.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "os/linux/node_mask.h"

static int
set_policy(int mode, const struct conc_node_mask *mask)
{
    const unsigned long *words = mask != NULL ? mask->words : NULL;
    return syscall(SYS_set_mempolicy, mode, words, words != NULL ? CONC_NODE_MASK_BITS : 0) == 0 ? 0 : -errno;
}

int
conc_memory_policy_local(void)
{
    int err = set_policy(MPOL_LOCAL, NULL);
    /* Before Linux 3.8 preferring no node was the only way to say it. */
    return err == -EINVAL ? set_policy(MPOL_PREFERRED, NULL) : err;
}

int
conc_memory_policy_bind(unsigned node)
{
    struct conc_node_mask mask;
    int err = conc_node_mask_of(node, &mask);
    return err != 0 ? err : set_policy(MPOL_BIND, &mask);
}

int
conc_memory_policy_get(struct conc_memory_policy *policy)
{
    int mode;
    struct conc_node_mask mask = {{0}};
    if (syscall(SYS_get_mempolicy, &mode, mask.words, CONC_NODE_MASK_BITS, NULL, 0) != 0)
        return -errno;
    unsigned node = 0;
    int count = conc_node_mask_count(&mask, &node);
    *policy = (struct conc_memory_policy){.kind = CONC_MEMORY_OTHER};
    if (mode == MPOL_DEFAULT)
        policy->kind = CONC_MEMORY_DEFAULT;
    else if (mode == MPOL_LOCAL || (mode == MPOL_PREFERRED && count == 0))
        policy->kind = CONC_MEMORY_LOCAL;
    else if (mode == MPOL_BIND && count == 1)
        *policy = (struct conc_memory_policy){CONC_MEMORY_BIND, node};
    return 0;
}
