/* SPDX-License-Identifier: Apache-2.0 */
/* os/none/memory_limit.c - this platform does not tell how much memory is left. */
#include "os/memory_limit.h"

#include <errno.h>

int
conc_memory_available(uint64_t *bytes)
{
    (void)bytes;
    return -ENOSYS;
}
