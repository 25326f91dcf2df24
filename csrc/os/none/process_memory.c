/* SPDX-License-Identifier: Apache-2.0 */
/* os/none/process_memory.c - no guarded reading of memory on this platform. */
#include "os/process_memory.h"

#include <errno.h>

int
conc_process_memory_open(struct conc_process_memory *memory, int pid)
{
    *memory = (struct conc_process_memory){.pid = pid, .fd = -1};
    return -ENOSYS;
}

int
conc_process_memory_read(const struct conc_process_memory *memory, const struct conc_memory_piece *pieces, int count)
{
    (void)memory, (void)pieces, (void)count;
    return -ENOSYS;
}

void
conc_process_memory_close(struct conc_process_memory *memory)
{
    (void)memory;
}
