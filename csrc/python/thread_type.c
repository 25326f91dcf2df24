/* SPDX-License-Identifier: Apache-2.0 */
/* python/thread_type.c - the object behind conc.Thread: made without any of the events and locks that threading.Thread
 * carries, since the core's handle (sched/thread.h) knows what they would tell. */
#include "python/thread_type.h"

#include <stddef.h>
#include <string.h>
#include <structmember.h>

#include "os/task_name.h"
#include "python/errors.h"

/* As threading.stack_size(): what a frame of the interpreter needs at the least. */
#define LEAST_STACK 32768

/* -- construction --------------------------------------------------------------------------------------------------- */

static PyObject *
thread_new(PyTypeObject *type, PyObject *Py_UNUSED(args), PyObject *Py_UNUSED(kwargs))
{
    ThreadObject *self = ThreadObject_CAST(type->tp_alloc(type, 0));
    if (self == NULL)
        return NULL;
    self->core = conc_core_state_of(type);
    int err = conc_thread_create(&self->thread);
    if (err != 0) {
        Py_DECREF(self);
        return conc_raise("make a thread", err);
    }
    return (PyObject *)self;
}

static int
thread_traverse(PyObject *op, visitproc visit, void *arg)
{
    ThreadObject *self = ThreadObject_CAST(op);
    Py_VISIT(Py_TYPE(op));
    Py_VISIT(self->target);
    Py_VISIT(self->args);
    Py_VISIT(self->kwargs);
    Py_VISIT(self->name);
    Py_VISIT(self->context);
    Py_VISIT(self->place);
    Py_VISIT(self->value);
    Py_VISIT(self->error);
    Py_VISIT(self->callbacks);
    Py_VISIT(self->kernel);
    Py_VISIT(self->ident_key);
    Py_VISIT(self->stderr_file);
    return 0;
}

static int
thread_clear(PyObject *op)
{
    ThreadObject *self = ThreadObject_CAST(op);
    Py_CLEAR(self->target);
    Py_CLEAR(self->args);
    Py_CLEAR(self->kwargs);
    Py_CLEAR(self->name);
    Py_CLEAR(self->context);
    Py_CLEAR(self->place);
    Py_CLEAR(self->value);
    Py_CLEAR(self->error);
    Py_CLEAR(self->callbacks);
    Py_CLEAR(self->kernel);
    Py_CLEAR(self->ident_key);
    Py_CLEAR(self->stderr_file);
    return 0;
}

static void
thread_dealloc(PyObject *op)
{
    ThreadObject *self = ThreadObject_CAST(op);
    PyTypeObject *type = Py_TYPE(op);
    PyObject_GC_UnTrack(op);
    (void)thread_clear(op);
    conc_kernel_run_release(self->run);
    if (self->thread != NULL)
        conc_thread_release(self->thread);
    type->tp_free(op);
    Py_DECREF(type);
}

PyObject *
conc_threading_variable(CoreState *core, PyObject *name)
{
    PyObject *value = core->threading == NULL ? NULL : conc_dict_get(core->threading, name);
    if (value == NULL && !PyErr_Occurred())
        PyErr_Format(PyExc_RuntimeError, "threading.%U is not known: conc.threads was not imported", name);
    return value;
}

/* Its number, taken now as threading takes it; the name itself is made when somebody asks. */
static int
take_number(ThreadObject *self)
{
    PyObject *counter = conc_threading_variable(self->core, self->core->str_counter);
    PyObject *number = counter == NULL ? NULL : PyObject_CallNoArgs(counter);
    Py_XDECREF(counter);
    if (number == NULL)
        return -1;
    self->name_number = PyLong_AsUnsignedLong(number);
    Py_DECREF(number);
    return PyErr_Occurred() == NULL ? 0 : -1;
}

