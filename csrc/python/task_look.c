/* SPDX-License-Identifier: Apache-2.0 */
/* python/task_look.c - single facts about threads of this process, whoever started them, for conc.comparison. */
#include "python/core.h"

#include <errno.h>

#include "os/task_list.h"
#include "os/task_state.h"
#include "os/task_usage.h"

/* 0 and *tid, or -1 with an exception. */
static int
tid_of(PyObject *argument, int *tid)
{
    long number = PyLong_AsLong(argument);
    if (number == -1 && PyErr_Occurred())
        return -1;
    if (number < 1 || number > INT_MAX) {
        PyErr_Format(PyExc_ValueError, "a native id must be at least 1 and fit into an int, not %R", argument);
        return -1;
    }
    *tid = (int)number;
    return 0;
}

PyDoc_STRVAR(task_run_delay_doc,
"task_run_delay(native_id, /)\n--\n\n"
"For how many ns so far a thread could run and had no CPU; None when it is gone or that is not known.");

static PyObject *
task_run_delay(PyObject *Py_UNUSED(module), PyObject *argument)
{
    int tid;
    int64_t ns;
    if (tid_of(argument, &tid) < 0)
        return NULL;
    return conc_task_run_delay(tid, &ns) == 0 ? PyLong_FromLongLong(ns) : Py_NewRef(Py_None);
}

PyDoc_STRVAR(task_lives_doc,
"task_lives(native_id, /)\n--\n\n"
"Whether this process has a thread of that id.");

static PyObject *
task_lives(PyObject *Py_UNUSED(module), PyObject *argument)
{
    int tid;
    if (tid_of(argument, &tid) < 0)
        return NULL;
    return PyBool_FromLong(conc_task_check(tid) == 0);
}

PyDoc_STRVAR(task_count_doc,
"task_count()\n--\n\n"
"How many threads this process has, those unknown to Python among them; None where the system does not tell.");

static PyObject *
task_count(PyObject *Py_UNUSED(module), PyObject *Py_UNUSED(ignored))
{
    int list = conc_task_list_open(0);
    if (list < 0)
        Py_RETURN_NONE;
    int count = conc_task_list_count(list);
    conc_task_list_close(list);
    return count < 0 ? Py_NewRef(Py_None) : PyLong_FromLong(count);
}

static PyMethodDef task_look_methods[] = {
    {"task_run_delay", task_run_delay, METH_O, task_run_delay_doc},
    {"task_lives", task_lives, METH_O, task_lives_doc},
    {"task_count", task_count, METH_NOARGS, task_count_doc},
    {NULL, NULL, 0, NULL},
};

int
conc_task_look_exec(PyObject *module)
{
    return PyModule_AddFunctions(module, task_look_methods);
}
