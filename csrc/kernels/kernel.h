/* SPDX-License-Identifier: Apache-2.0 */
/* kernels/kernel.h - a kernel: a native function that conc can run on any actor.
 *
 * Its life is parse -> run -> result -> drop. parse and result know Python and stand in csrc/python; run and drop
 * stand here. run() never touches Python, looks at `stop` as sync/stop.h says, and may be called from any thread, one
 * at a time for a state. A state never moves between parse and drop.
 */
#ifndef CONC_KERNELS_KERNEL_H
#define CONC_KERNELS_KERNEL_H

#include <stddef.h>

#include "sync/stop.h"

struct conc_kernel {
    const char *name;
    size_t state_size;                                  /* bytes; given zeroed to parse */
    int (*run)(void *state, struct conc_stop *stop);    /* 0, -ECANCELED when stopped, or a negative errno */
    void (*drop)(void *state);                          /* frees what parse and run put into the state; it may be
                                                           zeroed still. NULL: nothing to free */
};

#endif
