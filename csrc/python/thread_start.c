/* SPDX-License-Identifier: Apache-2.0 */
/* python/thread_start.c - start(), and what a thread with a Python target does from its beginning to its end.
 *
 *   starter   checks, lists the thread for exit, goes in at the interpreter's door for it, creates it, registers it
 *   thread    makes its thread state, leaves the door, attaches; hooks; the target in its stop window; outcome, report,
 *             callbacks; unregisters, deletes its state, leaves the list
 *
 * The starter does not wait for the thread, but for its place and in subinterpreters, there for a daemon until it has run:
 * each wait is a switch to it and back, which costs as much as all the rest. */
#include "python/thread_type.h"

#include <errno.h>

#include "os/thread.h"
#include "python/attach.h"
#include "python/data_stack.h"
#include "python/errors.h"
#include "python/thread_place.h"

/* -- known to threading --------------------------------------------------------------------------------------------- */

/* No lock: each step on the dict is atomic, and an entry is made and removed by this object alone. */
int
conc_thread_enter_active(ThreadObject *self)
{
    PyObject *active = conc_threading_variable(self->core, self->core->str_active);
    if (active == NULL)
        return -1;
    int err = 0;
    Py_BEGIN_CRITICAL_SECTION(self);
    if (!self->registered && !self->over) {
        if (self->ident_key == NULL)
            self->ident_key = PyLong_FromUnsignedLong(conc_thread_ident(self->thread));
        err = self->ident_key == NULL ? -1 : PyDict_SetItem(active, self->ident_key, (PyObject *)self);
        self->registered = err == 0;
    }
    Py_END_CRITICAL_SECTION();
    Py_DECREF(active);
    return err;
}

/* Takes no memory, so that no dead thread is left listed. */
void
conc_thread_leave_active(ThreadObject *self)
{
    PyObject *active = conc_threading_variable(self->core, self->core->str_active);
    PyErr_Clear();
    Py_BEGIN_CRITICAL_SECTION(self);
    self->over = true;
    if (self->registered && active != NULL) {
        PyObject *listed = conc_dict_get(active, self->ident_key);
        if (listed == (PyObject *)self)
            (void)PyDict_DelItem(active, self->ident_key);
        Py_XDECREF(listed);
    }
    self->registered = false;
    Py_END_CRITICAL_SECTION();
    Py_XDECREF(active);
    PyErr_Clear();
}

/* -- the target ----------------------------------------------------------------------------------------------------- */

PyObject *
conc_thread_run_method(PyObject *op, PyObject *Py_UNUSED(ignored))
{
    ThreadObject *self = ThreadObject_CAST(op);
    PyObject *target, *args, *kwargs, *result;
    /* Gone from the object first: a target or an argument that leads to the thread would keep both alive. */
    Py_BEGIN_CRITICAL_SECTION(op);
    target = self->target;
    args = self->args;
    kwargs = self->kwargs;
    self->target = self->args = self->kwargs = NULL;
    Py_END_CRITICAL_SECTION();
    if (target == NULL || args == NULL || kwargs == NULL) {
        PyErr_SetString(PyExc_AttributeError, "the thread's target is gone: run() was called before");
        result = NULL;
    } else if (target == Py_None) {
        result = Py_NewRef(Py_None);
    } else if (conc_thread_call_arguments(&args, &kwargs) < 0) {
        result = NULL;
    } else {
        result = PyObject_Call(target, args, kwargs == Py_None ? NULL : kwargs);
    }
    Py_XDECREF(target);
    Py_XDECREF(args);
    Py_XDECREF(kwargs);
    return result;
}

/* Whether run() is ours: not overridden by a subclass, nor set on the object. -1 with an exception. */
static int
runs_target_alone(ThreadObject *self)
{
    PyObject *run = PyObject_GetAttr((PyObject *)self, self->core->str_run);
    if (run == NULL)
        return -1;
    bool ours = PyCFunction_Check(run) && PyCFunction_GetFunction(run) == conc_thread_run_method &&
                PyCFunction_GetSelf(run) == (PyObject *)self;
    Py_DECREF(run);
    return ours;
}

