/* SPDX-License-Identifier: Apache-2.0 */
/* python/task_look.c - single facts about threads of this process, whoever started them. */
#include "python/core.h"

#include "os/syscall_wait.h"
#include "os/task_clock.h"
#include "os/task_list.h"
#include "os/task_state.h"
#include "os/task_syscall.h"
#include "os/task_usage.h"
#include "python/convert.h"

#define NATIVE_ID "a native id"

PyDoc_STRVAR(task_run_delay_doc,
"task_run_delay(native_id, /)\n--\n\n"
"For how many ns so far a thread could run and had no CPU; None when it is gone or that is not known.");

static PyObject *
task_run_delay(PyObject *Py_UNUSED(module), PyObject *argument)
{
    int tid;
    int64_t ns;
    if (conc_parse_id(argument, NATIVE_ID, &tid) < 0)
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
    if (conc_parse_id(argument, NATIVE_ID, &tid) < 0)
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

PyDoc_STRVAR(thread_cpu_ns_doc,
"thread_cpu_ns(native_id, /)\n--\n\n"
"CPU time of a thread of this process; None when it is gone or that is not told.");

static PyObject *
thread_cpu_ns(PyObject *Py_UNUSED(module), PyObject *argument)
{
    int tid;
    int64_t cpu_ns;
    if (conc_parse_id(argument, NATIVE_ID, &tid) < 0)
        return NULL;
    if (conc_task_clock_read(tid, &cpu_ns) != 0)
        Py_RETURN_NONE;
    return PyLong_FromLongLong(cpu_ns);
}

PyDoc_STRVAR(thread_in_futex_doc,
"thread_in_futex(native_id, /)\n--\n\n"
"Whether a thread of this process sleeps in a futex now; False where that is not told.");

static PyObject *
thread_in_futex(PyObject *Py_UNUSED(module), PyObject *argument)
{
    int tid;
    struct conc_task_syscall call;
    struct conc_syscall_wait wait;
    if (conc_parse_id(argument, NATIVE_ID, &tid) < 0)
        return NULL;
    if (conc_task_syscall_read(tid, &call) != 0 || call.kind != CONC_SYSCALL_BLOCKED ||
        conc_syscall_wait_of(&call, &wait) != 0)
        Py_RETURN_FALSE;
    return PyBool_FromLong(wait.kind == CONC_WAIT_FUTEX);
}

static PyMethodDef task_look_methods[] = {
    {"task_run_delay", task_run_delay, METH_O, task_run_delay_doc},
    {"task_lives", task_lives, METH_O, task_lives_doc},
    {"task_count", task_count, METH_NOARGS, task_count_doc},
    {"thread_cpu_ns", thread_cpu_ns, METH_O, thread_cpu_ns_doc},
    {"thread_in_futex", thread_in_futex, METH_O, thread_in_futex_doc},
    {NULL, NULL, 0, NULL},
};

int
conc_task_look_exec(PyObject *module)
{
    return PyModule_AddFunctions(module, task_look_methods);
}
