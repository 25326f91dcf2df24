/* SPDX-License-Identifier: Apache-2.0 */
/* python/thread_kernel.c - a native kernel as a thread's target: parsed in the starter, run by a thread that never
 * attaches, and converted by whoever asks for the result. Only callbacks make the thread attach, when the kernel is done.
 */
#include "python/thread_type.h"

#include <errno.h>

#include "base/alloc.h"
#include "base/refcount.h"
#include "python/attach.h"

/*   RUNNING ──add_done_callback()──> CALL_BACK ──the kernel ends──> OVER          (or RUNNING ──> OVER) */
enum { RUN_RUNNING, RUN_CALL_BACK, RUN_OVER };

/* Shared by the thread that does it and the object that wants its result. In raw memory: the object may go first. */
struct conc_kernel_run {
    struct conc_refcount refs;
    const struct conc_kernel *kernel;
    void *state;
    int err;                            /* of run(); written before RUN_OVER */
    atomic_int phase;
    ThreadObject *owner;                /* owned from RUN_CALL_BACK on, by the thread */
    PyInterpreterState *interp;
    struct conc_roster *roster;         /* owned */
};

void
conc_kernel_run_release(struct conc_kernel_run *run)
{
    if (run == NULL || !conc_ref_drop(&run->refs))
        return;
    conc_kernel_state_free(run->kernel, run->state);
    conc_roster_release(run->roster);
    conc_free(run);
}

/* At the end of the thread's kernel, detached. */
static void
call_back(struct conc_kernel_run *run)
{
    struct conc_attachment attachment;
    if (!conc_roster_enter(run->roster))
        return;                         /* the interpreter goes, and the callbacks with it */
    conc_attachment_wait(&attachment, run->interp);
    conc_attach(&attachment);
    conc_roster_leave(run->roster);     /* not before: CPython's wait for a turn goes on when a subinterpreter is gone */
    ThreadObject *owner = run->owner;
    if (conc_thread_enter_active(owner) < 0)
        PyErr_WriteUnraisable((PyObject *)owner);
    conc_thread_call_back(owner);
    conc_thread_leave_active(owner);
    Py_CLEAR(run->owner);
    conc_attachment_drop(&attachment);
}

static void
kernel_entry(struct conc_thread *thread, void *arg)
{
    struct conc_kernel_run *run = arg;
    run->err = run->kernel->run(run->state, conc_thread_stop(thread));
    if (atomic_exchange(&run->phase, RUN_OVER) == RUN_CALL_BACK)
        call_back(run);
    conc_kernel_run_release(run);
}

bool
conc_thread_kernel_call_back_at_end(ThreadObject *self)
{
    struct conc_kernel_run *run = self->run;
    if (run->owner == NULL && atomic_load(&run->phase) == RUN_RUNNING) {
        run->owner = ThreadObject_CAST(Py_NewRef((PyObject *)self));    /* before the thread may look */
        int phase = RUN_RUNNING;
        if (!atomic_compare_exchange_strong(&run->phase, &phase, RUN_CALL_BACK))
            Py_CLEAR(run->owner);
    }
    return atomic_load(&run->phase) == RUN_CALL_BACK;
}

/* [owned] the values of a call, as vectorcall passes them: positional ones, then keywords' values; *names is NULL or a
 * tuple of the keywords. */
static PyObject **
vector_of(PyObject *args, PyObject *kwargs, Py_ssize_t *count, PyObject **names)
{
    Py_ssize_t positional = PyTuple_GET_SIZE(args);
    Py_ssize_t keywords = kwargs == Py_None ? 0 : PyDict_Size(kwargs);
    PyObject **values = PyMem_New(PyObject *, (size_t)(positional + keywords + 1));
    if (values == NULL) {
        PyErr_NoMemory();
        return NULL;
    }
    for (Py_ssize_t i = 0; i < positional; i++)
        values[i] = PyTuple_GET_ITEM(args, i);
    *count = positional;
    *names = NULL;
    if (keywords == 0)
        return values;
    *names = PyTuple_New(keywords);
    if (*names == NULL) {
        PyMem_Free(values);
        return NULL;
    }
    PyObject *key, *value;
    Py_ssize_t position = 0, i = 0;
    while (i < keywords && PyDict_Next(kwargs, &position, &key, &value)) {
        PyTuple_SET_ITEM(*names, i, Py_NewRef(key));
        values[positional + i++] = value;
    }
    return values;
}

