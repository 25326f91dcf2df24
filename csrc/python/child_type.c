/* SPDX-License-Identifier: Apache-2.0 */
/* python/child_type.c - conc._core.spawn() and conc._core.ChildHandle: a child process (ipc/child.h). Defaults, pipes
 * and exceptions are made in conc/processes.py. */
#include "python/core.h"

#include <errno.h>
#include <limits.h>
#include <stdbool.h>

#include "base/alloc.h"
#include "ipc/child.h"
#include "os/clock.h"
#include "python/attach.h"
#include "python/convert.h"
#include "python/errors.h"
#include "python/wait.h"

typedef struct {
    PyObject_HEAD
    struct conc_child *child;           /* [owned] constant */
    bool kill_on_drop;                  /* constant */
} ChildHandleObject;

#define ChildHandleObject_CAST(op) ((ChildHandleObject *)(op))

static const char *const step_names[] = {
    [CONC_SPAWN_CREATE] = "create process",
    [CONC_SPAWN_STDIN] = "set stdin of new process",
    [CONC_SPAWN_STDOUT] = "set stdout of new process",
    [CONC_SPAWN_STDERR] = "set stderr of new process",
    [CONC_SPAWN_CHDIR] = "change directory of new process",
    [CONC_SPAWN_EXEC] = "execute program",
};

/* [owned: conc_free] the bytes objects of the list `strings` as a C array that ends with NULL and borrows from them. */
static const char **
c_strings(PyObject *strings)
{
    Py_ssize_t count = PyList_GET_SIZE(strings);
    const char **array = conc_alloc_array((size_t)count + 1, sizeof(char *));
    if (array == NULL) {
        PyErr_NoMemory();
        return NULL;
    }
    for (Py_ssize_t i = 0; i < count; i++) {
        /* Without a size it refuses a NUL inside. */
        if (PyBytes_AsStringAndSize(PyList_GET_ITEM(strings, i), (char **)&array[i], NULL) < 0) {
            conc_free(array);
            return NULL;
        }
    }
    return array;
}

/* Runs the plan, detached. `names`: what OSError.filename is for a failed exec and chdir. The handle is made first: a
 * process that runs already could not be taken back when there is no memory for one. */
static PyObject *
start_child(CoreState *core, const struct conc_spawn *plan, PyObject *names, bool kill_on_drop)
{
    ChildHandleObject *self = (ChildHandleObject *)core->child_handle_type->tp_alloc(core->child_handle_type, 0);
    if (self == NULL)
        return NULL;
    self->kill_on_drop = kill_on_drop;
    struct conc_child *child = NULL;
    enum conc_spawn_step failed;
    int err;
    CONC_BEGIN_DETACHED              /* uses: plan, whose strings the caller's arguments keep */
    err = conc_child_start(plan, &child, &failed);
    CONC_END_DETACHED
    if (err == 0) {
        self->child = child;
        return (PyObject *)self;
    }
    Py_DECREF(self);
    PyObject *name = failed == CONC_SPAWN_EXEC    ? PyTuple_GET_ITEM(names, 0)
                     : failed == CONC_SPAWN_CHDIR ? PyTuple_GET_ITEM(names, 1)
                                                  : NULL;
    return conc_raise_for(step_names[failed], err, name);
}

PyDoc_STRVAR(spawn_doc,
"spawn($module, /, argv, candidates, env, cwd, stdio, names, kill_on_drop=False, without=0)\n--\n\n"
"Start a program. The lists may not be changed by another thread meanwhile.");

static PyObject *
core_spawn(PyObject *module, PyObject *args, PyObject *kwargs)
{
    static char *keywords[] = {"argv", "candidates", "env", "cwd", "stdio", "names",
                               "kill_on_drop", "without", NULL};
    int kill_on_drop = 0;
    PyObject *argv, *candidates, *env, *cwd, *names;
    struct conc_spawn plan = {.cwd = NULL};
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "O!O!OO(iii)O!|pI:spawn", keywords, &PyList_Type, &argv,
                                     &PyList_Type, &candidates, &env, &cwd, &plan.stdio[0], &plan.stdio[1],
                                     &plan.stdio[2], &PyTuple_Type, &names, &kill_on_drop,
                                     &plan.without))
        return NULL;
    if (PyList_GET_SIZE(argv) == 0 || PyList_GET_SIZE(candidates) == 0 || PyTuple_GET_SIZE(names) != 2 ||
        (env != Py_None && !PyList_Check(env))) {
        PyErr_SetString(PyExc_ValueError, "argv and candidates must not be empty, names must be two, env a list or None");
        return NULL;
    }
    if (cwd != Py_None && PyBytes_AsStringAndSize(cwd, (char **)&plan.cwd, NULL) < 0)
        return NULL;
    PyObject *handle = NULL;
    const char **c_argv = c_strings(argv);
    const char **c_candidates = c_argv == NULL ? NULL : c_strings(candidates);
    const char **c_env = NULL;
    if (c_candidates == NULL)
        goto done;
    c_env = env == Py_None ? (const char **)conc_spawn_environment() : c_strings(env);
    if (c_env == NULL) {
        if (!PyErr_Occurred())
            PyErr_NoMemory();
        goto done;
    }
    plan.argv = (char *const *)c_argv;
    plan.candidates = c_candidates;
    plan.envp = (char *const *)c_env;
    handle = start_child(conc_core_state(module), &plan, names, kill_on_drop);
