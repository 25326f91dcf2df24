/* SPDX-License-Identifier: Apache-2.0 */
/* os/none/loaded.c - not told by this platform. */
#include "os/loaded.h"

#include <errno.h>

int
conc_loaded_together(const void *first, const void *second)
{
    (void)first, (void)second;
    return -ENOSYS;
}
