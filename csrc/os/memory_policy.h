/* SPDX-License-Identifier: Apache-2.0 */
/* os/memory_policy.h - the node that the pages come from which the calling thread touches first, set_mempolicy(2).
 *
 * Contract:
 *   - functions return 0 or a negative errno; a kernel, container or seccomp filter may refuse them: -EPERM or -ENOSYS
 *     come through as they are;
 *   - a policy is the calling thread's own; threads and processes that it starts begin with a copy. Memory that has a
 *     policy of its own (conc_memory_bind()) keeps to that, and pages that are there already stay where they are.
 */
#ifndef CONC_OS_MEMORY_POLICY_H
#define CONC_OS_MEMORY_POLICY_H

enum conc_memory_policy_kind {
    CONC_MEMORY_DEFAULT,        /* none of its own: as the system has it, in effect local */
    CONC_MEMORY_LOCAL,          /* the node of the CPU that touches the page, another when that is full */
    CONC_MEMORY_BIND,           /* `node` alone: when it is full there is no memory */
    CONC_MEMORY_OTHER,          /* what conc does not set: interleaved, preferred, several nodes */
};

struct conc_memory_policy {
    enum conc_memory_policy_kind kind;
    unsigned node;              /* of CONC_MEMORY_BIND; else 0 and without a meaning */
};

int conc_memory_policy_local(void);

/* -EINVAL when the node is not there, has no memory, or is none that this process may use. */
int conc_memory_policy_bind(unsigned node);

int conc_memory_policy_get(struct conc_memory_policy *policy);

#endif
