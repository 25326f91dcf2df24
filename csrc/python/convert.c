/* SPDX-License-Identifier: Apache-2.0 */
/* python/convert.c - see the header. */
#include "python/convert.h"

#include "os/clock.h"

static int
seconds_as_double(PyObject *value, const char *name, double *out)
{
    double seconds = PyFloat_AsDouble(value);
    if (seconds == -1.0 && PyErr_Occurred()) {
        if (PyErr_ExceptionMatches(PyExc_TypeError))
            PyErr_Format(PyExc_TypeError, "%s must be a number of seconds, not %R", name, value);
        return -1;
    }
    *out = seconds;
    return 0;
}

static int64_t
saturated_ns(double seconds)
{
    double ns = seconds * 1e9;
    return ns >= 9.2e18 ? CONC_FOREVER : (int64_t)ns;
}

int
conc_parse_seconds(PyObject *value, const char *name, int64_t *ns)
{
    double seconds;
    if (seconds_as_double(value, name, &seconds) < 0)
        return -1;
    if (!(seconds >= 0.0)) {                    /* refuses nan as well */
        PyErr_Format(PyExc_ValueError, "%s must be a number of seconds >= 0, not %R", name, value);
        return -1;
    }
    *ns = saturated_ns(seconds);
    return 0;
}

int
conc_parse_id(PyObject *value, const char *name, int *id)
{
    long number = PyLong_AsLong(value);
    if (number == -1 && PyErr_Occurred())
        return -1;
    if (number < 1 || number > INT_MAX) {
        PyErr_Format(PyExc_ValueError, "%s must be at least 1 and fit into an int, not %R", name, value);
        return -1;
    }
    *id = (int)number;
    return 0;
}

int
conc_parse_timeout(PyObject *value, int64_t *deadline_ns)
{
    if (value == NULL || value == Py_None) {
        *deadline_ns = CONC_FOREVER;
        return 0;
    }
    double seconds;
    if (seconds_as_double(value, "timeout", &seconds) < 0)
        return -1;
    if (seconds != seconds) {
        PyErr_SetString(PyExc_ValueError, "timeout must not be nan");
        return -1;
    }
    *deadline_ns = conc_deadline_after(seconds <= 0.0 ? 0 : saturated_ns(seconds));
    return 0;
}
