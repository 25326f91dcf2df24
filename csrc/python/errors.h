/* SPDX-License-Identifier: Apache-2.0 */
/* python/errors.h - the one place that turns the core's codes into exceptions. */
#ifndef CONC_PYTHON_ERRORS_H
#define CONC_PYTHON_ERRORS_H

#include "python/core.h"

/* Raises OSError (or the subclass that belongs to its errno; MemoryError for -ENOMEM) for a negative errno `err` of
 * the core; `op` names the operation that failed. Always returns NULL. */
PyObject *conc_raise(const char *op, int err);

/* The same with the file name (an object, for OSError.filename) that the operation was about. */
PyObject *conc_raise_for(const char *op, int err, PyObject *filename);

/* Raises the exception class `name` of `module`, which is imported only now that an error needs it; `message` (an object)
 * may be NULL. Always returns NULL. */
PyObject *conc_raise_imported(const char *module, const char *name, PyObject *message);

/* The same with the message as text. */
PyObject *conc_raise_imported_text(const char *module, const char *name, const char *message);

#endif
