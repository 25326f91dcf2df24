/* SPDX-License-Identifier: Apache-2.0 */
/* python/thread_handle_type.c - conc._core.ThreadHandle: a struct conc_thread for Python. It has the methods that
 * threading asks of its own handles (join, is_done, _set_done, ident), so that it can stand in their place.
 *
 * What the native thread needs while it runs is in one struct in raw memory; it never touches the ThreadHandle, which
 * may be gone by then.
 */
#include "python/core.h"

#include <errno.h>

#include "base/alloc.h"
#include "base/refcount.h"
#include "os/clock.h"
#include "python/attach.h"
#include "python/convert.h"
#include "python/errors.h"
#include "python/kernel_type.h"
#include "python/wait.h"
#include "sched/thread.h"

/* A kernel's run, shared by the thread that does it and the handle that wants its result. */
struct kernel_run {
    struct conc_refcount refs;
    const struct conc_kernel *kernel;
    void *state;
    int err;                            /* of run(); written before the thread's end */
};

typedef struct {
    PyObject_HEAD
    struct conc_thread *thread;         /* owned; constant */
    CoreState *core;                    /* borrowed: the type keeps the module alive */
    KernelObject *kernel;               /* owned; NULL unless started with one */
    struct kernel_run *run;             /* a reference; NULL likewise */
} ThreadHandleObject;

#define ThreadHandleObject_CAST(op) ((ThreadHandleObject *)(op))

static void
kernel_run_release(struct kernel_run *run)
{
    if (run == NULL || !conc_ref_drop(&run->refs))
        return;
    conc_kernel_state_free(run->kernel, run->state);
    conc_free(run);
}

static PyObject *
handle_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    static char *keywords[] = {NULL};
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, ":ThreadHandle", keywords))
        return NULL;
    ThreadHandleObject *self = ThreadHandleObject_CAST(type->tp_alloc(type, 0));
    if (self == NULL)
        return NULL;
    self->core = conc_core_state_of(type);
    int err = conc_thread_create(&self->thread);
    if (err != 0) {
        Py_DECREF(self);
        return conc_raise("make a thread handle", err);
    }
    return (PyObject *)self;
}

static int
handle_traverse(PyObject *op, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(op));
    Py_VISIT(ThreadHandleObject_CAST(op)->kernel);
    return 0;
}

static int
handle_clear(PyObject *op)
{
    Py_CLEAR(ThreadHandleObject_CAST(op)->kernel);
    return 0;
}

static void
handle_dealloc(PyObject *op)
{
    ThreadHandleObject *self = ThreadHandleObject_CAST(op);
    PyTypeObject *type = Py_TYPE(op);
    PyObject_GC_UnTrack(op);
    (void)handle_clear(op);
    kernel_run_release(self->run);
    if (self->thread != NULL)
        conc_thread_release(self->thread);
    type->tp_free(op);
    Py_DECREF(type);
}

static PyObject *
raise_start(int err)
{
    if (err == -EALREADY) {
        PyErr_SetString(PyExc_RuntimeError, "threads can only be started once");
        return NULL;
    }
    if (err == -EAGAIN) {
        PyErr_SetString(PyExc_RuntimeError,
                        "can't start new thread: the system has no more threads to give (see ulimit -u and the cgroup's "
                        "pids.max)");
        return NULL;
    }
    return conc_raise("start a native thread", err);
}

/* ---- a Python callable -------------------------------------------------------------------------------------------- */

struct call {
    PyInterpreterState *interp;         /* alive until begun: start() waits; then by the thread state */
    PyObject *function;                 /* owned */
};

static int
call_entry(struct conc_thread *thread, void *arg)
{
    struct call call = *(struct call *)arg;
    struct conc_attachment attachment;
    int err = conc_attachment_make(&attachment, call.interp);
    conc_thread_begun(thread, err);     /* from here on `arg` is gone */
    if (err != 0)
        return err;
    conc_attach(&attachment);
    PyObject *result = PyObject_CallNoArgs(call.function);
    if (result == NULL)
        PyErr_WriteUnraisable(call.function);
    Py_XDECREF(result);
    Py_DECREF(call.function);
    conc_attachment_drop(&attachment);
    return 0;
}

PyDoc_STRVAR(start_doc,
"start($self, function, stack_size=0, /)\n--\n\n"
"Run function() in a new native thread that is attached to this interpreter; stack_size in bytes, 0 for the default.\n\n"
"Returns when the thread has begun; ident and native_id are known then.");

static PyObject *
handle_start(PyObject *op, PyObject *args)
{
    PyObject *function;
    Py_ssize_t stack_size = 0;
    if (!PyArg_ParseTuple(args, "O|n:start", &function, &stack_size))
        return NULL;
    struct call call = {PyInterpreterState_Get(), Py_NewRef(function)};
    const struct conc_thread_attr attr = {
        .stack_size = (size_t)stack_size,
        .entry = call_entry,
        .arg = &call,
        .detach = conc_detach_python,
    };
    int err = conc_thread_start(ThreadHandleObject_CAST(op)->thread, &attr);
    if (err != 0) {
        Py_DECREF(function);
        return raise_start(err);
    }
    Py_RETURN_NONE;
}

