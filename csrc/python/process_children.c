/* SPDX-License-Identifier: Apache-2.0 */
/* python/process_children.c - which processes a process has started, and who a process is, for conc.watching. */
#include "python/core.h"

#include <errno.h>

#include "base/alloc.h"
#include "os/process_children.h"
#include "python/convert.h"
#include "python/errors.h"

#define FIRST_ROOM 64

struct pids {
    int *items;                 /* [owned] */
    Py_ssize_t count, room;
    bool no_memory;
};

static void
append_pid(void *raw, int pid)
{
    struct pids *pids = raw;
    if (pids->count == pids->room) {
        Py_ssize_t room = pids->room == 0 ? FIRST_ROOM : 2 * pids->room;
        int *items = conc_realloc(pids->items, (size_t)room * sizeof(int));
        if (items == NULL) {
            pids->no_memory = true;
            return;
        }
        pids->items = items;
        pids->room = room;
    }
    pids->items[pids->count++] = pid;
}

/* [owned] */
static PyObject *
as_list(const struct pids *pids)
{
    PyObject *list = PyList_New(pids->count);
    for (Py_ssize_t i = 0; list != NULL && i < pids->count; i++) {
        PyObject *number = PyLong_FromLong(pids->items[i]);
        if (number == NULL)
            Py_CLEAR(list);
        else
            PyList_SET_ITEM(list, i, number);
    }
    return list;
}

PyDoc_STRVAR(process_children_doc,
"process_children(pid, /)\n--\n\n"
"The ids of the processes that the process `pid` has started and that were not reaped; [] when it is gone. OSError (ENOSYS)\n"
"where the kernel does not list them.");

static PyObject *
process_children(PyObject *Py_UNUSED(module), PyObject *argument)
{
    int pid, err;
    struct pids pids = {0};
    if (conc_parse_id(argument, "pid", &pid) < 0)
        return NULL;
    Py_BEGIN_ALLOW_THREADS
    err = conc_process_children(pid, append_pid, &pids);
    Py_END_ALLOW_THREADS
    PyObject *list = NULL;
    if (pids.no_memory)
        PyErr_NoMemory();
    else if (err < 0 && err != -ESRCH)
        conc_raise("list the children of a process", err);
    else
        list = as_list(&pids);
    conc_free(pids.items);
    return list;
}

PyDoc_STRVAR(process_start_ticks_doc,
"process_start_ticks(pid, /)\n--\n\n"
"When the process began, in clock ticks since the system did, which tells it from another one of the same id; None when it\n"
"is gone or has ended.");

static PyObject *
process_start_ticks(PyObject *Py_UNUSED(module), PyObject *argument)
{
    int pid;
    int64_t ticks;
    if (conc_parse_id(argument, "pid", &pid) < 0)
        return NULL;
    int err = conc_process_start_ticks(pid, &ticks);
    if (err == -ESRCH)
        Py_RETURN_NONE;
    return err == 0 ? PyLong_FromLongLong(ticks) : conc_raise("read when a process began", err);
}

PyDoc_STRVAR(check_traceable_doc,
"check_traceable(pid, /)\n--\n\n"
"OSError when this process may not see what the threads of `pid` wait in; PermissionError when that takes the right to\n"
"trace it.");

static PyObject *
check_traceable(PyObject *Py_UNUSED(module), PyObject *argument)
{
    int pid;
    if (conc_parse_id(argument, "pid", &pid) < 0)
        return NULL;
    int err = conc_process_may_trace(pid);
    return err == 0 ? Py_NewRef(Py_None) : conc_raise("see what a process waits in", err);
}

static PyMethodDef process_children_methods[] = {
    {"process_children", process_children, METH_O, process_children_doc},
    {"process_start_ticks", process_start_ticks, METH_O, process_start_ticks_doc},
    {"check_traceable", check_traceable, METH_O, check_traceable_doc},
    {NULL, NULL, 0, NULL},
};

int
conc_process_children_exec(PyObject *module)
{
    return PyModule_AddFunctions(module, process_children_methods);
}
