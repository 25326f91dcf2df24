/* SPDX-License-Identifier: Apache-2.0 */
/* python/thread_usage.c - what is read of a thread from outside: its state, what it waits in, what it has used. */
#include "python/thread_type.h"

#include <errno.h>

#include "os/task_syscall.h"
#include "python/errors.h"

PyObject *
conc_thread_state_method(PyObject *op, PyObject *Py_UNUSED(ignored))
{
    enum conc_task_state state;
    int err = conc_thread_read_state(ThreadObject_CAST(op)->thread, &state);
    if (err == -EINVAL)
        Py_RETURN_NONE;
    if (err == -EINPROGRESS)
        return PyUnicode_FromString("starting");
    if (err != 0)
        return conc_raise("read the state of a thread", err);
    static const char *const names[] = {
        [CONC_TASK_RUNNABLE] = "runnable",
        [CONC_TASK_RUNNING] = "running",
        [CONC_TASK_NOT_RUNNING] = "not_running",
        [CONC_TASK_ENDED] = "ended",
    };
    return PyUnicode_FromString(names[state]);
}

PyObject *
conc_thread_syscall_method(PyObject *op, PyObject *Py_UNUSED(ignored))
{
    ThreadObject *self = ThreadObject_CAST(op);
    struct conc_task_syscall call;
    if (!conc_thread_has_begun(self->thread) || conc_thread_has_ended(self->thread))
        Py_RETURN_NONE;
    int err = conc_task_syscall_read(conc_thread_native_id(self->thread), &call);
    if (err == -ESRCH)
        Py_RETURN_NONE;
    if (err != 0)
        return conc_raise("read what a thread waits in", err);
    if (call.kind != CONC_SYSCALL_BLOCKED)
        Py_RETURN_NONE;
    const char *name = conc_syscall_name(call.number);
    return name == NULL ? PyUnicode_FromFormat("system call %ld", call.number) : PyUnicode_FromString(name);
}

/* [owned] None for what is not known. */
static PyObject *
number_or_none(int64_t number)
{
    return number == CONC_USAGE_UNKNOWN ? Py_NewRef(Py_None) : PyLong_FromLongLong(number);
}

PyObject *
conc_thread_usage_method(PyObject *op, PyObject *Py_UNUSED(ignored))
{
    struct conc_thread_usage usage;
    int err = conc_thread_read_usage(ThreadObject_CAST(op)->thread, &usage);
    if (err == -EINVAL || err == -EINPROGRESS || err == -ESRCH)
        Py_RETURN_NONE;
    if (err != 0)
        return conc_raise("read the usage of a thread", err);
    const int64_t numbers[] = {
        usage.wall_ns,        usage.attach_wait_ns,   usage.task.user_ns,      usage.task.system_ns,
        usage.task.run_delay_ns, usage.task.voluntary, usage.task.involuntary, usage.task.minor_faults,
        usage.task.major_faults,
    };
    const Py_ssize_t count = sizeof(numbers) / sizeof(numbers[0]);
    PyObject *tuple = PyTuple_New(count + 2);
    if (tuple == NULL)
        return NULL;
    for (Py_ssize_t i = 0; i < count; i++) {
        PyObject *number = number_or_none(numbers[i]);
        if (number == NULL) {
            Py_DECREF(tuple);
            return NULL;
        }
        PyTuple_SET_ITEM(tuple, i, number);
    }
    PyTuple_SET_ITEM(tuple, count, PyBool_FromLong(usage.ended));
    PyTuple_SET_ITEM(tuple, count + 1, PyBool_FromLong(usage.too_short));
    return tuple;
}
