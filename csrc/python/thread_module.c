/* SPDX-License-Identifier: Apache-2.0 */
/* python/thread_module.c - what the threads of one interpreter share: threading's variables, the exception class that
 * stops them, the list that exit waits for. */
#include "python/core.h"

#include <errno.h>

#include "os/clock.h"
#include "python/data_stack.h"
#include "python/errors.h"
#include "python/thread_place.h"
#include "python/thread_stop.h"
#include "python/thread_type.h"
#include "python/wait.h"

PyDoc_STRVAR(bind_threading_doc,
"bind_threading(threading, starter, report_exception, do_nothing, resolve_place, threads_allowed, daemons_allowed,\n"
"               inherit_context, /)\n--\n\n"
"Give the threads of this interpreter what they need of the module threading and of conc.threads.");

static PyObject *
bind_threading(PyObject *module, PyObject *args)
{
    CoreState *core = conc_core_state(module);
    PyObject *threading, *starter, *report, *nothing, *resolve;
    int threads, daemons, inherit;
    if (!PyArg_ParseTuple(args, "OUOOOppp:bind_threading", &threading, &starter, &report, &nothing, &resolve,
                          &threads, &daemons, &inherit))
        return NULL;
    PyObject *variables = PyModule_Check(threading) ? PyModule_GetDict(threading) : NULL;
    if (variables == NULL) {
        PyErr_Format(PyExc_TypeError, "threading must be the module, not %R", threading);
        return NULL;
    }
    Py_XSETREF(core->threading, Py_NewRef(variables));
    Py_XSETREF(core->report_exception, Py_NewRef(report));
    Py_XSETREF(core->do_nothing, Py_NewRef(nothing));
    Py_XSETREF(core->resolve_place, Py_NewRef(resolve));
    Py_XSETREF(core->str_starter, Py_NewRef(starter));
    core->threads_allowed = threads;
    core->daemons_allowed = daemons;
    core->threads_inherit_context = inherit;
    Py_RETURN_NONE;
}

/* -- exit ----------------------------------------------------------------------------------------------------------- */

static void
forget_all(struct conc_roster *roster)
{
    struct conc_thread *thread;
    while ((thread = conc_roster_next(roster)) != NULL)
        conc_thread_release(thread);
}

PyDoc_STRVAR(join_threads_doc,
"join_threads()\n--\n\n"
"Wait until no thread of this interpreter is left that has begun and is no daemon; a thread may start another one\n"
"meanwhile. An exception (Ctrl-C) ends the waiting for all of them.");

static PyObject *
join_threads(PyObject *module, PyObject *Py_UNUSED(ignored))
{
    struct conc_roster *roster = conc_core_state(module)->roster;
    struct conc_thread *thread;
    while ((thread = conc_roster_next(roster)) != NULL) {
        int err = conc_wait(conc_wait_for_thread, thread, CONC_FOREVER);
        conc_thread_release(thread);
        if (err != 0) {
            forget_all(roster);
            return err == -EINTR ? NULL : conc_raise("wait for a thread", err);
        }
    }
    Py_RETURN_NONE;
}

static int
wait_empty(void *roster, int64_t deadline_ns)
{
    return conc_roster_wait_empty(roster, deadline_ns);
}

PyDoc_STRVAR(close_threads_doc,
"close_threads()\n--\n\n"
"From now on no thread starts in this interpreter: start() raises RuntimeError. Returns when those that are about to begin\n"
"can be left alone.");

static PyObject *
close_threads(PyObject *module, PyObject *Py_UNUSED(ignored))
{
    struct conc_roster *roster = conc_core_state(module)->roster;
    conc_roster_close(roster);
    int err = conc_wait(wait_empty, roster, CONC_FOREVER);
    if (err == -EINTR)
        return NULL;
    return err == 0 ? Py_NewRef(Py_None) : conc_raise("wait for threads that begin", err);
}

static PyObject *
threads_allowed(PyObject *Py_UNUSED(module), PyObject *Py_UNUSED(ignored))
{
    return PyBool_FromLong(conc_threads_allowed());
}

static PyMethodDef thread_functions_methods[] = {
    {"bind_threading", bind_threading, METH_VARARGS, bind_threading_doc},
    {"threads_allowed", threads_allowed, METH_NOARGS,
     PyDoc_STR("threads_allowed()\n--\n\nWhether CPython 3.12 lets this interpreter start threads; True elsewhere.")},
    {"join_threads", join_threads, METH_NOARGS, join_threads_doc},
    {"close_threads", close_threads, METH_NOARGS, close_threads_doc},
    {"place_calling_thread", conc_place_calling_thread, METH_O,
     PyDoc_STR("place_calling_thread(place, /)\n--\n\nApply what conc.threads makes of affinity= and node=.")},
    {"stop_requested", conc_stop_requested_function, METH_NOARGS,
     PyDoc_STR("stop_requested()\n--\n\nWhether stop() was called for the conc.Thread that calls.")},
    {"shield_enter", conc_shield_enter, METH_NOARGS,
     PyDoc_STR("shield_enter()\n--\n\nHold back conc.ThreadStopped in the calling thread.")},
    {"shield_exit", conc_shield_exit, METH_VARARGS,
     PyDoc_STR("shield_exit(*exception)\n--\n\nUndo shield_enter(); one that was held back comes now.")},
    {NULL, NULL, 0, NULL},
};

PyDoc_STRVAR(thread_stopped_doc,
"Raised in the target of a conc.Thread that was asked to stop, and by its result().\n\n"
"Not an Exception, so that a target that goes on after any error does not go on after this one.");

static int
intern(PyObject **slot, const char *text)
{
    *slot = PyUnicode_InternFromString(text);
    return *slot == NULL ? -1 : 0;
}

int
conc_thread_module_exec(PyObject *module)
{
    CoreState *core = conc_core_state(module);
    int err = conc_roster_create(&core->roster);
    if (err != 0) {
        conc_raise("make the list of threads", err);
        return -1;
    }
    core->data_stacks = conc_data_stacks_new();
    if (core->data_stacks == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    if (intern(&core->str_active, "_active") < 0 || intern(&core->str_counter, "_counter") < 0 ||
        intern(&core->str_current_thread, "current_thread") < 0 || intern(&core->str_daemon, "daemon") < 0 ||
        intern(&core->str_name, "__name__") < 0 || intern(&core->str_run, "run") < 0 ||
        intern(&core->str_trace_hook, "_trace_hook") < 0 || intern(&core->str_profile_hook, "_profile_hook") < 0 ||
        intern(&core->str_sys, "_sys") < 0 || intern(&core->str_stderr, "stderr") < 0)
        return -1;
    core->thread_stopped = PyErr_NewExceptionWithDoc("conc.ThreadStopped", thread_stopped_doc, PyExc_BaseException, NULL);
    if (core->thread_stopped == NULL || PyModule_AddObjectRef(module, "ThreadStopped", core->thread_stopped) < 0)
        return -1;
    return PyModule_AddFunctions(module, thread_functions_methods);
}

void
conc_thread_module_free(PyObject *module)
{
    CoreState *core = conc_core_state(module);
    conc_roster_release(core->roster);
    conc_data_stacks_release(core->data_stacks);
}
