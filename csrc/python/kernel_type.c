/* SPDX-License-Identifier: Apache-2.0 */
/* python/kernel_type.c - see the header. A call from Python runs here, on the calling thread, with the GIL released;
 * actors use the state functions at the end. */
#include "python/kernel_type.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>
#include <structmember.h>

#include "base/alloc.h"
#include "python/attach.h"
#include "python/errors.h"
#include "python/thread_stop.h"

#define SMALL_STATE 512         /* bytes: a state up to this size lives on the stack of the call */

static const char SIGNATURE_END[] = ")\n--\n\n";       /* of a doc, as for built-in functions */

/* -- a call from Python ------------------------------------------------------------------------------------------ */

struct call {
    struct conc_stop stop;      /* first: the poll below gets a pointer to it */
    struct conc_stop *own;      /* of the conc.Thread that calls, whose stop() ends this call as well; or NULL */
    PyThreadState *tstate;      /* the caller's, detached while the kernel runs */
    bool looked;                /* the first poll has asked which thread this is */
};

/* Whether the calling thread runs signal handlers, as far as is known: 1, 0, or -1 with an exception, which may be a
 * handler's, since this runs Python code. threading knows, also after a fork in another thread; where it was never
 * imported there is hardly a second thread, and looking for nothing is harmless. */
static int
handles_signals(void)
{
    int answer = 1;
    PyObject *name = PyUnicode_FromString("threading");
    PyObject *threading = name == NULL ? NULL : PyImport_GetModule(name);
    Py_XDECREF(name);
    if (threading == NULL)
        return PyErr_Occurred() ? -1 : 1;
    PyObject *main_thread = PyObject_CallMethod(threading, "main_thread", NULL);
    Py_DECREF(threading);
    PyObject *ident = main_thread == NULL ? NULL : PyObject_GetAttrString(main_thread, "ident");
    Py_XDECREF(main_thread);
    if (ident != NULL && PyLong_Check(ident))
        answer = PyLong_AsUnsignedLong(ident) == PyThread_get_thread_ident();
    Py_XDECREF(ident);
    return PyErr_Occurred() ? -1 : answer;
}

/* Runs signal handlers in the main thread: true when one raised, and the exception stays set in its thread state. In
 * any other thread it finds that out once and is not called again, so that no kernel waits for the GIL in vain. */
static bool
poll_signals(struct conc_stop *stop)
{
    struct call *call = (struct call *)stop;
    if (call->own != NULL && conc_stop_requested(call->own))
        return true;
    PyEval_RestoreThread(call->tstate);
    bool raised = PyErr_CheckSignals() < 0;     /* does nothing in a thread that handles none */
    if (!raised && !call->looked) {
        int answer = handles_signals();
        raised = answer < 0;
        call->looked = true;
        if (answer == 0)
            stop->poll = NULL;
    }
    call->tstate = PyEval_SaveThread();
    return raised;
}

static PyObject *
run_here(KernelObject *self, void *state)
{
    const struct conc_kernel *kernel = self->binding->core;
    struct call call = {.looked = false};
    conc_stop_init(&call.stop, poll_signals);
    bool answers_signals;
    call.own = conc_stop_of_current_thread(&answers_signals);
    bool own_alone = call.own != NULL && !answers_signals;
    call.tstate = PyEval_SaveThread();
    int err = kernel->run(state, own_alone ? call.own : &call.stop);    /* uses: state, call */
    conc_attach_again(call.tstate);
    if (call.own != NULL && err == -ECANCELED && PyErr_Occurred() == NULL)      /* else a signal handler has raised */
        return conc_raise_thread_stopped("stop() ended a kernel that the target called");
    return conc_kernel_finish(self, state, err);
}

