/* SPDX-License-Identifier: Apache-2.0 */
/* os/linux/thread_self.c - gettid(2) and PR_SET_NAME. */
#include "os/thread_self.h"

#include <stdio.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

int
conc_thread_self_id(void)
{
    return (int)syscall(SYS_gettid);
}

bool
conc_thread_self_is_main(void)
{
    return getpid() == conc_thread_self_id();
}

void
conc_thread_self_set_name(const char *name)
{
    char cut[16];
    snprintf(cut, sizeof(cut), "%s", name);
    (void)prctl(PR_SET_NAME, (unsigned long)cut, 0, 0, 0);  /* fails for a bad address only */
}
