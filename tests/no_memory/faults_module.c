/* SPDX-License-Identifier: Apache-2.0 */
/* faults_module.c - the module _faults: tests/c/faults.h for Python, and the interpreter's own allocators as one more
 * kind of call that can be made to fail, in whichever thread it comes. It shares a library with a copy of conc._core, so
 * that both have the same counts (tools/faulty_core.py). Nothing here allocates but seen() and its like, so that a program
 * without any memory can still disarm. */
#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include "faults.h"

static PyMemAllocatorEx real[3];            /* by PyMemAllocatorDomain */

static void *
hook_malloc(void *allocator, size_t size)
{
    const PyMemAllocatorEx *to = allocator;
    return faults_strike(FAULTS_PYTHON) ? NULL : to->malloc(to->ctx, size);
}

static void *
hook_calloc(void *allocator, size_t count, size_t size)
{
    const PyMemAllocatorEx *to = allocator;
    return faults_strike(FAULTS_PYTHON) ? NULL : to->calloc(to->ctx, count, size);
}

static void *
hook_realloc(void *allocator, void *old, size_t size)
{
    const PyMemAllocatorEx *to = allocator;
    return faults_strike(FAULTS_PYTHON) ? NULL : to->realloc(to->ctx, old, size);
}

static void
hook_free(void *allocator, void *memory)
{
    const PyMemAllocatorEx *to = allocator;
    to->free(to->ctx, memory);
}

/* arm(kind, first, last) */
static PyObject *
arm(PyObject *Py_UNUSED(module), PyObject *const *args, Py_ssize_t nargs)
{
    if (nargs != 3) {
        PyErr_SetString(PyExc_TypeError, "arm(kind, first, last)");
        return NULL;
    }
    long kind = PyLong_AsLong(args[0]), first = PyLong_AsLong(args[1]), last = PyLong_AsLong(args[2]);
    if (PyErr_Occurred())
        return NULL;
    faults_arm_range((enum faults_kind)kind, first, last);
    Py_RETURN_NONE;
}

static PyObject *
disarm(PyObject *Py_UNUSED(module), PyObject *Py_UNUSED(ignored))
{
    faults_disarm();
    Py_RETURN_NONE;
}

static PyObject *
seen(PyObject *Py_UNUSED(module), PyObject *Py_UNUSED(ignored))
{
    return PyLong_FromLong(faults_seen());
}

static PyObject *
injected(PyObject *Py_UNUSED(module), PyObject *Py_UNUSED(ignored))
{
    return PyLong_FromLong(faults_injected());
}

static PyObject *
held(PyObject *Py_UNUSED(module), PyObject *Py_UNUSED(ignored))
{
    return Py_BuildValue("(ll)", faults_live_blocks(), faults_mapped_bytes());
}

static PyMethodDef methods[] = {
    {"arm", (PyCFunction)(void (*)(void))arm, METH_FASTCALL, NULL},
    {"disarm", disarm, METH_NOARGS, NULL},
    {"seen", seen, METH_NOARGS, NULL},
    {"injected", injected, METH_NOARGS, NULL},
    {"held", held, METH_NOARGS, NULL},
    {NULL, NULL, 0, NULL},
};

static int
exec_module(PyObject *module)
{
    const PyMemAllocatorDomain domains[] = {PYMEM_DOMAIN_RAW, PYMEM_DOMAIN_MEM, PYMEM_DOMAIN_OBJ};
    for (size_t i = 0; i < sizeof(domains) / sizeof(domains[0]); i++) {
        PyMemAllocatorEx hook = {&real[i], hook_malloc, hook_calloc, hook_realloc, hook_free};
        PyMem_GetAllocator(domains[i], &real[i]);
        PyMem_SetAllocator(domains[i], &hook);
    }
    return PyModule_AddIntConstant(module, "MEMORY", FAULTS_MEMORY) < 0 ||
                   PyModule_AddIntConstant(module, "SYSTEM", FAULTS_SYSTEM) < 0 ||
                   PyModule_AddIntConstant(module, "PYTHON", FAULTS_PYTHON) < 0
               ? -1
               : 0;
}

static PyModuleDef_Slot slots[] = {
    {Py_mod_exec, exec_module},
    {0, NULL},
};

static struct PyModuleDef def = {
    PyModuleDef_HEAD_INIT,
    .m_name = "_faults",
    .m_methods = methods,
    .m_slots = slots,
};

PyMODINIT_FUNC PyInit__faults(void);

PyMODINIT_FUNC
PyInit__faults(void)
{
    return PyModuleDef_Init(&def);
}