static int
take_name(ThreadObject *self, PyObject *name)
{
    if (name != NULL && name != Py_None) {
        int given = PyObject_IsTrue(name);
        if (given < 0)
            return -1;
        if (given) {
            PyObject *text = PyObject_Str(name);
            Py_XSETREF(self->name, text);
            return text == NULL ? -1 : 0;
        }
    }
    Py_CLEAR(self->name);
    return take_number(self);
}

/* [owned] "Thread-N", or "Thread-N (target)". By hand for plain text, as it commonly is: formatting it takes longer than all
 * else that a start does by itself. */
static PyObject *
default_name(unsigned long number, PyObject *of_target)
{
    if (of_target != NULL && !(PyUnicode_CheckExact(of_target) && PyUnicode_IS_COMPACT_ASCII(of_target)))
        return PyUnicode_FromFormat("Thread-%lu (%S)", number, of_target);
    char head[32] = "Thread-", digits[24];
    size_t length = sizeof("Thread-") - 1, count = 0;
    do {
        digits[count++] = (char)('0' + number % 10);
        number /= 10;
    } while (number != 0);
    while (count > 0)
        head[length++] = digits[--count];
    if (of_target == NULL)
        return PyUnicode_FromStringAndSize(head, (Py_ssize_t)length);
    head[length++] = ' ';
    head[length++] = '(';
    size_t inner = (size_t)PyUnicode_GET_LENGTH(of_target);
    PyObject *name = PyUnicode_New((Py_ssize_t)(length + inner + 1), 127);
    if (name == NULL)
        return NULL;
    char *text = PyUnicode_DATA(name);
    memcpy(text, head, length);
    memcpy(text + length, PyUnicode_DATA(of_target), inner);
    text[length + inner] = ')';
    return name;
}

PyObject *
conc_thread_name(ThreadObject *self)
{
    PyObject *known, *target, *of_target = NULL;
    Py_BEGIN_CRITICAL_SECTION(self);
    known = Py_XNewRef(self->name);
    target = known == NULL ? Py_XNewRef(self->target) : NULL;
    Py_END_CRITICAL_SECTION();
    if (known != NULL)
        return known;
    if (target != NULL && target != Py_None)
        of_target = PyObject_GetAttr(target, self->core->str_name);
    Py_XDECREF(target);
    if (of_target == NULL && PyErr_Occurred()) {
        if (!PyErr_ExceptionMatches(PyExc_AttributeError))
            return NULL;
        PyErr_Clear();
    }
    PyObject *name = default_name(self->name_number, of_target);
    Py_XDECREF(of_target);
    if (name == NULL)
        return NULL;
    PyObject *kept;
    Py_BEGIN_CRITICAL_SECTION(self);            /* somebody may have made or set it meanwhile */
    if (self->name == NULL)
        self->name = Py_NewRef(name);
    kept = Py_NewRef(self->name);
    Py_END_CRITICAL_SECTION();
    Py_DECREF(name);
    return kept;
}

PyObject *
conc_thread_name_bytes(PyObject *name)
{
    return PyUnicode_AsEncodedString(name, "utf-8", "replace");
}

/* As the creating thread, which threading lists under its identifier. */
static int
inherit_daemon(ThreadObject *self)
{
    PyObject *current = conc_threading_variable(self->core, self->core->str_current_thread);
    PyObject *creator = current == NULL ? NULL : PyObject_CallNoArgs(current);
    Py_XDECREF(current);
    if (creator == NULL)
        return -1;
    if (PyObject_TypeCheck(creator, self->core->thread_type)) {
        self->daemon = ThreadObject_CAST(creator)->daemon;
        Py_DECREF(creator);
        return 0;
    }
    PyObject *daemon = PyObject_GetAttr(creator, self->core->str_daemon);
    Py_DECREF(creator);
    int inherited = daemon == NULL ? -1 : PyObject_IsTrue(daemon);
    Py_XDECREF(daemon);
    self->daemon = inherited > 0;
    return inherited < 0 ? -1 : 0;
}

