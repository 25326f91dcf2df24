/* SPDX-License-Identifier: Apache-2.0 */
/* python/native_call.h - run a long piece of the core in a thread of conc's own, which may pin itself without a trace
 * in the caller's, while the caller waits without the GIL and still answers signals. */
#ifndef CONC_PYTHON_NATIVE_CALL_H
#define CONC_PYTHON_NATIVE_CALL_H

#include "python/core.h"
#include "sync/stop.h"

/* Starts a thread, runs run(arg, stop) in it, waits for its end. 0 with what run() returned in *result; or -1 with an
 * exception set: the thread cannot be started, or a signal handler raised (Ctrl-C), and then `stop` was requested and
 * run() has ended. run() must not touch Python; what it uses must not change meanwhile. */
int conc_native_call(int (*run)(void *arg, struct conc_stop *stop), void *arg, int *result);

#endif