static PyObject *
kernel_vectorcall(PyObject *op, PyObject *const *args, size_t nargsf, PyObject *kwnames)
{
    KernelObject *self = KernelObject_CAST(op);
    const struct conc_kernel *kernel = self->binding->core;
    size_t nargs = (size_t)PyVectorcall_NARGS(nargsf);
    PyObject *value = NULL;
    if (kernel->state_size > SMALL_STATE) {
        void *state = conc_kernel_state_new(self, args, nargs, kwnames);
        if (state == NULL)
            return NULL;
        value = run_here(self, state);
        conc_kernel_state_free(kernel, state);
        return value;
    }

    union {
        max_align_t align;
        unsigned char bytes[SMALL_STATE];
    } small;
    memset(small.bytes, 0, kernel->state_size);
    if (self->binding->parse(self, small.bytes, args, nargs, kwnames) == 0)
        value = run_here(self, small.bytes);
    if (kernel->drop != NULL)
        kernel->drop(small.bytes);
    return value;
}

/* -- the type ---------------------------------------------------------------------------------------------------- */

static PyObject *
kernel_repr(PyObject *op)
{
    KernelObject *self = KernelObject_CAST(op);
    if (self->name != NULL)
        return PyUnicode_FromFormat("<native function %U, %s>", self->name, self->binding->core->name);
    return PyUnicode_FromFormat("<native kernel %s>", self->binding->core->name);
}

static PyObject *
kernel_get_name(PyObject *op, void *Py_UNUSED(closure))
{
    KernelObject *self = KernelObject_CAST(op);
    return self->name != NULL ? Py_NewRef(self->name) : PyUnicode_FromString(self->binding->core->name);
}

static PyObject *
kernel_get_text_signature(PyObject *op, void *Py_UNUSED(closure))
{
    const struct conc_kernel_binding *binding = KernelObject_CAST(op)->binding;
    const char *begin = strchr(binding->doc, '(');
    const char *end = strstr(begin, SIGNATURE_END);
    return PyUnicode_FromStringAndSize(begin, end + 1 - begin);
}

static PyObject *
kernel_doc(const struct conc_kernel_binding *binding)
{
    const char *end = strstr(binding->doc, SIGNATURE_END);
    return PyUnicode_FromString(end + strlen(SIGNATURE_END));
}

/* __module__ and __doc__ of a kernel are not those of its type; as descriptors they would stand in the type's dict, where
 * the type's own belong. */
static PyObject *
kernel_getattro(PyObject *op, PyObject *name)
{
    if (PyUnicode_CompareWithASCIIString(name, "__module__") == 0)
        return PyUnicode_FromString(KernelObject_CAST(op)->name == NULL ? "conc.kernels" : "conc.natives");
    if (PyUnicode_CompareWithASCIIString(name, "__doc__") == 0)
        return kernel_doc(KernelObject_CAST(op)->binding);
    return PyObject_GenericGetAttr(op, name);
}

/* Pickled and copied by reference: a str is the name of a global of __module__. */
static PyObject *
kernel_reduce(PyObject *op, PyObject *Py_UNUSED(ignored))
{
    if (KernelObject_CAST(op)->name != NULL) {
        PyErr_Format(PyExc_TypeError, "cannot pickle %R: its code is in this process alone", op);
        return NULL;
    }
    return kernel_get_name(op, NULL);
}

/* Does not bind, like a static method; with it inspect and pydoc see the routine that a kernel is. */
static PyObject *
kernel_descr_get(PyObject *op, PyObject *Py_UNUSED(instance), PyObject *Py_UNUSED(owner))
{
    return Py_NewRef(op);
}

static int
kernel_traverse(PyObject *op, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(op));
    Py_VISIT(KernelObject_CAST(op)->owner);
    return 0;
}

static void
kernel_dealloc(PyObject *op)
{
    PyTypeObject *type = Py_TYPE(op);
    PyObject_GC_UnTrack(op);
    Py_XDECREF(KernelObject_CAST(op)->name);
    Py_XDECREF(KernelObject_CAST(op)->owner);
    type->tp_free(op);
    Py_DECREF(type);
}

