/* SPDX-License-Identifier: Apache-2.0 */
/* os/none/descriptor_kind.c - what a descriptor stands for is not known on this platform. */
#include "os/descriptor_kind.h"

#include <errno.h>

int
conc_descriptor_kind(int pid, int fd, enum conc_descriptor_kind *kind)
{
    (void)pid, (void)fd, (void)kind;
    return -ENOSYS;
}
