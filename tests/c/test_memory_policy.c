/* SPDX-License-Identifier: Apache-2.0 */
/* test_memory_policy.c - os/memory_policy.h: where pages come from under each policy, and what the kernel tells of it.
 *
 * Prints the nodes that can be bound to and the nodes of the CPUs, as tests/numa_vm wants to see them on a machine with
 * several of them; here there may be one. */
#include "os/memory_policy.h"

#include <linux/mempolicy.h>
#include <sys/syscall.h>

#include "base/bitset.h"
#include "crew.h"
#include "os/affinity.h"
#include "os/memory.h"

static void
check_policy(enum conc_memory_policy_kind kind, unsigned node)
{
    struct conc_memory_policy policy = {.kind = CONC_MEMORY_OTHER, .node = 77};
    CHECK_EQ(conc_memory_policy_get(&policy), 0);
    CHECK_EQ(policy.kind, kind);
    CHECK_EQ(policy.node, node);
}

/* The node of a page that the caller touches now. */
static int
node_of_new_page(void)
{
    void *page;
    size_t size = conc_memory_page_size();
    HAVE_EQ(conc_memory_map(size, size, &page), 0);
    memset(page, 1, size);
    int node = conc_memory_node_at(page);
    conc_memory_unmap(page, size);
    CHECK(node >= 0);
    return node;
}

static void
raw_policy(int mode, unsigned long nodes)
{
    CHECK_EQ(syscall(SYS_set_mempolicy, mode, nodes != 0 ? &nodes : NULL, nodes != 0 ? 8 * sizeof(nodes) : 0), 0);
}

/* Each body has a thread of its own, since a policy is a thread's. */
static void
in_thread(void (*body)(void *arg, unsigned index))
{
    crew_run(1, body, NULL);
}

/* From the CPU of each node in turn. A machine may have nodes that no CPU belongs to. */
static void
local(void *arg, unsigned index)
{
    (void)arg, (void)index;
    struct conc_bitset cpus = {0}, nodes = {0};
    HAVE_EQ(conc_affinity_get(&cpus), 0);
    CHECK_EQ(conc_memory_policy_bind((unsigned)node_of_new_page()), 0);
    CHECK_EQ(conc_memory_policy_local(), 0);
    check_policy(CONC_MEMORY_LOCAL, 0);
    for (size_t cpu = conc_bitset_next(&cpus, 0); cpu != CONC_BITSET_END; cpu = conc_bitset_next(&cpus, cpu + 1)) {
        unsigned here, node;
        HAVE_EQ(conc_affinity_pin(cpu), 0);
        CHECK_EQ(syscall(SYS_getcpu, &here, &node, NULL), 0);
        CHECK_EQ(here, cpu);
        CHECK_EQ(node_of_new_page(), node);
        HAVE_EQ(conc_bitset_add(&nodes, node), 0);
    }
    printf("local:");
    for (size_t node = conc_bitset_next(&nodes, 0); node != CONC_BITSET_END; node = conc_bitset_next(&nodes, node + 1))
        printf(" %zu", node);
    printf("\n");
    conc_bitset_clear(&cpus);
    conc_bitset_clear(&nodes);
}

/* Every node that there is, and a refusal of each that is not, which leaves the policy as it was. */
static void
bind(void *arg, unsigned index)
{
    (void)arg, (void)index;
    int last = -1;
    printf("bind:");
    for (unsigned node = 0; node < CONC_NODE_LIMIT; node++) {
        int err = conc_memory_policy_bind(node);
        if (err == 0) {
            CHECK_EQ(node_of_new_page(), node);
            printf(" %u", node);
            last = (int)node;
        }
        else {
            CHECK_EQ(err, -EINVAL);
        }
        if (last >= 0)
            check_policy(CONC_MEMORY_BIND, (unsigned)last);
    }
    printf("\n");
    CHECK(last >= 0);
    CHECK_EQ(conc_memory_policy_bind(CONC_NODE_LIMIT), -EINVAL);
    CHECK_EQ(conc_memory_policy_bind(UINT32_MAX), -EINVAL);
    check_policy(CONC_MEMORY_BIND, (unsigned)last);
}

static void
others(void *arg, unsigned index)
{
    (void)arg, (void)index;
    raw_policy(MPOL_DEFAULT, 0);
    check_policy(CONC_MEMORY_DEFAULT, 0);
    unsigned long own = 1ul << node_of_new_page();
    raw_policy(MPOL_PREFERRED, 0);                      /* what local is before Linux 3.8 */
    check_policy(CONC_MEMORY_LOCAL, 0);
    raw_policy(MPOL_PREFERRED, own);
    check_policy(CONC_MEMORY_OTHER, 0);
    raw_policy(MPOL_INTERLEAVE, own);
    check_policy(CONC_MEMORY_OTHER, 0);
    /* With this flag the kernel tells the nodes that were asked for, not those that they stand for. */
    raw_policy(MPOL_BIND | MPOL_F_RELATIVE_NODES, 1);
    check_policy(CONC_MEMORY_OTHER, 0);
}

static void
inherited(void *arg, unsigned index)
{
    (void)arg, (void)index;
    check_policy(CONC_MEMORY_LOCAL, 0);
}

static void
inherit(void *arg, unsigned index)
{
    (void)arg, (void)index;
    CHECK_EQ(conc_memory_policy_local(), 0);
    in_thread(inherited);
}

int
main(void)
{
    struct conc_memory_policy before, after;
    int err = conc_memory_policy_get(&before);
    if (err == -ENOSYS || err == -EPERM)
        SKIP("the kernel, or a filter, has no memory policies");
    CHECK_EQ(err, 0);
    in_thread(local);
    in_thread(bind);
    in_thread(others);
    in_thread(inherit);
    CHECK_EQ(conc_memory_policy_get(&after), 0);        /* this thread's was never touched */
    CHECK(before.kind == after.kind && before.node == after.node);
    return 0;
}