static const PyGetSetDef kernel_getset[] = {
    {"__name__", kernel_get_name, NULL, NULL, NULL},
    {"__qualname__", kernel_get_name, NULL, NULL, NULL},
    {"__text_signature__", kernel_get_text_signature, NULL, NULL, NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static const PyMemberDef kernel_members[] = {
    {"__vectorcalloffset__", T_PYSSIZET, offsetof(KernelObject, vectorcall), READONLY, NULL},
    {NULL, 0, 0, 0, NULL},
};

static PyMethodDef kernel_methods[] = {
    {"__reduce__", kernel_reduce, METH_NOARGS, PyDoc_STR("The kernel's name: it is pickled by reference.")},
    {"__class_getitem__", Py_GenericAlias, METH_O | METH_CLASS, PyDoc_STR("Kernel[[argument, ...], result]")},
    {NULL, NULL, 0, NULL},
};

PyDoc_STRVAR(kernel_type_doc, "A native function of conc.kernels: callable, and a target of every actor.");

static PyType_Slot kernel_slots[] = {
    {Py_tp_doc, (void *)kernel_type_doc},
    {Py_tp_call, PyVectorcall_Call},
    {Py_tp_getattro, kernel_getattro},
    {Py_tp_repr, kernel_repr},
    {Py_tp_descr_get, kernel_descr_get},
    {Py_tp_traverse, kernel_traverse},
    {Py_tp_dealloc, kernel_dealloc},
    {Py_tp_getset, (void *)kernel_getset},
    {Py_tp_members, (void *)kernel_members},
    {Py_tp_methods, kernel_methods},
    {0, NULL},
};

static PyType_Spec kernel_spec = {
    .name = "conc._core.Kernel",
    .basicsize = sizeof(KernelObject),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_HAVE_VECTORCALL | Py_TPFLAGS_IMMUTABLETYPE |
             Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = kernel_slots,
};

int
conc_kernel_type_exec(PyObject *module)
{
    return conc_add_type(module, &conc_core_state(module)->kernel_type, &kernel_spec);
}

/* -- for every actor --------------------------------------------------------------------------------------------- */

PyObject *
conc_kernel_new(CoreState *core, const struct conc_kernel_binding *binding)
{
    return conc_kernel_new_native(core, binding, NULL, NULL, NULL);
}

PyObject *
conc_kernel_new_native(CoreState *core, const struct conc_kernel_binding *binding, void (*function)(void),
                       PyObject *name, PyObject *owner)
{
    KernelObject *self = PyObject_GC_New(KernelObject, core->kernel_type);
    if (self == NULL)
        return NULL;
    self->binding = binding;
    self->vectorcall = kernel_vectorcall;
    self->core = core;
    self->function = function;
    self->name = Py_XNewRef(name);
    self->owner = Py_XNewRef(owner);
    PyObject_GC_Track(self);
    return (PyObject *)self;
}

PyObject *
conc_kernel_finish(KernelObject *kernel, void *state, int err)
{
    const struct conc_kernel_binding *binding = kernel->binding;
    if (PyErr_Occurred())                       /* a signal handler raised: run_here() */
        return NULL;
    if (err == 0)
        return binding->result(kernel->core, state);
    if (err == -ECANCELED || binding->raise == NULL)
        return conc_raise(binding->core->name, err);
    binding->raise(kernel->core, state, err);
    return NULL;
}

void *
conc_kernel_state_new(KernelObject *kernel, PyObject *const *args, size_t nargs, PyObject *kwnames)
{
    const struct conc_kernel_binding *binding = kernel->binding;
    void *state = conc_alloc(binding->core->state_size);
    if (state == NULL) {
        PyErr_NoMemory();
        return NULL;
    }
    if (binding->parse(kernel, state, args, nargs, kwnames) < 0) {
        conc_kernel_state_free(binding->core, state);
        return NULL;
    }
    return state;
}

void
conc_kernel_state_free(const struct conc_kernel *kernel, void *state)
{
    if (kernel->drop != NULL)
        kernel->drop(state);
    conc_free(state);
}