/* ---- a kernel ------------------------------------------------------------------------------------------------------ */

static int
kernel_entry(struct conc_thread *thread, void *arg)
{
    struct kernel_run *run = arg;
    conc_thread_begun(thread, 0);
    run->err = run->kernel->run(run->state, conc_thread_stop(thread));
    kernel_run_release(run);
    return 0;
}

/* [owned] a run of `kernel` with the arguments parsed, or NULL with an exception. */
static struct kernel_run *
kernel_run_new(KernelObject *kernel, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    struct kernel_run *run = conc_alloc(sizeof(*run));
    if (run == NULL) {
        PyErr_NoMemory();
        return NULL;
    }
    conc_ref_init(&run->refs);
    run->kernel = kernel->binding->core;
    run->state = conc_kernel_state_new(kernel, args, (size_t)nargs, kwnames);
    if (run->state == NULL) {
        conc_free(run);
        return NULL;
    }
    return run;
}

static PyObject *
start_kernel_locked(ThreadHandleObject *self, KernelObject *kernel, struct kernel_run *run)
{
    conc_ref_take(&run->refs);          /* the thread's */
    const struct conc_thread_attr attr = {.block_signals = true, .entry = kernel_entry, .arg = run};
    int err = conc_thread_start(self->thread, &attr);
    if (err != 0) {
        kernel_run_release(run);
        kernel_run_release(run);
        return raise_start(err);
    }
    self->kernel = (KernelObject *)Py_NewRef((PyObject *)kernel);
    self->run = run;
    Py_RETURN_NONE;
}

PyDoc_STRVAR(start_kernel_doc,
"start_kernel($self, kernel, /, *args, **kwargs)\n--\n\n"
"Run kernel(*args, **kwargs) in a new thread that never attaches to the interpreter.");

static PyObject *
handle_start_kernel(PyObject *op, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    ThreadHandleObject *self = ThreadHandleObject_CAST(op);
    if (nargs == 0 || !Py_IS_TYPE(args[0], self->core->kernel_type)) {
        PyErr_SetString(PyExc_TypeError, "start_kernel() needs a Kernel as its first argument");
        return NULL;
    }
    KernelObject *kernel = KernelObject_CAST(args[0]);
    struct kernel_run *run = kernel_run_new(kernel, args + 1, nargs - 1, kwnames);
    if (run == NULL)
        return NULL;
    PyObject *result;
    Py_BEGIN_CRITICAL_SECTION(op);
    result = start_kernel_locked(self, kernel, run);
    Py_END_CRITICAL_SECTION();
    return result;
}

PyDoc_STRVAR(kernel_result_doc,
"kernel_result($self, /)\n--\n\n"
"What the kernel returned, or its exception raised; only after the end of a thread started with start_kernel().");

static PyObject *
kernel_result_locked(ThreadHandleObject *self)
{
    if (self->run == NULL || !conc_thread_has_ended(self->thread)) {
        PyErr_SetString(PyExc_RuntimeError, "no kernel has ended in this thread");
        return NULL;
    }
    if (conc_thread_in_parent(self->thread)) {
        PyErr_SetString(PyExc_RuntimeError, "the thread runs in the process that this one was forked from");
        return NULL;
    }
    return conc_kernel_finish(self->kernel, self->run->state, self->run->err);
}

static PyObject *
handle_kernel_result(PyObject *op, PyObject *Py_UNUSED(ignored))
{
    PyObject *result;
    Py_BEGIN_CRITICAL_SECTION(op);
    result = kernel_result_locked(ThreadHandleObject_CAST(op));
    Py_END_CRITICAL_SECTION();
    return result;
}

/* ---- its end, and what is known of it ------------------------------------------------------------------------------ */

static int
wait_thread(void *thread, int64_t deadline_ns)
{
    return conc_thread_wait(thread, deadline_ns);
}

PyDoc_STRVAR(join_doc,
"join($self, timeout=None, /)\n--\n\n"
"Wait for the end of the thread; whether it has ended. A negative timeout counts as 0.");

static PyObject *
handle_join(PyObject *op, PyObject *const *args, Py_ssize_t nargs)
{
    int64_t deadline;
    if (nargs > 1) {
        PyErr_Format(PyExc_TypeError, "join() takes at most 1 argument (%zd given)", nargs);
        return NULL;
    }
    if (conc_parse_timeout(nargs == 0 ? NULL : args[0], &deadline) < 0)
        return NULL;
    int err = conc_wait(wait_thread, ThreadHandleObject_CAST(op)->thread, deadline);
    switch (err) {
    case 0:
        Py_RETURN_TRUE;
    case -ETIMEDOUT:
        Py_RETURN_FALSE;
    case -EINTR:
        return NULL;
    case -EINVAL:
        PyErr_SetString(PyExc_RuntimeError, "cannot join thread before it is started");
        return NULL;
    default:
        return conc_raise("wait for a thread", err);
    }
}

