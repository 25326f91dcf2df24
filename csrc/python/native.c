/* SPDX-License-Identifier: Apache-2.0 */
/* python/native.c - a user's own functions as kernels, by their signature, and loops over them: Pool.parallel_for and
 * Pool.map_into. conc/natives.py finds a function's address and signature.
 */
#include "python/core.h"

#include <errno.h>
#include <string.h>

#include "os/clock.h"
#include "python/attach.h"
#include "python/errors.h"
#include "python/kernels.h"
#include "python/pool_type.h"
#include "python/wait.h"
#include "sched/loop.h"

#define INT64_NAME "int64(int64)"
#define DOUBLE_NAME "double(double)"
#define RANGE_NAME "void(int64 begin, int64 end, void* data)"

/* ---- the signatures ------------------------------------------------------------------------------------------------ */

struct int64_call {
    int64_t (*function)(int64_t);
    int64_t argument, result;
};

struct double_call {
    double (*function)(double);
    double argument, result;
};

static int
run_int64(void *state, struct conc_stop *Py_UNUSED(stop))
{
    struct int64_call *call = state;
    call->result = call->function(call->argument);
    return 0;
}

static int
run_double(void *state, struct conc_stop *Py_UNUSED(stop))
{
    struct double_call *call = state;
    call->result = call->function(call->argument);
    return 0;
}

static int
parse_int64(KernelObject *kernel, void *state, PyObject *const *args, size_t nargs, PyObject *kwnames)
{
    struct int64_call *call = state;
    if (conc_kernel_check_arguments(INT64_NAME, 1, 1, nargs, kwnames) < 0)
        return -1;
    PyObject *number = PyNumber_Index(args[0]);     /* an int, also of NumPy's kinds */
    if (number == NULL)
        return -1;
    call->function = (int64_t (*)(int64_t))kernel->function;
    call->argument = PyLong_AsLongLong(number);
    Py_DECREF(number);
    return call->argument == -1 && PyErr_Occurred() ? -1 : 0;
}

static int
parse_double(KernelObject *kernel, void *state, PyObject *const *args, size_t nargs, PyObject *kwnames)
{
    struct double_call *call = state;
    if (conc_kernel_check_arguments(DOUBLE_NAME, 1, 1, nargs, kwnames) < 0)
        return -1;
    call->function = (double (*)(double))kernel->function;
    call->argument = PyFloat_AsDouble(args[0]);
    return call->argument == -1.0 && PyErr_Occurred() ? -1 : 0;
}

static int
parse_range(KernelObject *kernel, void *Py_UNUSED(state), PyObject *const *Py_UNUSED(args), size_t Py_UNUSED(nargs),
            PyObject *Py_UNUSED(kwnames))
{
    PyErr_Format(PyExc_TypeError, "%R is run by ThreadPoolExecutor.parallel_for(), not called", (PyObject *)kernel);
    return -1;
}

static PyObject *
result_int64(CoreState *Py_UNUSED(core), void *state)
{
    return PyLong_FromLongLong(((struct int64_call *)state)->result);
}

static PyObject *
result_double(CoreState *Py_UNUSED(core), void *state)
{
    return PyFloat_FromDouble(((struct double_call *)state)->result);
}

static const struct conc_kernel int64_kernel = {INT64_NAME, sizeof(struct int64_call), run_int64, NULL};
static const struct conc_kernel double_kernel = {DOUBLE_NAME, sizeof(struct double_call), run_double, NULL};
static const struct conc_kernel range_kernel = {RANGE_NAME, 1, NULL, NULL};

static const struct conc_kernel_binding int64_binding = {
    .core = &int64_kernel,
    .doc = PyDoc_STR("native(n, /)\n--\n\nA native function of an int of 64 bits, made by conc.native()."),
    .parse = parse_int64,
    .result = result_int64,
};

static const struct conc_kernel_binding double_binding = {
    .core = &double_kernel,
    .doc = PyDoc_STR("native(x, /)\n--\n\nA native function of a float, made by conc.native()."),
    .parse = parse_double,
    .result = result_double,
};

static const struct conc_kernel_binding range_binding = {
    .core = &range_kernel,
    .doc = PyDoc_STR("native(begin, end, data, /)\n--\n\nA native body of parallel_for(), made by conc.native()."),
    .parse = parse_range,
};

static const struct conc_kernel_binding *const signatures[] = {&int64_binding, &double_binding, &range_binding};

PyDoc_STRVAR(native_doc,
"native($module, address, signature, name, owner, /)\n--\n\n"
"The function at `address` as a Kernel; `owner` keeps its code alive. See conc.native().");