static int
set_hook(CoreState *core, PyObject *variable, const char *function_name)
{
    PyObject *hook = conc_threading_variable(core, variable);
    if (hook == NULL)
        return -1;
    PyObject *function = hook == Py_None ? NULL : PySys_GetObject(function_name);     /* borrowed */
    PyObject *done = function == NULL ? Py_NewRef(Py_None) : PyObject_CallOneArg(function, hook);
    Py_DECREF(hook);
    Py_XDECREF(done);
    return done == NULL ? -1 : 0;
}

static PyObject *
call_run(ThreadObject *self)
{
    int ours = runs_target_alone(self);
    if (ours < 0)
        return NULL;
    if (!conc_thread_open_window(self))
        return NULL;
    PyObject *result = ours ? conc_thread_run_method((PyObject *)self, NULL)
                            : PyObject_CallMethodNoArgs((PyObject *)self, self->core->str_run);
    conc_thread_close_window(self);
    return result;
}

static PyObject *
run_in_context(ThreadObject *self)
{
    if (self->context == NULL || self->context == Py_None)
        return call_run(self);
    PyObject *context = Py_NewRef(self->context);
    PyObject *result = NULL;
    if (PyContext_Enter(context) == 0) {
        result = call_run(self);
        PyObject *error = result == NULL ? conc_take_exception() : NULL;
        (void)PyContext_Exit(context);
        if (error != NULL)
            conc_restore_exception(error);
    }
    Py_DECREF(context);
    return result;
}

/* To threading.excepthook, as the exception that is being handled. */
static void
report(ThreadObject *self, PyObject *error)
{
    PyErr_SetHandledException(error);
    PyObject *done = PyObject_CallOneArg(self->core->report_exception, (PyObject *)self);
    if (done == NULL)
        PyErr_WriteUnraisable((PyObject *)self);
    Py_XDECREF(done);
    PyErr_SetHandledException(NULL);
}

/* Attached. */
static void
live(ThreadObject *self)
{
    PyObject *result = NULL;
    if (conc_thread_enter_active(self) == 0 && set_hook(self->core, self->core->str_trace_hook, "settrace") == 0 &&
        set_hook(self->core, self->core->str_profile_hook, "setprofile") == 0)
        result = run_in_context(self);
    if (result != NULL) {
        conc_thread_set_outcome(self, CONC_THREAD_RETURNED, result, NULL);
    } else {
        PyObject *error = conc_take_exception();
        bool stopped = PyErr_GivenExceptionMatches(error, self->core->thread_stopped) &&
                       conc_stop_requested(conc_thread_stop(self->thread));
        if (stopped || PyErr_GivenExceptionMatches(error, PyExc_SystemExit))
            (void)PyException_SetTraceback(error, Py_None);     /* nobody reports it: it need not keep its frames */
        conc_thread_set_outcome(self, stopped ? CONC_THREAD_STOPPED : CONC_THREAD_RAISED, NULL, Py_NewRef(error));
        if (!stopped)
            report(self, error);
        Py_DECREF(error);
    }
    conc_thread_call_back(self);
    conc_thread_leave_active(self);
}

static void
python_entry(struct conc_thread *thread, void *arg)
{
    ThreadObject *self = arg;
    struct conc_roster *roster = self->core->roster;
    struct conc_data_stacks *stacks = self->core->data_stacks;
    conc_data_stacks_take(stacks);
    struct conc_attachment attachment = self->attachment;
    if (attachment.tstate == NULL)
        conc_attachment_wait(&attachment, self->interp);
    conc_roster_leave(roster);
    conc_attach(&attachment);
    atomic_store(&self->attached, true);
    conc_data_stack_lend(stacks, attachment.tstate);
    live(self);
    conc_thread_disown(thread);
    Py_DECREF(self);
    conc_attachment_clear(&attachment);
    conc_data_stack_take_back(stacks, attachment.tstate);
    conc_attachment_drop(&attachment);
    conc_data_stacks_release(stacks);
}

/* Not before the thread has ended: exit waits for who is listed, and nobody is alive when it is over. */
static void
leave_roster(struct conc_thread *thread, void *roster)
{
    conc_roster_remove(roster, thread);
    conc_roster_release(roster);
}