static int
take_daemon(ThreadObject *self, PyObject *daemon)
{
    if (daemon == NULL || daemon == Py_None)
        return inherit_daemon(self);
    int wanted = PyObject_IsTrue(daemon);
    if (wanted < 0)
        return -1;
    if (wanted && !self->core->daemons_allowed) {
        PyErr_SetString(PyExc_RuntimeError, "daemon threads are disabled in this (sub)interpreter");
        return -1;
    }
    self->daemon = wanted;
    return 0;
}

static int
take_target(ThreadObject *self, PyObject *target)
{
    if (target == NULL)
        target = Py_None;
    if (target != Py_None && !PyCallable_Check(target)) {
        PyErr_Format(PyExc_TypeError, "target must be callable, not %R", target);
        return -1;
    }
    Py_XSETREF(self->target, Py_NewRef(target));
    return 0;
}

/* [owned] a tuple. */
static PyObject *
tuple_of(PyObject *args)
{
    PyObject *tuple = PySequence_Tuple(args);
    if (tuple == NULL && Py_TYPE(args)->tp_iter == NULL && !PySequence_Check(args))
        PyErr_Format(PyExc_TypeError, "args must be an iterable of arguments, not %R; for one argument write args=(x,)",
                     args);
    return tuple;
}

/* [owned] a new dict, or None. */
static PyObject *
dict_of(PyObject *kwargs)
{
    if (kwargs == Py_None)
        return Py_NewRef(Py_None);
    if (!PyObject_HasAttrString(kwargs, "keys")) {
        PyErr_Format(PyExc_TypeError, "kwargs must be a mapping of keyword arguments, not %R", kwargs);
        return NULL;
    }
    PyObject *dict = PyDict_New();
    if (dict != NULL && PyDict_Update(dict, kwargs) < 0)
        Py_CLEAR(dict);
    return dict;
}

static int
take_arguments(ThreadObject *self, PyObject *args, PyObject *kwargs)
{
    PyObject *tuple = args == NULL ? PyTuple_New(0) : tuple_of(args);
    PyObject *dict = tuple == NULL ? NULL : dict_of(kwargs == NULL ? Py_None : kwargs);
    if (dict == NULL) {
        Py_XDECREF(tuple);
        return -1;
    }
    Py_XSETREF(self->args, tuple);
    Py_XSETREF(self->kwargs, dict);
    return 0;
}

int
conc_thread_call_arguments(PyObject **args, PyObject **kwargs)
{
    if (!PyTuple_Check(*args)) {
        PyObject *tuple = tuple_of(*args);
        if (tuple == NULL)
            return -1;
        Py_SETREF(*args, tuple);
    }
    if (*kwargs != Py_None && !PyDict_Check(*kwargs)) {
        PyObject *dict = dict_of(*kwargs);
        if (dict == NULL)
            return -1;
        Py_SETREF(*kwargs, dict);
    }
    return 0;
}

static int
take_stack_size(ThreadObject *self, PyObject *stack_size)
{
    self->stack_size = 0;
    if (stack_size == NULL || stack_size == Py_None)
        return 0;
    Py_ssize_t size = PyNumber_AsSsize_t(stack_size, PyExc_OverflowError);
    if (size == -1 && PyErr_Occurred())
        return -1;
    if (size < LEAST_STACK) {
        PyErr_Format(PyExc_ValueError, "stack_size must be at least %d bytes (or None for the default), not %R",
                     LEAST_STACK, stack_size);
        return -1;
    }
    self->stack_size = size;
    return 0;
}

static int
take_place(ThreadObject *self, PyObject *affinity, PyObject *node)
{
    Py_CLEAR(self->place);
    if ((affinity == NULL || affinity == Py_None) && (node == NULL || node == Py_None))
        return 0;
    self->place = PyObject_CallFunctionObjArgs(self->core->resolve_place, affinity == NULL ? Py_None : affinity,
                                               node == NULL ? Py_None : node, NULL);
    return self->place == NULL ? -1 : 0;
}