static PyObject *
native(PyObject *module, PyObject *args)
{
    PyObject *address, *name, *owner;
    const char *signature;
    if (!PyArg_ParseTuple(args, "OsUO:native", &address, &signature, &name, &owner))
        return NULL;
    void *pointer = PyLong_AsVoidPtr(address);
    if (pointer == NULL) {
        if (!PyErr_Occurred())
            PyErr_SetString(PyExc_ValueError, "a function's address is not 0");
        return NULL;
    }
    void (*function)(void);
    memcpy(&function, &pointer, sizeof(function));
    for (size_t i = 0; i < sizeof(signatures) / sizeof(signatures[0]); i++) {
        if (strcmp(signature, signatures[i]->core->name) == 0)
            return conc_kernel_new_native(conc_core_state(module), signatures[i], function, name, owner);
    }
    PyErr_Format(PyExc_ValueError, "there is no signature %s", signature);
    return NULL;
}

PyDoc_STRVAR(capsule_doc, "capsule($module, object, /)\n--\n\n(name or None, address) of a PyCapsule.");

static PyObject *
capsule(PyObject *Py_UNUSED(module), PyObject *object)
{
    if (!PyCapsule_CheckExact(object)) {
        PyErr_Format(PyExc_TypeError, "not a capsule: %R", object);
        return NULL;
    }
    const char *name = PyCapsule_GetName(object);
    void *pointer = PyCapsule_GetPointer(object, name);
    return pointer == NULL ? NULL : Py_BuildValue("(zN)", name, PyLong_FromVoidPtr(pointer));
}

/* ---- loops --------------------------------------------------------------------------------------------------------- */

static int
wait_loop(void *loop, int64_t deadline_ns)
{
    return conc_loop_run(loop, deadline_ns);
}

/* Runs the loop, with the calling thread as one of its own: 0, or -1 with an exception. Nobody uses what it works on any
 * more then. */
static int
run_loop(PoolObject *pool, const struct conc_loop_attr *attr)
{
    struct conc_loop *loop;
    int err = conc_loop_start(pool->pool, attr, &loop);
    if (err != 0) {
        (void)conc_pool_raise_submit(err);
        return -1;
    }
    err = conc_wait(wait_loop, loop, CONC_FOREVER);
    if (err == -EINTR) {
        /* A signal handler raised. What has begun must come to its end, since it uses the caller's memory. */
        conc_loop_cancel(loop);
        CONC_BEGIN_DETACHED             /* uses: loop */
        while (conc_loop_run(loop, CONC_FOREVER) == -EINTR)
            continue;
        CONC_END_DETACHED
    }
    conc_loop_release(loop);
    if (err != 0 && err != -EINTR)
        (void)conc_raise("wait for a loop", err);
    return err == 0 ? 0 : -1;
}

/* As many threads as there is work for. */
static unsigned
width_of(PoolObject *pool, uint64_t calls)
{
    unsigned most = conc_pool_max_workers(pool->pool);
    return calls < most ? (unsigned)calls : most;
}

PyObject *
conc_pool_parallel_for(PyObject *op, PyObject *args)
{
    PoolObject *pool = PoolObject_CAST(op);
    KernelObject *function;
    long long begin, end;
    PyObject *grain_object, *data;
    if (!PyArg_ParseTuple(args, "O!LLOO:parallel_for", pool->core->kernel_type, &function, &begin, &end, &grain_object,
                          &data))
        return NULL;
    if (function->binding != &range_binding) {
        PyErr_Format(PyExc_TypeError, "parallel_for() takes a native function %s, not %R", RANGE_NAME,
                     (PyObject *)function);
        return NULL;
    }
    long long grain = grain_object == Py_None ? 0 : PyLong_AsLongLong(grain_object);
    if (grain == -1 && PyErr_Occurred())
        return NULL;
    uint64_t count = (uint64_t)end - (uint64_t)begin;
    if (begin > end || count > INT64_MAX || (grain_object != Py_None && grain < 1)) {
        PyErr_Format(PyExc_ValueError, "begin <= end < begin + 2**63 and grain >= 1 are wanted, not %lld, %lld and %R",
                     begin, end, grain_object);
        return NULL;
    }
    if (count == 0)
        Py_RETURN_NONE;
    Py_buffer buffer = {.obj = NULL};
    if (data != Py_None && PyObject_GetBuffer(data, &buffer, PyBUF_SIMPLE) < 0)
        return NULL;
    void (*body)(int64_t, int64_t, void *) = (void (*)(int64_t, int64_t, void *))function->function;
    uint64_t calls = grain == 0 ? count : count / (uint64_t)grain + (count % (uint64_t)grain != 0);
    const struct conc_loop_attr attr = {begin, end, grain, width_of(pool, calls), body, buffer.buf};
    int err = run_loop(pool, &attr);
    if (buffer.obj != NULL)
        PyBuffer_Release(&buffer);
    if (err < 0)
        return NULL;
    Py_RETURN_NONE;
}

