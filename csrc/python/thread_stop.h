/* SPDX-License-Identifier: Apache-2.0 */
/* python/thread_stop.h - what code that runs in a thread has to do with its stop: functions of the module, and the token
 * for kernels that are called in it. */
#ifndef CONC_PYTHON_THREAD_STOP_H
#define CONC_PYTHON_THREAD_STOP_H

#include "python/core.h"

#include <stdbool.h>

#include "os/interrupt.h"
#include "sync/stop.h"

/* [borrowed] the token of the conc.Thread whose target calls, for a kernel that it calls; NULL in any other thread, and
 * under a shield. *answers_signals: whether the kernel must let signal handlers run besides, as far as is known here. */
struct conc_stop *conc_stop_of_current_thread(bool *answers_signals);

/* Raises conc.ThreadStopped in that thread, for what has ended by its stop(); the one that is pending does not come any
 * more. Always returns NULL. */
PyObject *conc_raise_thread_stopped(const char *message);

/* Before the calling thread waits for something native: 1, and in *interrupt what ends the wait when stop() lets
 * conc.ThreadStopped come; 0: nothing does, as above; -1: it has come, and is raised. */
int conc_stop_interrupts_wait(struct conc_interrupt *interrupt);

PyObject *conc_stop_requested_function(PyObject *module, PyObject *ignored);
PyObject *conc_shield_enter(PyObject *module, PyObject *ignored);
PyObject *conc_shield_exit(PyObject *module, PyObject *args);

#endif