done:
    conc_free(c_env);
    conc_free(c_candidates);
    conc_free(c_argv);
    return handle;
}

PyDoc_STRVAR(deadline_doc,
"deadline($module, timeout, /)\n--\n\n"
"The moment `timeout` seconds from now (None: never) on time.monotonic_ns()'s clock.");

static PyObject *
core_deadline(PyObject *Py_UNUSED(module), PyObject *timeout)
{
    int64_t deadline_ns;
    if (conc_parse_timeout(timeout, &deadline_ns) < 0)
        return NULL;
    return PyLong_FromLongLong(deadline_ns);
}

static int
child_handle_traverse(PyObject *op, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(op));
    return 0;
}

/* A killed process ends in its own time, as a rule within milliseconds; one that is stuck in the kernel for longer is
 * reaped with the abandoned ones. */
#define KILLED_PATIENCE_NS CONC_NS_PER_S

static void
kill_and_reap(struct conc_child *child)
{
    if (conc_child_poll(child) != -EAGAIN)
        return;
    (void)conc_child_signal(child, CONC_PROCESS_KILL);
    int64_t deadline_ns = conc_deadline_after(KILLED_PATIENCE_NS);
    while (conc_child_wait(child, deadline_ns) == -EINTR)
        ;
}

static void
child_handle_dealloc(PyObject *op)
{
    PyTypeObject *type = Py_TYPE(op);
    PyObject_GC_UnTrack(op);
    ChildHandleObject *self = ChildHandleObject_CAST(op);
    if (self->child != NULL) {
        if (self->kill_on_drop)
            kill_and_reap(self->child);
        conc_child_drop(self->child);
    }
    type->tp_free(op);
    Py_DECREF(type);
}

PyDoc_STRVAR(poll_doc, "poll($self, /)\n--\n\nWhether it has ended; takes its status if so.");

static PyObject *
child_handle_poll(PyObject *op, PyObject *Py_UNUSED(ignored))
{
    int err = conc_child_poll(ChildHandleObject_CAST(op)->child);
    if (err == 0)
        Py_RETURN_TRUE;
    if (err == -EAGAIN)
        Py_RETURN_FALSE;
    return conc_raise("poll child process", err);
}

static int
wait_for_child(void *child, int64_t until_ns)
{
    return conc_child_wait(child, until_ns);
}

PyDoc_STRVAR(wait_doc, "wait($self, deadline, /)\n--\n\nSleep until it has ended: True; or until the deadline: False.");

static PyObject *
child_handle_wait(PyObject *op, PyObject *arg)
{
    int64_t deadline_ns = PyLong_AsLongLong(arg);
    if (deadline_ns == -1 && PyErr_Occurred())
        return NULL;
    int err = conc_wait(wait_for_child, ChildHandleObject_CAST(op)->child, deadline_ns);
    if (err == -EINTR)
        return NULL;
    if (err == 0)
        Py_RETURN_TRUE;
    if (err == -ETIMEDOUT)
        Py_RETURN_FALSE;
    return conc_raise("wait for child process", err);
}

PyDoc_STRVAR(signal_doc, "signal($self, number, /)\n--\n\nSend a signal; nothing happens if it has ended.");

static PyObject *
child_handle_signal(PyObject *op, PyObject *arg)
{
    long number = PyLong_AsLong(arg);
    if (number == -1 && PyErr_Occurred())
        return NULL;
    int err = number < 0 || number > INT_MAX ? -EINVAL
                                             : conc_child_signal(ChildHandleObject_CAST(op)->child, (int)number);
    if (err < 0)
        return conc_raise("signal child process", err);
    Py_RETURN_NONE;
}

/* [owned] the figure, or None. */
static PyObject *
figure(int64_t value)
{
    if (value == CONC_PROCESS_UNKNOWN)
        Py_RETURN_NONE;
    return PyLong_FromLongLong(value);
}

PyDoc_STRVAR(usage_doc,
"usage($self, /)\n--\n\n"
"(final, user_ns, system_ns, voluntary, involuntary, minor_faults, major_faults, max_rss_bytes), None for unknown.");

