/* SPDX-License-Identifier: Apache-2.0 */
/* os/memory_limit.h - how much more memory this process may take. */
#ifndef CONC_OS_MEMORY_LIMIT_H
#define CONC_OS_MEMORY_LIMIT_H

#include <stdint.h>

/* The least of what the machine has available without swapping and what each of the process's control groups leaves
 * (its limit less what it holds and could not drop at once). 0, or -ENODATA where nothing tells. */
int conc_memory_available(uint64_t *bytes);

#endif