PyDoc_STRVAR(is_done_doc, "is_done($self, /)\n--\n\nWhether the thread has been started and has ended.");

static PyObject *
handle_is_done(PyObject *op, PyObject *Py_UNUSED(ignored))
{
    return PyBool_FromLong(conc_thread_has_ended(ThreadHandleObject_CAST(op)->thread));
}

PyDoc_STRVAR(set_done_doc,
"_set_done($self, /)\n--\n\n"
"For threading, after a fork: does nothing, since a handle knows by itself that its thread stayed in the parent.");

static PyObject *
handle_set_done(PyObject *Py_UNUSED(op), PyObject *Py_UNUSED(ignored))
{
    Py_RETURN_NONE;
}

PyDoc_STRVAR(survived_fork_doc,
"survived_fork($self, /)\n--\n\nSay in the child of a fork that the calling thread is this one.");

static PyObject *
handle_survived_fork(PyObject *op, PyObject *Py_UNUSED(ignored))
{
    conc_thread_survived_fork(ThreadHandleObject_CAST(op)->thread);
    Py_RETURN_NONE;
}

PyDoc_STRVAR(request_stop_doc,
"request_stop($self, /)\n--\n\nAsk the kernel that runs in the thread to end soon.");

static PyObject *
handle_request_stop(PyObject *op, PyObject *Py_UNUSED(ignored))
{
    conc_stop_request(conc_thread_stop(ThreadHandleObject_CAST(op)->thread));
    Py_RETURN_NONE;
}

PyDoc_STRVAR(state_doc,
"state($self, /)\n--\n\n"
"What the thread does at this moment, as the kernel sees it: the value of a conc.ThreadState, or None before start().");

static PyObject *
handle_state(PyObject *op, PyObject *Py_UNUSED(ignored))
{
    enum conc_task_state state;
    int err = conc_thread_read_state(ThreadHandleObject_CAST(op)->thread, &state);
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

static PyObject *
handle_get_ident(PyObject *op, void *Py_UNUSED(closure))
{
    struct conc_thread *thread = ThreadHandleObject_CAST(op)->thread;
    if (!conc_thread_has_begun(thread))
        Py_RETURN_NONE;
    return PyLong_FromUnsignedLong(conc_thread_ident(thread));
}

static PyObject *
handle_get_native_id(PyObject *op, void *Py_UNUSED(closure))
{
    struct conc_thread *thread = ThreadHandleObject_CAST(op)->thread;
    if (!conc_thread_has_begun(thread) || conc_thread_native_id(thread) < 0)
        Py_RETURN_NONE;
    return PyLong_FromLong(conc_thread_native_id(thread));
}

static PyGetSetDef handle_getset[] = {
    {"ident", handle_get_ident, NULL, PyDoc_STR("What threading.get_ident() returns in the thread; None before start."),
     NULL},
    {"native_id", handle_get_native_id, NULL, PyDoc_STR("The kernel's id of the thread; None before start."), NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyMethodDef handle_methods[] = {
    {"start", handle_start, METH_VARARGS, start_doc},
    {"start_kernel", (PyCFunction)(void (*)(void))handle_start_kernel, METH_FASTCALL | METH_KEYWORDS, start_kernel_doc},
    {"kernel_result", handle_kernel_result, METH_NOARGS, kernel_result_doc},
    {"join", (PyCFunction)(void (*)(void))handle_join, METH_FASTCALL, join_doc},
    {"is_done", handle_is_done, METH_NOARGS, is_done_doc},
    {"_set_done", handle_set_done, METH_NOARGS, set_done_doc},
    {"survived_fork", handle_survived_fork, METH_NOARGS, survived_fork_doc},
    {"request_stop", handle_request_stop, METH_NOARGS, request_stop_doc},
    {"state", handle_state, METH_NOARGS, state_doc},
    {NULL, NULL, 0, NULL},
};

PyDoc_STRVAR(handle_doc,
"ThreadHandle()\n--\n\n"
"One native thread. It holds no thread, stack or descriptor before it is started.");

static PyType_Slot handle_slots[] = {
    {Py_tp_doc, (void *)handle_doc},
    {Py_tp_new, handle_new},
    {Py_tp_traverse, handle_traverse},
    {Py_tp_clear, handle_clear},
    {Py_tp_dealloc, handle_dealloc},
    {Py_tp_methods, handle_methods},
    {Py_tp_getset, handle_getset},
    {0, NULL},
};

static PyType_Spec handle_spec = {
    .name = "conc._core.ThreadHandle",
    .basicsize = sizeof(ThreadHandleObject),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = handle_slots,
};

int
conc_thread_handle_exec(PyObject *module)
{
    return conc_add_type(module, &conc_core_state(module)->thread_handle_type, &handle_spec);
}
