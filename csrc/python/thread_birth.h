/* SPDX-License-Identifier: Apache-2.0 */
/* python/thread_birth.h - what a start needs in both of its kinds: Python and kernels. */
#ifndef CONC_PYTHON_THREAD_BIRTH_H
#define CONC_PYTHON_THREAD_BIRTH_H

#include "python/core.h"

/* Raises what a failed conc_thread_start() is for Python; `err` is its negative errno. */
void conc_thread_raise_start(int err);

#endif
