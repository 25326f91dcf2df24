/* SPDX-License-Identifier: Apache-2.0 */
/* python/gil_reader_type.c - conc._core.GilReader: watch/gil.h for Python. */
#include "python/core.h"

#include "python/errors.h"
#include "python/gil_layout.h"
#include "watch/gil.h"

typedef struct {
    PyObject_HEAD
    struct conc_gil_reader *reader;     /* owned; used under the object's critical section */
} GilReaderObject;

#define GilReaderObject_CAST(op) ((GilReaderObject *)(op))

static PyObject *
gil_reader_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    static char *keywords[] = {"pid", "layout", NULL};
    int pid;
    PyObject *bytes;
    struct conc_gil_layout layout;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "iO:GilReader", keywords, &pid, &bytes) ||
        conc_gil_layout_from_bytes(bytes, &layout) < 0)
        return NULL;
    GilReaderObject *self = GilReaderObject_CAST(type->tp_alloc(type, 0));
    if (self == NULL)
        return NULL;
    int err = conc_gil_reader_open(&self->reader, pid, &layout);
    if (err < 0) {
        Py_DECREF(self);
        return conc_raise("read where the process keeps its GIL", err);
    }
    return (PyObject *)self;
}

static void
gil_reader_dealloc(PyObject *op)
{
    PyTypeObject *type = Py_TYPE(op);
    conc_gil_reader_close(GilReaderObject_CAST(op)->reader);
    type->tp_free(op);
    Py_DECREF(type);
}

PyDoc_STRVAR(read_doc,
"read($self, /)\n--\n\n"
"One tuple for each GIL, the oldest interpreter's first: (interpreter, enabled, locked, holder, switches). `holder` is the\n"
"native id of the thread that has it, None where that is not known or nobody has it.");

static PyObject *
gil_reader_read(PyObject *op, PyObject *Py_UNUSED(ignored))
{
    struct conc_gil_sample samples[CONC_GIL_LOCKS];
    int count;
    Py_BEGIN_CRITICAL_SECTION(op);
    count = conc_gil_reader_read(GilReaderObject_CAST(op)->reader, samples, CONC_GIL_LOCKS);
    Py_END_CRITICAL_SECTION();
    if (count < 0)
        return conc_raise("read who has the GIL", count);
    PyObject *list = PyList_New(count);
    for (int i = 0; list != NULL && i < count; i++) {
        const struct conc_gil_sample *sample = &samples[i];
        PyObject *holder = sample->holder_tid > 0 ? PyLong_FromLong(sample->holder_tid) : Py_NewRef(Py_None);
        PyObject *item = Py_BuildValue("(LNNNK)", (long long)sample->interpreter, PyBool_FromLong(sample->enabled),
                                       PyBool_FromLong(sample->locked), holder, (unsigned long long)sample->switches);
        if (item == NULL)
            Py_CLEAR(list);
        else
            PyList_SET_ITEM(list, i, item);
    }
    return list;
}

PyDoc_STRVAR(refresh_doc,
"refresh($self, /)\n--\n\n"
"Looks anew which interpreters there are.");

static PyObject *
gil_reader_refresh(PyObject *op, PyObject *Py_UNUSED(ignored))
{
    int err;
    Py_BEGIN_CRITICAL_SECTION(op);
    err = conc_gil_reader_refresh(GilReaderObject_CAST(op)->reader);
    Py_END_CRITICAL_SECTION();
    if (err < 0)
        return conc_raise("read where the process keeps its GIL", err);
    Py_RETURN_NONE;
}

PyDoc_STRVAR(interpreter_at_doc,
"interpreter_at($self, address, /)\n--\n\n"
"The interpreter for whose GIL a thread waits that waits at this address; None when it is another lock's.");

static PyObject *
gil_reader_interpreter_at(PyObject *op, PyObject *value)
{
    unsigned long long address = PyLong_AsUnsignedLongLong(value);
    if (address == (unsigned long long)-1 && PyErr_Occurred())
        return NULL;
    int64_t interpreter;
    bool found;
    Py_BEGIN_CRITICAL_SECTION(op);
    found = conc_gil_reader_is_gil_address(GilReaderObject_CAST(op)->reader, address, &interpreter);
    Py_END_CRITICAL_SECTION();
    return found ? PyLong_FromLongLong(interpreter) : Py_NewRef(Py_None);
}

static PyMethodDef gil_reader_methods[] = {
    {"read", gil_reader_read, METH_NOARGS, read_doc},
    {"refresh", gil_reader_refresh, METH_NOARGS, refresh_doc},
    {"interpreter_at", gil_reader_interpreter_at, METH_O, interpreter_at_doc},
    {NULL, NULL, 0, NULL},
};

PyDoc_STRVAR(gil_reader_doc,
"GilReader(pid, layout)\n--\n\n"
"Reads who has the GIL in a process, 0 for this one. OSError: no such process, or no right to read its memory.");

static PyType_Slot gil_reader_slots[] = {
    {Py_tp_doc, (void *)gil_reader_doc},
    {Py_tp_new, gil_reader_new},
    {Py_tp_dealloc, gil_reader_dealloc},
    {Py_tp_methods, gil_reader_methods},
    {0, NULL},
};

static PyType_Spec gil_reader_spec = {
    .name = "conc._core.GilReader",
    .basicsize = sizeof(GilReaderObject),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = gil_reader_slots,
};

int
conc_gil_reader_exec(PyObject *module)
{
    return conc_add_type(module, &conc_core_state(module)->gil_reader_type, &gil_reader_spec);
}