/* By the way that threading takes: PySys_GetObject() makes a str of the name each time, and lends what it finds. */
static int
take_stderr(ThreadObject *self)
{
    PyObject *sys = conc_threading_variable(self->core, self->core->str_sys);
    PyObject *file = sys == NULL ? NULL : PyObject_GetAttr(sys, self->core->str_stderr);
    Py_XDECREF(sys);
    if (file == NULL && !PyErr_ExceptionMatches(PyExc_AttributeError))
        return -1;
    PyErr_Clear();
    Py_XSETREF(self->stderr_file, file);
    return 0;
}

static int
thread_init(PyObject *op, PyObject *args, PyObject *kwargs)
{
    static char *keywords[] = {"group",  "target",  "name",     "args", "kwargs",
                               "daemon", "context", "affinity", "node", "stack_size", NULL};
    ThreadObject *self = ThreadObject_CAST(op);
    PyObject *group = Py_None, *target = NULL, *name = NULL, *arguments = NULL, *keyword_arguments = NULL;
    PyObject *daemon = NULL, *context = NULL, *affinity = NULL, *node = NULL, *stack_size = NULL;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "|OOOOO$OOOOO:Thread", keywords, &group, &target, &name, &arguments,
                                     &keyword_arguments, &daemon, &context, &affinity, &node, &stack_size))
        return -1;
    if (group != Py_None) {
        PyErr_Format(PyExc_ValueError, "group must be None (there are no thread groups), not %R", group);
        return -1;
    }
    if (conc_thread_has_begun(self->thread)) {
        PyErr_SetString(PyExc_RuntimeError, "__init__() of a thread that was started");
        return -1;
    }
    if (take_target(self, target) < 0 || take_arguments(self, arguments, keyword_arguments) < 0 ||
        take_name(self, name) < 0 || take_daemon(self, daemon) < 0 || take_stack_size(self, stack_size) < 0 ||
        take_place(self, affinity, node) < 0)
        return -1;
    if (context != NULL && context != Py_None && !PyContext_CheckExact(context)) {
        PyErr_Format(PyExc_TypeError, "context must be a contextvars.Context or None, not %R", context);
        return -1;
    }
    Py_XSETREF(self->context, Py_NewRef(context == NULL ? Py_None : context));
    if (take_stderr(self) < 0)
        return -1;
    self->initialized = true;
    return 0;
}

int
conc_thread_require_init(ThreadObject *self)
{
    if (self->initialized)
        return 0;
    PyErr_SetString(PyExc_RuntimeError, "Thread.__init__() not called");
    return -1;
}

/* -- attributes ----------------------------------------------------------------------------------------------------- */

static PyObject *
get_name(PyObject *op, void *Py_UNUSED(closure))
{
    return conc_thread_name(ThreadObject_CAST(op));
}

/* To the operating system's tools, if the thread lives; it is for people's eyes, so that nothing fails for it. Not before
 * the thread has taken the name that it was started with. */
static void
show_name(ThreadObject *self, PyObject *name)
{
    if (!conc_thread_has_begun(self->thread) || conc_thread_has_ended(self->thread))
        return;
    conc_thread_wait_named(self->thread, &conc_detach_python);
    PyObject *text = conc_thread_name_bytes(name);
    if (text == NULL)
        PyErr_Clear();
    else
        (void)conc_task_name_set(conc_thread_native_id(self->thread), PyBytes_AS_STRING(text));
    Py_XDECREF(text);
}

