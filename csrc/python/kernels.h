/* SPDX-License-Identifier: Apache-2.0 */
/* python/kernels.h - between the files that bind conc's own kernels. */
#ifndef CONC_PYTHON_KERNELS_H
#define CONC_PYTHON_KERNELS_H

#include "python/kernel_type.h"

/* 0 when a kernel got `least` to `most` positional arguments and no keyword, else -1 with TypeError set. */
int conc_kernel_check_arguments(const char *kernel, size_t least, size_t most, size_t nargs, PyObject *kwnames);

extern const struct conc_kernel_binding conc_binding_http_get;      /* kernel_http_get.c */

/* _core.http_get_unavailable(): why http_get cannot work here, or None. */
PyObject *conc_http_get_unavailable(PyObject *module, PyObject *ignored);

#endif