struct elements {
    const void *in;
    void *out;
    void (*function)(void);
};

static void
map_int64(int64_t begin, int64_t end, void *raw)
{
    const struct elements *elements = raw;
    int64_t (*function)(int64_t) = (int64_t (*)(int64_t))elements->function;
    const int64_t *in = elements->in;
    int64_t *out = elements->out;
    for (int64_t i = begin; i < end; i++)
        out[i] = function(in[i]);
}

static void
map_double(int64_t begin, int64_t end, void *raw)
{
    const struct elements *elements = raw;
    double (*function)(double) = (double (*)(double))elements->function;
    const double *in = elements->in;
    double *out = elements->out;
    for (int64_t i = begin; i < end; i++)
        out[i] = function(in[i]);
}

/* A format of one letter, in this machine's order: struct's notation. */
static bool
has_format(const Py_buffer *buffer, const char *letters)
{
    const char *format = buffer->format == NULL ? "B" : buffer->format;
    if (*format == '@' || *format == '=' || *format == (PY_LITTLE_ENDIAN ? '<' : '>'))
        format++;
    return buffer->itemsize == 8 && format[0] != '\0' && format[1] == '\0' && strchr(letters, format[0]) != NULL;
}

/* 0, or -1 with an exception. */
static int
check_elements(const Py_buffer *out, const Py_buffer *in, const struct conc_kernel_binding *binding)
{
    const char *letters = binding == &double_binding ? "d" : "ql", *name = binding == &double_binding ? "double" : "int64";
    const Py_buffer *both[] = {out, in};
    for (int i = 0; i < 2; i++) {
        if (!has_format(both[i], letters)) {
            PyErr_Format(PyExc_TypeError, "%s must hold %s, not format '%s' of %zd bytes", i == 0 ? "out" : "the input",
                         name, both[i]->format == NULL ? "B" : both[i]->format, both[i]->itemsize);
            return -1;
        }
    }
    if (out->len != in->len) {
        PyErr_Format(PyExc_ValueError, "out has %zd elements and the input %zd", out->len / 8, in->len / 8);
        return -1;
    }
    uintptr_t a = (uintptr_t)out->buf, b = (uintptr_t)in->buf, bytes = (uintptr_t)out->len;
    if (bytes != 0 && (a | b) % 8 != 0) {
        PyErr_SetString(PyExc_ValueError, "the elements do not lie at multiples of 8 bytes");
        return -1;
    }
    if (a != b && a < b + bytes && b < a + bytes) {
        PyErr_SetString(PyExc_ValueError, "out and the input overlap without being the same");
        return -1;
    }
    return 0;
}

PyObject *
conc_pool_map_into(PyObject *op, PyObject *args)
{
    PoolObject *pool = PoolObject_CAST(op);
    KernelObject *function;
    PyObject *out_object, *in_object;
    if (!PyArg_ParseTuple(args, "OO!O:map_into", &out_object, pool->core->kernel_type, &function, &in_object))
        return NULL;
    const struct conc_kernel_binding *binding = function->binding;
    if (binding != &int64_binding && binding != &double_binding) {
        PyErr_Format(PyExc_TypeError, "map_into() takes a native function %s or %s, not %R", INT64_NAME, DOUBLE_NAME,
                     (PyObject *)function);
        return NULL;
    }
    Py_buffer out, in;
    if (PyObject_GetBuffer(out_object, &out, PyBUF_C_CONTIGUOUS | PyBUF_FORMAT | PyBUF_WRITABLE) < 0)
        return NULL;
    if (PyObject_GetBuffer(in_object, &in, PyBUF_C_CONTIGUOUS | PyBUF_FORMAT) < 0) {
        PyBuffer_Release(&out);
        return NULL;
    }
    int err = check_elements(&out, &in, binding);
    if (err == 0 && out.len > 0) {
        struct elements elements = {in.buf, out.buf, function->function};
        int64_t count = out.len / 8;
        const struct conc_loop_attr attr = {
            0, count, 0, width_of(pool, (uint64_t)count), binding == &double_binding ? map_double : map_int64, &elements,
        };
        err = run_loop(pool, &attr);
    }
    PyBuffer_Release(&in);
    PyBuffer_Release(&out);
    if (err < 0)
        return NULL;
    Py_RETURN_NONE;
}

static PyMethodDef native_methods[] = {
    {"native", native, METH_VARARGS, native_doc},
    {"capsule", capsule, METH_O, capsule_doc},
    {NULL, NULL, 0, NULL},
};

int
conc_native_exec(PyObject *module)
{
    return PyModule_AddFunctions(module, native_methods);
}
