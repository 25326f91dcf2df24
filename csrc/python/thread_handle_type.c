/* SPDX-License-Identifier: Apache-2.0 */
/* python/thread_handle_type.c - conc._core.ThreadHandle: a view of a thread with the methods that threading asks of its
 * own handles since 3.13 (join, is_done, _set_done, ident), made when it asks. */
#include "python/core.h"

#include "python/thread_type.h"

typedef struct {
    PyObject_HEAD
    PyObject *thread;               /* owned; a ThreadObject; constant */
} ThreadHandleObject;

#define ThreadHandleObject_CAST(op) ((ThreadHandleObject *)(op))

static PyObject *
handle_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    static char *keywords[] = {"thread", NULL};
    PyObject *thread;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "O!:ThreadHandle", keywords, conc_core_state_of(type)->thread_type,
                                     &thread))
        return NULL;
    PyObject *self = type->tp_alloc(type, 0);
    if (self != NULL)
        ThreadHandleObject_CAST(self)->thread = Py_NewRef(thread);
    return self;
}

static int
handle_traverse(PyObject *op, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(op));
    Py_VISIT(ThreadHandleObject_CAST(op)->thread);
    return 0;
}

static int
handle_clear(PyObject *op)
{
    Py_CLEAR(ThreadHandleObject_CAST(op)->thread);
    return 0;
}

static void
handle_dealloc(PyObject *op)
{
    PyTypeObject *type = Py_TYPE(op);
    PyObject_GC_UnTrack(op);
    (void)handle_clear(op);
    type->tp_free(op);
    Py_DECREF(type);
}

static PyObject *
handle_join(PyObject *op, PyObject *const *args, Py_ssize_t nargs)
{
    return conc_thread_join_method(ThreadHandleObject_CAST(op)->thread, args, nargs, NULL);
}

static PyObject *
handle_is_done(PyObject *op, PyObject *ignored)
{
    return conc_thread_is_done_method(ThreadHandleObject_CAST(op)->thread, ignored);
}

static PyObject *
handle_set_done(PyObject *Py_UNUSED(op), PyObject *Py_UNUSED(ignored))
{
    Py_RETURN_NONE;
}

static PyObject *
handle_get_ident(PyObject *op, void *Py_UNUSED(closure))
{
    return PyObject_GetAttrString(ThreadHandleObject_CAST(op)->thread, "ident");
}

static PyGetSetDef handle_getset[] = {
    {"ident", handle_get_ident, NULL, PyDoc_STR("What threading.get_ident() returns in the thread; None before start."),
     NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyMethodDef handle_methods[] = {
    {"join", (PyCFunction)(void (*)(void))handle_join, METH_FASTCALL,
     PyDoc_STR("join($self, timeout=None, /)\n--\n\nWait for the end of the thread, at most timeout seconds.")},
    {"is_done", handle_is_done, METH_NOARGS,
     PyDoc_STR("is_done($self, /)\n--\n\nWhether the thread has been started and has ended.")},
    {"_set_done", handle_set_done, METH_NOARGS,
     PyDoc_STR("_set_done($self, /)\n--\n\n"
               "For threading, after a fork: does nothing, since a thread knows by itself that it stayed in the parent.")},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot handle_slots[] = {
    {Py_tp_doc, (void *)PyDoc_STR("ThreadHandle(thread)\n--\n\nA conc thread as threading's own handles are.")},
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
