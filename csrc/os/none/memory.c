/* SPDX-License-Identifier: Apache-2.0 */
/* os/none/memory.c - memory cannot be mapped, placed or asked for its place on this platform. */
#include "os/memory.h"

#include <errno.h>

size_t
conc_memory_page_size(void)
{
    return 4096;
}

size_t
conc_memory_huge_page_size(void)
{
    return conc_memory_page_size();
}

int
conc_memory_map(size_t size, size_t alignment, void **memory)
{
    (void)size, (void)alignment, (void)memory;
    return -ENOSYS;
}

void
conc_memory_unmap(void *memory, size_t size)
{
    (void)memory, (void)size;
}

int
conc_memory_advise_huge(void *memory, size_t size, bool huge)
{
    (void)memory, (void)size, (void)huge;
    return -ENOSYS;
}

int
conc_memory_huge_bytes(const void *memory, size_t size, size_t *bytes)
{
    (void)memory, (void)size, (void)bytes;
    return -ENOSYS;
}

int
conc_memory_bind(void *memory, size_t size, unsigned node)
{
    (void)memory, (void)size, (void)node;
    return -ENOSYS;
}

int
conc_memory_nodes_of(void **pages, size_t count, int *nodes)
{
    (void)pages, (void)count, (void)nodes;
    return -ENOSYS;
}

int
conc_memory_node_at(void *page)
{
    (void)page;
    return -ENOSYS;
}
