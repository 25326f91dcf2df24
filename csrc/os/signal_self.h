/* SPDX-License-Identifier: Apache-2.0 */
/* os/signal_self.h - a signal that a thread sends to itself, to run the handler that somebody has installed for it: with
 * that thread's stack and nobody else's system call interrupted. */
#ifndef CONC_OS_SIGNAL_SELF_H
#define CONC_OS_SIGNAL_SELF_H

#include <stdint.h>

/* A real-time signal that nobody handles, the highest one: its number; -EAGAIN when all are taken. */
int conc_signal_free(void);

/* What handles `number` now, to be compared only; 0: nothing, so that its default would come (for a real-time signal the
 * end of the process). */
uintptr_t conc_signal_handler(int number);

/* Runs the handler of `number` in the calling thread and returns when it has run, provided it still is `handler`: 0; or
 * -ESTALE, and nothing is sent. */
int conc_signal_run(int number, uintptr_t handler);

#endif
