/* SPDX-License-Identifier: Apache-2.0 */
/* os/linux/node_mask.h - a set of NUMA nodes as the kernel's memory policies take it. */
#ifndef CONC_OS_LINUX_NODE_MASK_H
#define CONC_OS_LINUX_NODE_MASK_H

#include <errno.h>
#include <limits.h>

#include "os/memory.h"

#define CONC_NODE_WORD_BITS (CHAR_BIT * sizeof(unsigned long))

/* What the system calls are told as the mask's length: they read one bit less. */
#define CONC_NODE_MASK_BITS ((unsigned long)CONC_NODE_LIMIT + 1)

struct conc_node_mask {
    unsigned long words[CONC_NODE_LIMIT / CONC_NODE_WORD_BITS];
};

/* The set of `node` alone; -EINVAL when no machine has it. */
static inline int
conc_node_mask_of(unsigned node, struct conc_node_mask *mask)
{
    if (node >= CONC_NODE_LIMIT)
        return -EINVAL;
    *mask = (struct conc_node_mask){{0}};
    mask->words[node / CONC_NODE_WORD_BITS] = 1ul << (node % CONC_NODE_WORD_BITS);
    return 0;
}

/* How many nodes are in it; the last of them in *node. */
static inline int
conc_node_mask_count(const struct conc_node_mask *mask, unsigned *node)
{
    int count = 0;
    for (unsigned i = 0; i < CONC_NODE_LIMIT; i++) {
        if (mask->words[i / CONC_NODE_WORD_BITS] >> (i % CONC_NODE_WORD_BITS) & 1) {
            *node = i;
            count++;
        }
    }
    return count;
}

#endif
