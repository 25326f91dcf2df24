/* SPDX-License-Identifier: Apache-2.0 */
/* python/watch_columns.h - a watch's record as Python's objects: columns of numbers in bytes, and a dict for each thread. */
#ifndef CONC_PYTHON_WATCH_COLUMNS_H
#define CONC_PYTHON_WATCH_COLUMNS_H

#include "python/core.h"

#include "watch/sampler.h"

/* [owned] what the sampler, which has ended, has seen: see Watcher.take() in _core.pyi. NULL with an exception. */
PyObject *conc_watch_take(const struct conc_sampler *sampler);

#endif
