/* SPDX-License-Identifier: Apache-2.0 */
/* os/memory.h - anonymous memory and the NUMA node that it is on.
 *
 * Contract:
 *   - functions return 0 or a negative errno; `memory` is what conc_memory_map() gave, or a page inside it;
 *   - a kernel, container or seccomp filter may refuse any of the node functions: -EPERM or -ENOSYS come through as
 *     they are, and it is the caller's to fall back and to say so;
 *   - a node that is not there is -EINVAL.
 */
#ifndef CONC_OS_MEMORY_H
#define CONC_OS_MEMORY_H

#include <stdbool.h>
#include <stddef.h>

/* Node ids are below this (Linux: MAX_NUMNODES is at most 1024). */
#define CONC_NODE_LIMIT 1024

/* The size of a base page. */
size_t conc_memory_page_size(void);

/* The size of a transparent huge page, or of a base page where there are none. */
size_t conc_memory_huge_page_size(void);

/* [owned] `size` bytes (a multiple of the base page), zero, untouched, at a multiple of `alignment` (a power of two >=
 * the base page), with a page on either side that faults: a neighbour is never merged, an overrun never silent. */
int conc_memory_map(size_t size, size_t alignment, void **memory);

/* Gives back what conc_memory_map() gave, with the same size. */
void conc_memory_unmap(void *memory, size_t size);

/* Asks for huge pages, or for none; -ENOSYS or -EINVAL where the kernel has no such thing. Asked is not given: see
 * conc_memory_huge_bytes(). */
int conc_memory_advise_huge(void *memory, size_t size, bool huge);

/* How many of the bytes are on transparent huge pages now. */
int conc_memory_huge_bytes(const void *memory, size_t size, size_t *bytes);

/* Pages that are touched from now on come from `node` alone. */
int conc_memory_bind(void *memory, size_t size, unsigned node);

/* nodes[i] becomes the node that pages[i] is on, or a negative errno when that page is not present. */
int conc_memory_nodes_of(void **pages, size_t count, int *nodes);

/* The node (>= 0) of one present page, by another system call than conc_memory_nodes_of(). */
int conc_memory_node_at(void *page);

#endif
