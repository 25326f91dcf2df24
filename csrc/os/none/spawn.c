/* SPDX-License-Identifier: Apache-2.0 */
/* os/none/spawn.c - no way to start a program is written for this platform. */
#include "os/spawn.h"

#include <errno.h>

#include "base/alloc.h"

int
conc_spawn_run(const struct conc_spawn *plan, struct conc_process *process, enum conc_spawn_step *failed)
{
    (void)plan, (void)process;
    *failed = CONC_SPAWN_CREATE;
    return -ENOSYS;
}

char **
conc_spawn_environment(void)
{
    return conc_alloc(sizeof(char *));      /* empty */
}
