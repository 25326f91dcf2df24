/* SPDX-License-Identifier: Apache-2.0 */
/* python/kernels.c - the kernels that come with conc: how each reads its arguments and what it gives back. A row of
 * the table at the end joins a core kernel with its doc and the two. */
#include "python/core.h"
#include "kernels/prime_factors.h"
#include "kernels/sleep.h"
#include "kernels/spin.h"
#include "os/clock.h"
#include "python/convert.h"
#include "python/kernels.h"

int
conc_kernel_check_arguments(const char *kernel, size_t least, size_t most, size_t nargs, PyObject *kwnames)
{
    if (kwnames != NULL && PyTuple_GET_SIZE(kwnames) != 0) {
        PyErr_Format(PyExc_TypeError, "%s() takes no keyword arguments", kernel);
        return -1;
    }
    if (nargs >= least && nargs <= most)
        return 0;
    if (least == most)
        PyErr_Format(PyExc_TypeError, "%s() takes %zu argument (%zu given)", kernel, least, nargs);
    else
        PyErr_Format(PyExc_TypeError, "%s() takes %zu to %zu arguments (%zu given)", kernel, least, most, nargs);
    return -1;
}

/* -- prime_factors, trial_divisions ------------------------------------------------------------------------------ */

static int
parse_factoring(const char *kernel, struct conc_factoring *f, PyObject *const *args, size_t nargs, PyObject *kwnames)
{
    if (conc_kernel_check_arguments(kernel, 1, 1, nargs, kwnames) < 0)
        return -1;
    if (!PyIndex_Check(args[0])) {
        PyErr_Format(PyExc_TypeError, "n must be an int, not %.100s", Py_TYPE(args[0])->tp_name);
        return -1;
    }
    PyObject *n = PyNumber_Index(args[0]);          /* an int, also of NumPy's kinds */
    if (n == NULL)
        return -1;
    f->n = PyLong_AsUnsignedLongLong(n);
    Py_DECREF(n);
    if (f->n == (uint64_t)-1 && PyErr_Occurred()) {
        if (!PyErr_ExceptionMatches(PyExc_OverflowError))
            return -1;
        PyErr_Clear();
        f->n = 0;
    }
    if (f->n == 0) {
        PyErr_Format(PyExc_ValueError, "n must be in 1..2**64-1, not %R", args[0]);
        return -1;
    }
    return 0;
}

static int
parse_prime_factors(KernelObject *Py_UNUSED(kernel), void *state, PyObject *const *args, size_t nargs, PyObject *kwnames)
{
    return parse_factoring("prime_factors", state, args, nargs, kwnames);
}

static int
parse_trial_divisions(KernelObject *Py_UNUSED(kernel), void *state, PyObject *const *args, size_t nargs, PyObject *kwnames)
{
    return parse_factoring("trial_divisions", state, args, nargs, kwnames);
}

static PyObject *
result_prime_factors(CoreState *Py_UNUSED(core), void *state)
{
    const struct conc_factoring *f = state;
    const uint64_t *factors = conc_factoring_factors(f);
    PyObject *list = PyList_New(f->count);
    if (list == NULL)
        return NULL;
    for (uint32_t i = 0; i < f->count; i++) {
        PyObject *factor = PyLong_FromUnsignedLongLong(factors[i]);
        if (factor == NULL) {
            Py_DECREF(list);
            return NULL;
        }
        PyList_SET_ITEM(list, i, factor);
    }
    return list;
}

static PyObject *
result_trial_divisions(CoreState *Py_UNUSED(core), void *state)
{
    const struct conc_factoring *f = state;
    return PyLong_FromUnsignedLongLong(f->divisions);
}

/* -- spin, sleep ------------------------------------------------------------------------------------------------- */

static int
parse_spin(KernelObject *Py_UNUSED(kernel), void *state, PyObject *const *args, size_t nargs, PyObject *kwnames)
{
    struct conc_spin *spin = state;
    if (conc_kernel_check_arguments("spin", 1, 1, nargs, kwnames) < 0)
        return -1;
    return conc_parse_seconds(args[0], "seconds", &spin->duration_ns);
}

static PyObject *
result_spin(CoreState *Py_UNUSED(core), void *state)
{
    const struct conc_spin *spin = state;
    return PyFloat_FromDouble((double)spin->cpu_ns / CONC_NS_PER_S);
}

static int
parse_sleep(KernelObject *Py_UNUSED(kernel), void *state, PyObject *const *args, size_t nargs, PyObject *kwnames)
{
    struct conc_sleep *sleep = state;
    if (conc_kernel_check_arguments("sleep", 1, 1, nargs, kwnames) < 0)
        return -1;
    return conc_parse_seconds(args[0], "seconds", &sleep->duration_ns);
}