static PyObject *
child_handle_usage(PyObject *op, PyObject *Py_UNUSED(ignored))
{
    struct conc_process_usage usage;
    bool final;
    int err;
    struct conc_child *child = ChildHandleObject_CAST(op)->child;
    CONC_BEGIN_DETACHED              /* uses: child, which we hold */
    err = conc_child_usage(child, &usage, &final);
    CONC_END_DETACHED
    if (err < 0)
        return conc_raise("read usage of child process", err);
    return Py_BuildValue("(NNNNNNNN)", PyBool_FromLong(final), figure(usage.user_ns), figure(usage.system_ns),
                         figure(usage.voluntary), figure(usage.involuntary), figure(usage.minor_faults),
                         figure(usage.major_faults), figure(usage.max_rss_bytes));
}

static PyObject *
child_handle_pid(PyObject *op, void *Py_UNUSED(closure))
{
    return PyLong_FromLong(ChildHandleObject_CAST(op)->child->process.pid);
}

static PyObject *
child_handle_ended(PyObject *op, void *Py_UNUSED(closure))
{
    return PyBool_FromLong(conc_completion_done(&ChildHandleObject_CAST(op)->child->ended));
}

static PyObject *
child_handle_code(PyObject *op, void *Py_UNUSED(closure))
{
    struct conc_child *child = ChildHandleObject_CAST(op)->child;
    if (!conc_completion_done(&child->ended) || child->lost != 0)
        Py_RETURN_NONE;
    return PyLong_FromLong(child->end.code);
}

static PyObject *
child_handle_started(PyObject *op, void *Py_UNUSED(closure))
{
    return PyLong_FromLongLong(ChildHandleObject_CAST(op)->child->started_ns);
}

static PyObject *
child_handle_end_between(PyObject *op, void *Py_UNUSED(closure))
{
    struct conc_child *child = ChildHandleObject_CAST(op)->child;
    if (!conc_completion_done(&child->ended))
        Py_RETURN_NONE;
    return Py_BuildValue("(LL)", (long long)child->alive_ns, (long long)child->noticed_ns);
}

static PyObject *
child_handle_parent_max_rss(PyObject *op, void *Py_UNUSED(closure))
{
    return figure(ChildHandleObject_CAST(op)->child->parent_max_rss_bytes);
}

static PyMethodDef child_handle_methods[] = {
    {"poll", child_handle_poll, METH_NOARGS, poll_doc},
    {"wait", child_handle_wait, METH_O, wait_doc},
    {"signal", child_handle_signal, METH_O, signal_doc},
    {"usage", child_handle_usage, METH_NOARGS, usage_doc},
    {NULL, NULL, 0, NULL},
};

static PyGetSetDef child_handle_getset[] = {
    {"pid", child_handle_pid, NULL, PyDoc_STR("The process id."), NULL},
    {"ended", child_handle_ended, NULL, PyDoc_STR("Whether its status has been taken."), NULL},
    {"code", child_handle_code, NULL,
     PyDoc_STR("Exit status, or minus a signal's number; None while it runs and when somebody else took it."), NULL},
    {"started_ns", child_handle_started, NULL, PyDoc_STR("When it was started, on the monotonic clock."), NULL},
    {"end_between_ns", child_handle_end_between, NULL,
     PyDoc_STR("When it was last seen alive and first seen ended; None while it runs."), NULL},
    {"parent_max_rss_bytes", child_handle_parent_max_rss, NULL,
     PyDoc_STR("The peak memory of this process when the program began."), NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyType_Slot child_handle_slots[] = {
    {Py_tp_doc, PyDoc_STR("A child process. Made by spawn() alone.")},
    {Py_tp_traverse, child_handle_traverse},
    {Py_tp_dealloc, child_handle_dealloc},
    {Py_tp_methods, child_handle_methods},
    {Py_tp_getset, child_handle_getset},
    {0, NULL},
};

static PyType_Spec child_handle_spec = {
    .name = "conc._core.ChildHandle",
    .basicsize = sizeof(ChildHandleObject),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_IMMUTABLETYPE | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = child_handle_slots,
};

static PyMethodDef child_functions_methods[] = {
    {"spawn", (PyCFunction)(void (*)(void))core_spawn, METH_VARARGS | METH_KEYWORDS, spawn_doc},
    {"deadline", core_deadline, METH_O, deadline_doc},
    {NULL, NULL, 0, NULL},
};

int
conc_child_exec(PyObject *module)
{
    if (conc_add_type(module, &conc_core_state(module)->child_handle_type, &child_handle_spec) < 0)
        return -1;
    return PyModule_AddFunctions(module, child_functions_methods);
}
