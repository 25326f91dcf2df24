/* SPDX-License-Identifier: Apache-2.0 */
/* python/errors.c - see the header. */
#include "python/errors.h"

#include <errno.h>
#include <string.h>

PyObject *
conc_raise_for(const char *op, int err, PyObject *filename)
{
    if (err == -ENOMEM)
        return PyErr_NoMemory();
    PyObject *message = PyUnicode_FromFormat("%s: %s", op, strerror(-err));
    if (message == NULL)
        return NULL;
    PyObject *exc = filename == NULL ? PyObject_CallFunction(PyExc_OSError, "iO", -err, message)
                                     : PyObject_CallFunction(PyExc_OSError, "iOO", -err, message, filename);
    Py_DECREF(message);
    if (exc == NULL)
        return NULL;
    PyErr_SetObject((PyObject *)Py_TYPE(exc), exc);
    Py_DECREF(exc);
    return NULL;
}

PyObject *
conc_raise(const char *op, int err)
{
    return conc_raise_for(op, err, NULL);
}