/* [owned] a run of `kernel` with the arguments parsed, for two owners; NULL with an exception. */
static struct conc_kernel_run *
kernel_run_new(ThreadObject *self, KernelObject *kernel)
{
    struct conc_kernel_run *run = conc_alloc(sizeof(*run));
    if (run == NULL) {
        PyErr_NoMemory();
        return NULL;
    }
    PyObject *args, *kwargs, *names = NULL, **values = NULL;
    Py_ssize_t count;
    Py_BEGIN_CRITICAL_SECTION(self);
    args = Py_XNewRef(self->args);
    kwargs = Py_XNewRef(self->kwargs);
    Py_END_CRITICAL_SECTION();
    if (args == NULL || kwargs == NULL)
        PyErr_SetString(PyExc_RuntimeError, "the thread's arguments are gone");
    else if (conc_thread_call_arguments(&args, &kwargs) == 0)
        values = vector_of(args, kwargs, &count, &names);
    if (values != NULL)
        run->state = conc_kernel_state_new(kernel, values, (size_t)count, names);
    PyMem_Free(values);
    Py_XDECREF(names);
    Py_XDECREF(args);
    Py_XDECREF(kwargs);
    if (run->state == NULL) {
        conc_free(run);
        return NULL;
    }
    conc_ref_init(&run->refs);
    conc_ref_take(&run->refs);
    run->kernel = kernel->binding->core;
    run->interp = PyInterpreterState_Get();
    run->roster = self->core->roster;
    conc_roster_take(run->roster);
    return run;
}

/* Before it runs: somebody may ask for its end as soon as it does. */
static void
set_run(ThreadObject *self, KernelObject *kernel, struct conc_kernel_run *run)
{
    Py_BEGIN_CRITICAL_SECTION(self);
    self->kernel = KernelObject_CAST(Py_NewRef((PyObject *)kernel));
    self->run = run;
    if (self->callbacks != NULL)
        (void)conc_thread_kernel_call_back_at_end(self);
    Py_END_CRITICAL_SECTION();
}

/* It never ran. */
static void
take_back_run(ThreadObject *self, struct conc_kernel_run *run)
{
    ThreadObject *owner;
    KernelObject *kernel;
    Py_BEGIN_CRITICAL_SECTION(self);
    owner = run->owner;
    kernel = self->kernel;
    run->owner = NULL;
    self->kernel = NULL;
    self->run = NULL;
    Py_END_CRITICAL_SECTION();
    Py_XDECREF((PyObject *)owner);
    Py_DECREF((PyObject *)kernel);
    conc_kernel_run_release(run);
    conc_kernel_run_release(run);
}

/* What it was made of has been parsed. */
static void
drop_target(ThreadObject *self)
{
    PyObject *target, *args, *kwargs;
    Py_BEGIN_CRITICAL_SECTION(self);
    target = self->target;
    args = self->args;
    kwargs = self->kwargs;
    self->target = self->args = self->kwargs = NULL;
    Py_END_CRITICAL_SECTION();
    Py_XDECREF(target);
    Py_XDECREF(args);
    Py_XDECREF(kwargs);
}

int
conc_thread_start_kernel(ThreadObject *self, KernelObject *kernel, struct conc_thread_attr *attr)
{
    struct conc_kernel_run *run = kernel_run_new(self, kernel);
    if (run == NULL)
        return -1;
    set_run(self, kernel, run);
    attr->block_signals = true;
    attr->entry = kernel_entry;
    attr->arg = run;
    int err = conc_thread_start(self->thread, attr);
    if (err != 0) {
        take_back_run(self, run);
        conc_thread_raise_start(err);
        return -1;
    }
    drop_target(self);
    return 0;
}

enum conc_thread_end
conc_thread_kernel_end(ThreadObject *self)
{
    /* A run is there for good once the thread has begun: before, its start may fail and take it back. */
    if (!conc_thread_has_begun(self->thread) || conc_thread_in_parent(self->thread) || self->run == NULL ||
        atomic_load(&self->run->phase) != RUN_OVER)
        return CONC_THREAD_NOT_ENDED;
    switch (self->run->err) {
    case 0:
        return CONC_THREAD_RETURNED;
    case -ECANCELED:
        return CONC_THREAD_STOPPED;
    default:
        return CONC_THREAD_RAISED;
    }
}

PyObject *
conc_thread_kernel_result(ThreadObject *self)
{
    if (self->run->err == -ECANCELED) {
        PyErr_SetString(self->core->thread_stopped, "stop() ended the kernel");
        return NULL;
    }
    return conc_kernel_finish(self->kernel, self->run->state, self->run->err);
}
