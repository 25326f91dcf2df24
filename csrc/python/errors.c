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

PyObject *
conc_raise_imported(const char *module, const char *name, PyObject *message)
{
    PyObject *imported = PyImport_ImportModule(module);
    PyObject *type = imported == NULL ? NULL : PyObject_GetAttrString(imported, name);
    Py_XDECREF(imported);
    if (type == NULL)
        return NULL;
    if (message == NULL)
        PyErr_SetNone(type);
    else
        PyErr_SetObject(type, message);
    Py_DECREF(type);
    return NULL;
}

PyObject *
conc_raise_imported_text(const char *module, const char *name, const char *message)
{
    PyObject *text = PyUnicode_FromString(message);
    if (text == NULL)
        return NULL;
    (void)conc_raise_imported(module, name, text);
    Py_DECREF(text);
    return NULL;
}
