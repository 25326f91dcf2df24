/* SPDX-License-Identifier: Apache-2.0 */
/* python/waits.h - who waits for whom, for as long as somebody looks for deadlocks: while it is so, a thread that waits
 * without a limit for a conc.Thread or a conc.Future is listed with it. Otherwise it costs a look at a counter. */
#ifndef CONC_PYTHON_WAITS_H
#define CONC_PYTHON_WAITS_H

#include "python/core.h"

#include <stdint.h>

#include "python/wait.h"

/* conc_wait() for `wait_for`, which is listed meanwhile when `deadline_ns` is CONC_FOREVER. */
int conc_wait_listed(CoreState *core, PyObject *wait_for, conc_wait_fn wait, void *object, int64_t deadline_ns);

#endif