/* -- start() -------------------------------------------------------------------------------------------------------- */

static void
raise_shutdown(void)
{
    PyErr_SetString(PyExc_RuntimeError, "can't start new thread at interpreter shutdown");
}

void
conc_thread_raise_start(int err)
{
    if (err == -EALREADY)
        PyErr_SetString(PyExc_RuntimeError, "threads can only be started once");
    else if (err == -EAGAIN)
        PyErr_SetString(PyExc_RuntimeError,
                        "can't start new thread: the system has no more threads to give (see ulimit -u and the cgroup's "
                        "pids.max)");
    else
        conc_raise("start a native thread", err);
}

/* What the new thread starts with, where the interpreter lets threads inherit it: a copy of the starter's. */
static int
inherit_context(ThreadObject *self)
{
    if (!self->core->threads_inherit_context || (self->context != NULL && self->context != Py_None))
        return 0;
    PyObject *copy = PyContext_CopyCurrent(), *before;
    if (copy == NULL)
        return -1;
    Py_BEGIN_CRITICAL_SECTION(self);
    before = self->context;
    self->context = copy;
    Py_END_CRITICAL_SECTION();
    Py_XDECREF(before);
    return 0;
}

/* Somebody who has replaced threading's way to start a thread (gevent, eventlet) has threads of a kind of its own, and has
 * patched locks and calls for them: code made for those must not run in a native thread. */
static int
refuse_if_patched(CoreState *core)
{
    PyObject *starter = conc_threading_variable(core, core->str_starter);
    if (starter == NULL)
        return -1;
    bool patched = !PyCFunction_Check(starter);
    if (patched) {
        PyObject *module = PyObject_GetAttrString(starter, "__module__");
        PyErr_Clear();
        PyErr_Format(PyExc_RuntimeError,
                     "can't start a native thread for Python code: threading.%U was replaced by one of %S, and with it "
                     "what a thread is; use threading.Thread for it, or a native kernel as the target",
                     core->str_starter, module == NULL ? Py_None : module);
        Py_XDECREF(module);
    }
    Py_DECREF(starter);
    return patched ? -1 : 0;
}

/* In the new thread, before anything else, where something must be; the starter waits. */
static int
get_ready(void *arg)
{
    ThreadObject *self = arg;
    int err = self->parsed_place == NULL ? 0 : conc_thread_place_apply(self->parsed_place);
    if (err == 0 && self->state_first)
        err = conc_attachment_make(&self->attachment, self->interp);
    return err;
}

/* A daemon thread may be left behind by a subinterpreter that ends. If it still waits for its first turn then, CPython's
 * wait goes on in the memory of that interpreter, which is gone; so it has its turn now, as in threading's start(). */
static bool
must_be_attached(const ThreadObject *self)
{
    return conc_threads_must_run_first() || (self->state_first && self->daemon);
}

static void
let_it_run(ThreadObject *self)
{
    while (!atomic_load(&self->attached)) {
        CONC_BEGIN_DETACHED
        conc_os_thread_yield();
        CONC_END_DETACHED
    }
}

static int
start_python(ThreadObject *self, struct conc_thread_attr *attr)
{
    if (!self->core->threads_allowed) {
        PyErr_SetString(PyExc_RuntimeError, "thread is not supported for isolated subinterpreters");
        return -1;
    }
    if (refuse_if_patched(self->core) < 0 || inherit_context(self) < 0)
        return -1;
    if (!conc_roster_enter(self->core->roster)) {
        raise_shutdown();
        return -1;
    }
    self->interp = PyInterpreterState_Get();
    /* Only the main interpreter always has a thread state. In another one the starter's may be the last, and CPython
     * 3.12 and later break when a first one is made while the last one is deleted. */
    self->state_first = self->interp != PyInterpreterState_Main();
    if (self->state_first)
        attr->prepare = get_ready;
    attr->entry = python_entry;
    attr->arg = attr->owner = Py_NewRef((PyObject *)self);
    int err = conc_thread_start(self->thread, attr);
    if (err != 0) {
        conc_roster_leave(self->core->roster);
        Py_DECREF(self);
        conc_thread_raise_start(err);
        return -1;
    }
    if (conc_thread_enter_active(self) < 0)
        PyErr_Clear();          /* it runs: it will do so itself, or end with that error */
    if (must_be_attached(self))
        let_it_run(self);
    return 0;
}

