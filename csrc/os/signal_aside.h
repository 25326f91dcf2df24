/* SPDX-License-Identifier: Apache-2.0 */
/* os/signal_aside.h - a signal's handler, run in a copy of the process: what it reads does not change under its eyes, and
 * what it stumbles over is a copy. For handlers that read what other threads are changing, and write to a descriptor. */
#ifndef CONC_OS_SIGNAL_ASIDE_H
#define CONC_OS_SIGNAL_ASIDE_H

#include <stdint.h>

/* Runs the handler of `number`, provided it still is `handler` (os/signal_self.h), and waits for it. The copy has the
 * calling thread alone, is nobody's child to wait for but ours, and leaves no core file.
 *
 * 0; -ESTALE: it is another one, and was not run; -EFAULT: it crashed, with what it had written by then written;
 * -ETIMEDOUT: it had not come to its end by the deadline, and was killed; other errors: there is no copy to be had. */
int conc_signal_run_aside(int number, uintptr_t handler, int64_t deadline_ns);

#endif