static PyObject *
result_sleep(CoreState *Py_UNUSED(core), void *Py_UNUSED(state))
{
    Py_RETURN_NONE;
}

/* -- the rows ---------------------------------------------------------------------------------------------------- */

static const struct conc_kernel_binding binding_prime_factors = {
    .core = &conc_kernel_prime_factors,
    .doc = PyDoc_STR(
        "prime_factors(n, /)\n--\n\n"
        "The prime factors of `n`, ascending, by trial division.\n"
        "\n"
        "The divisions are those of `conc.workloads.calc.prime_factors`: by 2, 3, 4, ... up to the square root of\n"
        "what is left. A prime near 2**64 takes four billion of them; Ctrl-C and stop end it.\n"
        "\n"
        "Args:\n"
        "    n: an int in 1..2**64-1.\n"
        "\n"
        "Returns:\n"
        "    A list of ints; their product is `n`. Empty for 1.\n"
        "\n"
        "Raises:\n"
        "    TypeError: `n` is not an int.\n"
        "    ValueError: `n` is out of range.\n"
        "\n"
        "Example:\n"
        "    >>> prime_factors(360)\n"
        "    [2, 2, 2, 3, 3, 5]"),
    .parse = parse_prime_factors,
    .result = result_prime_factors,
};

static const struct conc_kernel_binding binding_trial_divisions = {
    .core = &conc_kernel_trial_divisions,
    .doc = PyDoc_STR(
        "trial_divisions(n, /)\n--\n\n"
        "How many divisions `prime_factors(n)` makes: the work behind a number, counted while it runs.\n"
        "\n"
        "Args:\n"
        "    n: an int in 1..2**64-1.\n"
        "\n"
        "Returns:\n"
        "    An int: how often a divisor was tried.\n"
        "\n"
        "Raises:\n"
        "    TypeError: `n` is not an int.\n"
        "    ValueError: `n` is out of range.\n"
        "\n"
        "Example:\n"
        "    >>> trial_divisions(101)\n"
        "    9"),
    .parse = parse_trial_divisions,
    .result = result_trial_divisions,
};

static const struct conc_kernel_binding binding_spin = {
    .core = &conc_kernel_spin,
    .doc = PyDoc_STR(
        "spin(seconds, /)\n--\n\n"
        "Burns CPU until `seconds` have passed on the monotonic clock.\n"
        "\n"
        "Args:\n"
        "    seconds: a number >= 0; infinity spins until stopped.\n"
        "\n"
        "Returns:\n"
        "    A float: the CPU seconds that the thread got meanwhile (less than `seconds` on a busy machine).\n"
        "\n"
        "Raises:\n"
        "    TypeError: `seconds` is not a number.\n"
        "    ValueError: `seconds` is negative or nan.\n"
        "\n"
        "Source: CLOCK_THREAD_CPUTIME_ID of the thread that runs it.\n"
        "\n"
        "Example:\n"
        "    >>> 0.0 <= spin(0.001) < 60.0\n"
        "    True"),
    .parse = parse_spin,
    .result = result_spin,
};

static const struct conc_kernel_binding binding_sleep = {
    .core = &conc_kernel_sleep,
    .doc = PyDoc_STR(
        "sleep(seconds, /)\n--\n\n"
        "Waits until `seconds` have passed on the monotonic clock.\n"
        "\n"
        "Args:\n"
        "    seconds: a number >= 0; infinity waits until stopped.\n"
        "\n"
        "Returns:\n"
        "    None.\n"
        "\n"
        "Raises:\n"
        "    TypeError: `seconds` is not a number.\n"
        "    ValueError: `seconds` is negative or nan.\n"
        "\n"
        "Example:\n"
        "    >>> sleep(0.001)"),
    .parse = parse_sleep,
    .result = result_sleep,
};

static const struct conc_kernel_binding *const bindings[] = {
    &binding_prime_factors,
    &binding_trial_divisions,
    &binding_spin,
    &binding_sleep,
    &conc_binding_http_get,
};

static PyMethodDef kernels_methods[] = {
    {"http_get_unavailable", conc_http_get_unavailable, METH_NOARGS,
     PyDoc_STR("http_get_unavailable()\n--\n\n"
               "Why `http_get` cannot work on this machine and what to do about it, or None when it can.")},
    {NULL, NULL, 0, NULL},
};

int
conc_kernels_exec(PyObject *module)
{
    CoreState *core = conc_core_state(module);
    for (size_t i = 0; i < sizeof(bindings) / sizeof(bindings[0]); i++) {
        PyObject *kernel = conc_kernel_new(core, bindings[i]);
        int err = kernel == NULL ? -1 : PyModule_AddObjectRef(module, bindings[i]->core->name, kernel);
        Py_XDECREF(kernel);
        if (err < 0)
            return -1;
    }
    return PyModule_AddFunctions(module, kernels_methods);
}
