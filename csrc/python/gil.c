/* SPDX-License-Identifier: Apache-2.0 */
/* python/gil.c - functions about the GIL: layouts, who declares to need it, and what of a process's memory tells of it. */
#include "python/core.h"

#include <errno.h>
#include <string.h>

#include "os/process_memory.h"
#include "python/errors.h"
#include "python/gil_layout.h"

static PyObject *
layout_or_reason(int err, const struct conc_gil_layout *layout, const char *reason)
{
    if (err == -ENOMEM)
        return PyErr_NoMemory();
    if (err < 0)
        return PyUnicode_FromString(reason);
    return conc_gil_layout_as_bytes(layout);
}

PyDoc_STRVAR(layout_doc,
"gil_layout()\n--\n\n"
"Where this process keeps its GILs, for GilReader; or, as a str, why that is not known.");

static PyObject *
core_gil_layout(PyObject *Py_UNUSED(module), PyObject *Py_UNUSED(ignored))
{
    struct conc_gil_layout layout;
    const char *reason = NULL;
    int err = conc_gil_layout_own(&layout, &reason);
    return layout_or_reason(err, &layout, reason);
}

PyDoc_STRVAR(learned_doc,
"learned_gil_layout()\n--\n\n"
"The same as far as it can be seen without knowing any structure: where threads wait for this interpreter's GIL. Holds it\n"
"for some 10 ms.");

static PyObject *
core_learned_gil_layout(PyObject *Py_UNUSED(module), PyObject *Py_UNUSED(ignored))
{
    struct conc_gil_layout layout;
    const char *reason = NULL;
    int err = conc_gil_layout_learn(&layout, &reason);
    return layout_or_reason(err, &layout, reason);
}

PyDoc_STRVAR(layout_of_doc,
"gil_layout_of(runtime, version, head, /)\n--\n\n"
"The layout of a CPython of this sys.hexversion whose _PyRuntime stands at the address `runtime` and begins with the bytes\n"
"`head`. OSError: ENOTSUP when this version's is not known, EBADMSG when it does not begin like that.");

static PyObject *
core_gil_layout_of(PyObject *Py_UNUSED(module), PyObject *args)
{
    unsigned long long runtime;
    unsigned int version;
    Py_buffer head;
    if (!PyArg_ParseTuple(args, "KIy*:gil_layout_of", &runtime, &version, &head))
        return NULL;
    struct conc_gil_layout layout;
    int err = conc_gil_layout_find(&layout, runtime, version, conc_gil_waits_bytes(), head.buf, (size_t)head.len);
    PyBuffer_Release(&head);
    return err < 0 ? conc_raise("find where CPython keeps its GIL", err) : conc_gil_layout_as_bytes(&layout);
}

PyDoc_STRVAR(read_memory_doc,
"read_memory(pid, address, size, /)\n--\n\n"
"Bytes of a process's memory, 0 for this one. OSError: EFAULT when they are not all there, EPERM without the right to trace\n"
"it, ESRCH when there is no such process.");

static PyObject *
core_read_memory(PyObject *Py_UNUSED(module), PyObject *args)
{
    int pid;
    unsigned long long address;
    Py_ssize_t size;
    if (!PyArg_ParseTuple(args, "iKn:read_memory", &pid, &address, &size))
        return NULL;
    if (size < 0)
        return PyErr_Format(PyExc_ValueError, "size must be >= 0, not %zd", size);
    PyObject *bytes = PyBytes_FromStringAndSize(NULL, size);
    if (bytes == NULL)
        return NULL;
    struct conc_process_memory memory;
    int err = conc_process_memory_open(&memory, pid);
    if (err == 0) {
        struct conc_memory_piece piece = {address, PyBytes_AS_STRING(bytes), (size_t)size};
        err = size == 0 ? 0 : conc_process_memory_read(&memory, &piece, 1);
        conc_process_memory_close(&memory);
    }
    if (err < 0) {
        Py_DECREF(bytes);
        return conc_raise("read memory of a process", err);
    }
    return bytes;
}

/* Where a module object keeps its declaration, and what stands there when it needs no GIL: found by making the declaration
 * for a module of our own. False when nothing changes by that: there are no declarations. -1 with an exception set. */
static int
find_declaration(size_t *at, char *declared)
{
    PyObject *module = PyModule_New("conc");
    if (module == NULL)
        return -1;
    size_t size = (size_t)Py_TYPE(module)->tp_basicsize;
    char *before = PyMem_Malloc(size);
    if (before == NULL) {
        Py_DECREF(module);
        PyErr_NoMemory();
        return -1;
    }
    memcpy(before, module, size);
    int found = conc_module_needs_no_gil(module);
    for (size_t i = 0; found == 0 && i < size; i++) {
        char after = ((const char *)module)[i];
        if (after != before[i]) {
            *at = i;
            *declared = after;
            found = 1;
        }
    }
    PyMem_Free(before);
    Py_DECREF(module);
    return found;
}

PyDoc_STRVAR(needs_gil_doc,
"module_needs_gil(module, /)\n--\n\n"
"Whether the module, an extension's, has not declared that it needs no GIL. None where modules declare nothing (builds with\n"
"a GIL), and for what is no module.");

static PyObject *
core_module_needs_gil(PyObject *Py_UNUSED(module), PyObject *asked)
{
    if (!CONC_FREE_THREADED || !PyModule_Check(asked))
        Py_RETURN_NONE;
    size_t at = 0;
    char declared = 0;
    int found = find_declaration(&at, &declared);
    if (found < 0)
        return NULL;
    if (found == 0)
        Py_RETURN_NONE;
    return PyBool_FromLong(((const char *)asked)[at] != declared);
}

PyDoc_STRVAR(interpreter_id_doc,
"interpreter_id()\n--\n\n"
"The id of the calling thread's interpreter; the main one's is 0.");

static PyObject *
core_interpreter_id(PyObject *Py_UNUSED(module), PyObject *Py_UNUSED(ignored))
{
    return PyLong_FromLongLong(PyInterpreterState_GetID(PyInterpreterState_Get()));
}

static PyMethodDef gil_functions_methods[] = {
    {"gil_layout", core_gil_layout, METH_NOARGS, layout_doc},
    {"learned_gil_layout", core_learned_gil_layout, METH_NOARGS, learned_doc},
    {"gil_layout_of", core_gil_layout_of, METH_VARARGS, layout_of_doc},
    {"read_memory", core_read_memory, METH_VARARGS, read_memory_doc},
    {"module_needs_gil", core_module_needs_gil, METH_O, needs_gil_doc},
    {"interpreter_id", core_interpreter_id, METH_NOARGS, interpreter_id_doc},
    {NULL, NULL, 0, NULL},
};

int
conc_gil_exec(PyObject *module)
{
    return PyModule_AddFunctions(module, gil_functions_methods);
}