static int
set_name(PyObject *op, PyObject *value, void *Py_UNUSED(closure))
{
    if (value == NULL || !PyUnicode_Check(value)) {
        PyErr_SetString(PyExc_TypeError, "a thread's name must be a str");
        return -1;
    }
    PyObject *old;
    Py_BEGIN_CRITICAL_SECTION(op);
    old = ThreadObject_CAST(op)->name;
    ThreadObject_CAST(op)->name = Py_NewRef(value);
    Py_END_CRITICAL_SECTION();
    Py_XDECREF(old);
    show_name(ThreadObject_CAST(op), value);
    return 0;
}

static PyObject *
get_ident(PyObject *op, void *Py_UNUSED(closure))
{
    struct conc_thread *thread = ThreadObject_CAST(op)->thread;
    if (conc_thread_require_init(ThreadObject_CAST(op)) < 0)
        return NULL;
    if (!conc_thread_has_begun(thread))
        Py_RETURN_NONE;
    return PyLong_FromUnsignedLong(conc_thread_ident(thread));
}

static PyObject *
get_native_id(PyObject *op, void *Py_UNUSED(closure))
{
    struct conc_thread *thread = ThreadObject_CAST(op)->thread;
    if (conc_thread_require_init(ThreadObject_CAST(op)) < 0)
        return NULL;
    if (!conc_thread_has_begun(thread) || conc_thread_native_id(thread) < 0)
        Py_RETURN_NONE;
    return PyLong_FromLong(conc_thread_native_id(thread));
}

/* threading writes what the handle knows better. */
static int
set_nothing(PyObject *Py_UNUSED(op), PyObject *Py_UNUSED(value), void *Py_UNUSED(closure))
{
    return 0;
}