/* The name for the system's tools, and in *keeper [owned] what keeps it; NULL, and no exception, where there is no memory
 * for it. */
static const char *
system_name(ThreadObject *self, PyObject **keeper)
{
    *keeper = conc_thread_name(self);
    if (*keeper != NULL && PyUnicode_IS_COMPACT_ASCII(*keeper))
        return PyUnicode_AsUTF8(*keeper);       /* its own characters, without a copy */
    PyObject *bytes = *keeper == NULL ? NULL : conc_thread_name_bytes(*keeper);
    Py_XSETREF(*keeper, bytes);
    PyErr_Clear();
    return bytes == NULL ? NULL : PyBytes_AS_STRING(bytes);
}

/* `kernel` is the target of a thread that runs natively; NULL for Python code. */
static int
start_placed(ThreadObject *self, struct conc_thread_attr *attr, PyObject *kernel, PyObject *wanted_place)
{
    struct conc_thread_place place;
    bool placed = wanted_place != NULL && wanted_place != Py_None;
    if (placed) {
        if (conc_thread_place_parse(wanted_place, &place) < 0)
            return -1;
        self->parsed_place = &place;
        attr->reuse_stack = false;          /* its pages may be on another node */
        attr->prepare = get_ready;
    }
    attr->prepare_arg = self;
    int err = kernel == NULL ? start_python(self, attr) : conc_thread_start_kernel(self, KernelObject_CAST(kernel), attr);
    if (placed)
        conc_thread_place_clear(&place);
    self->parsed_place = NULL;
    return err;
}

static int
start_target(ThreadObject *self, PyObject *target, PyObject *place)
{
    int native = target != NULL && Py_IS_TYPE(target, self->core->kernel_type) ? runs_target_alone(self) : 0;
    if (native < 0)
        return -1;
    PyObject *keeper;
    struct conc_roster *roster = self->core->roster;
    struct conc_thread_attr attr = {
        .after = leave_roster,
        .after_arg = roster,
        .stack_size = self->stack_size != 0 ? (size_t)self->stack_size : PyThread_get_stacksize(),
        .reuse_stack = true,
        .name = system_name(self, &keeper),
        .detach = conc_detach_python,
    };
    conc_roster_take(roster);
    int err = start_placed(self, &attr, native ? target : NULL, place);
    if (err != 0)
        conc_roster_release(roster);
    Py_XDECREF(keeper);
    return err;
}

/* `claimed` keeps other starters out, and no critical section: others ask for the thread's name and state meanwhile. */
static int
start_listed(ThreadObject *self)
{
    PyObject *target, *place;
    Py_BEGIN_CRITICAL_SECTION(self);
    target = Py_XNewRef(self->target);
    place = Py_XNewRef(self->place);
    Py_END_CRITICAL_SECTION();
    int err = start_target(self, target, place);
    Py_XDECREF(target);
    Py_XDECREF(place);
    return err;
}

PyObject *
conc_thread_start_method(PyObject *op, PyObject *Py_UNUSED(ignored))
{
    ThreadObject *self = ThreadObject_CAST(op);
    if (!self->initialized) {
        PyErr_SetString(PyExc_RuntimeError, "thread.__init__() not called");
        return NULL;
    }
    if (atomic_exchange(&self->claimed, true)) {
        conc_thread_raise_start(-EALREADY);
        return NULL;
    }
    /* Listed before it runs: from then on nothing may fail that somebody must hear of. */
    bool listed = conc_roster_add(self->core->roster, self->thread, self->daemon) == 0;
    if (listed && start_listed(self) == 0)
        Py_RETURN_NONE;
    if (listed)
        conc_roster_remove(self->core->roster, self->thread);
    else
        raise_shutdown();
    atomic_store(&self->claimed, false);
    return NULL;
}
