/* SPDX-License-Identifier: Apache-2.0 */
/* python/convert.h - conversions that more than one type of the binding needs. All need an attached thread. */
#ifndef CONC_PYTHON_CONVERT_H
#define CONC_PYTHON_CONVERT_H

#include "python/core.h"

#include <stdint.h>

/* Seconds (a float or int, >= 0, not nan) -> nanoseconds, saturating at CONC_FOREVER. `name` is the argument's, for
 * the message. 0, or -1 with TypeError or ValueError set. */
int conc_parse_seconds(PyObject *value, const char *name, int64_t *ns);

/* A process's or a thread's number: an int from 1 to INT_MAX. `name` is the argument's, for the message. 0, or -1 with
 * TypeError, ValueError or OverflowError set. */
int conc_parse_id(PyObject *value, const char *name, int *id);

/* A timeout argument: None, or seconds where a negative value counts as 0, as in threading -> an absolute deadline. */
int conc_parse_timeout(PyObject *value, int64_t *deadline_ns);

#endif