static PyGetSetDef thread_getset[] = {
    {"ident", get_ident, NULL, PyDoc_STR("What threading.get_ident() returns in the thread; None before start()."), NULL},
    {"native_id", get_native_id, NULL, PyDoc_STR("The system's identifier of the thread; None before start()."), NULL},
    {"_name", get_name, set_name, NULL, NULL},
    {"_ident", get_ident, set_nothing, NULL, NULL},
    {"_native_id", get_native_id, set_nothing, NULL, NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyMemberDef thread_members[] = {
    {"_target", T_OBJECT_EX, offsetof(ThreadObject, target), 0, NULL},
    {"_args", T_OBJECT_EX, offsetof(ThreadObject, args), 0, NULL},
    {"_kwargs", T_OBJECT_EX, offsetof(ThreadObject, kwargs), 0, NULL},
    {"_place", T_OBJECT, offsetof(ThreadObject, place), 0, NULL},
    {"_context", T_OBJECT, offsetof(ThreadObject, context), 0, NULL},
    {"_stderr", T_OBJECT, offsetof(ThreadObject, stderr_file), 0, NULL},
    {"_initialized", T_BOOL, offsetof(ThreadObject, initialized), 0, NULL},
    {"_daemonic", T_BOOL, offsetof(ThreadObject, daemon), 0, NULL},
    {NULL, 0, 0, 0, NULL},
};

static PyMethodDef thread_methods[] = {
    {"start", conc_thread_start_method, METH_NOARGS,
     PyDoc_STR("start($self, /)\n--\n\nStart the thread; ident and native_id are known when it returns.")},
    {"run", conc_thread_run_method, METH_NOARGS,
     PyDoc_STR("run($self, /)\n--\n\n"
               "Call the target; a subclass may override it. What it returns is the thread's result.")},
    {"join", (PyCFunction)(void (*)(void))conc_thread_join_method, METH_FASTCALL | METH_KEYWORDS,
     PyDoc_STR("join($self, /, timeout=None)\n--\n\n"
               "Wait for the end of the thread, at most timeout seconds; is_alive() tells whether it came.")},
    {"is_alive", conc_thread_is_alive_method, METH_NOARGS,
     PyDoc_STR("is_alive($self, /)\n--\n\nWhether the thread has been started and has not ended.")},
    {"add_done_callback", conc_thread_add_done_callback_method, METH_O,
     PyDoc_STR("add_done_callback($self, fn, /)\n--\n\n"
               "Call fn(thread) when the thread has an outcome: in it, as the last that it does; or now, if it has one.")},
    {"_wait_for_outcome", conc_thread_wait_for_outcome_method, METH_VARARGS,
     PyDoc_STR("_wait_for_outcome($self, timeout, verb, /)\n--\n\nWhether there is an outcome in time.")},
    {"_outcome", conc_thread_outcome_method, METH_NOARGS,
     PyDoc_STR("_outcome($self, /)\n--\n\n(value, exception) of a thread that has an outcome; None before.")},
    {"_end", conc_thread_end_method, METH_NOARGS,
     PyDoc_STR("_end($self, /)\n--\n\nThe number of a conc.ThreadEnd; 0 while there is none.")},
    {"_state", conc_thread_state_method, METH_NOARGS,
     PyDoc_STR("_state($self, /)\n--\n\nThe value of a conc.ThreadState, or None before start().")},
    {"_add_waker", conc_thread_add_waker_method, METH_O,
     PyDoc_STR("_add_waker($self, fn, /)\n--\n\n"
               "add_done_callback() for a function that somebody waits for: called again after a MemoryError.")},
    {"_discard_waker", conc_thread_discard_waker_method, METH_O,
     PyDoc_STR("_discard_waker($self, fn, /)\n--\n\nUndo _add_waker(), if it was not called yet.")},
    {"_syscall", conc_thread_syscall_method, METH_NOARGS,
     PyDoc_STR("_syscall($self, /)\n--\n\nThe name of the system call that it waits in at this moment, or None.")},
    {"_usage", conc_thread_usage_method, METH_NOARGS,
     PyDoc_STR("_usage($self, /)\n--\n\n"
               "(wall, attach wait, user, system, run delay in ns, voluntary, involuntary, minor, major, whether these are the\n"
               "last, whether it was too short for a run delay); None where there are none.")},
    {"_request_stop", conc_thread_request_stop_method, METH_NOARGS,
     PyDoc_STR("_request_stop($self, /)\n--\n\nRequest the stop token, for kernels and conc.stop_requested().")},
    {"_interrupt", conc_thread_interrupt_method, METH_NOARGS,
     PyDoc_STR("_interrupt($self, /)\n--\n\nThe same, and have conc.ThreadStopped raised in a Python target, if need be before it begins.")},
    {"_is_done", conc_thread_is_done_method, METH_NOARGS,
     PyDoc_STR("_is_done($self, /)\n--\n\nWhether the thread has been started and has ended.")},
    {"_survived_fork", conc_thread_survived_fork_method, METH_NOARGS,
     PyDoc_STR("_survived_fork($self, /)\n--\n\nSay in the child of a fork that the calling thread is this one.")},
    {NULL, NULL, 0, NULL},
};

PyDoc_STRVAR(thread_doc,
"Thread(group=None, target=None, name=None, args=(), kwargs=None, *, daemon=None, context=None, affinity=None, node=None, "
"stack_size=None)\n--\n\n"
"The native part of conc.Thread. It holds no thread, stack or descriptor before it is started.");

static PyType_Slot thread_slots[] = {
    {Py_tp_doc, (void *)thread_doc},
    {Py_tp_new, thread_new},
    {Py_tp_init, thread_init},
    {Py_tp_traverse, thread_traverse},
    {Py_tp_clear, thread_clear},
    {Py_tp_dealloc, thread_dealloc},
    {Py_tp_methods, thread_methods},
    {Py_tp_members, thread_members},
    {Py_tp_getset, thread_getset},
    {0, NULL},
};

static PyType_Spec thread_spec = {
    .name = "conc._core.Thread",
    .basicsize = sizeof(ThreadObject),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = thread_slots,
};

int
conc_thread_type_exec(PyObject *module)
{
    return conc_add_type(module, &conc_core_state(module)->thread_type, &thread_spec);
}
