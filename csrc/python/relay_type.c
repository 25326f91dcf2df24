/* SPDX-License-Identifier: Apache-2.0 */
/* python/relay_type.c - conc._core.Relay: talk to a child over its pipes (ipc/relay.h). */
#include "python/core.h"

#include <errno.h>
#include <stdbool.h>

#include "ipc/relay.h"
#include "python/errors.h"
#include "python/wait.h"

typedef struct {
    PyObject_HEAD
    struct conc_relay relay;            /* of the thread that set busy */
    Py_buffer input;                    /* constant; .obj is NULL without input */
    bool busy;                          /* by the critical section */
} RelayObject;

#define RelayObject_CAST(op) ((RelayObject *)(op))

static int
relay_traverse(PyObject *op, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(op));
    Py_VISIT(RelayObject_CAST(op)->input.obj);
    return 0;
}

static void
relay_dealloc(PyObject *op)
{
    PyTypeObject *type = Py_TYPE(op);
    PyObject_GC_UnTrack(op);
    conc_relay_clear(&RelayObject_CAST(op)->relay);
    PyBuffer_Release(&RelayObject_CAST(op)->input);
    type->tp_free(op);
    Py_DECREF(type);
}

static PyObject *
relay_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    static char *keywords[] = {"stdin", "stdout", "stderr", "input", NULL};
    int fd[CONC_RELAY_STREAMS];
    PyObject *input = Py_None;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "iii|O:Relay", keywords, &fd[0], &fd[1], &fd[2], &input))
        return NULL;
    RelayObject *self = (RelayObject *)type->tp_alloc(type, 0);
    if (self == NULL)
        return NULL;
    if (input != Py_None && PyObject_GetBuffer(input, &self->input, PyBUF_SIMPLE) < 0) {
        Py_DECREF(self);
        return NULL;
    }
    conc_relay_init(&self->relay, fd, self->input.buf, (size_t)self->input.len);
    return (PyObject *)self;
}

/* Whether the caller now owns the relay; else RuntimeError. */
static bool
relay_claim(PyObject *op)
{
    bool was_busy;
    Py_BEGIN_CRITICAL_SECTION(op);
    was_busy = RelayObject_CAST(op)->busy;
    RelayObject_CAST(op)->busy = true;
    Py_END_CRITICAL_SECTION();
    if (was_busy)
        PyErr_SetString(PyExc_RuntimeError, "another thread is communicating with this child");
    return !was_busy;
}

static void
relay_yield(PyObject *op)
{
    Py_BEGIN_CRITICAL_SECTION(op);
    RelayObject_CAST(op)->busy = false;
    Py_END_CRITICAL_SECTION();
}

static int
run_relay(void *relay, int64_t until_ns)
{
    return conc_relay_run(relay, until_ns);
}

PyDoc_STRVAR(run_doc,
"run($self, deadline, /)\n--\n\n"
"Move bytes until a stream ends: the set of those that did (1 << 0, 1, 2), for the caller to close; 0 when none is\n"
"left; None at the deadline.");

static PyObject *
relay_run(PyObject *op, PyObject *arg)
{
    int64_t deadline_ns = PyLong_AsLongLong(arg);
    if (deadline_ns == -1 && PyErr_Occurred())
        return NULL;
    if (!relay_claim(op))
        return NULL;
    int result = conc_wait(run_relay, &RelayObject_CAST(op)->relay, deadline_ns);
    relay_yield(op);
    if (result == -EINTR)
        return NULL;
    if (result == -ETIMEDOUT)
        Py_RETURN_NONE;
    if (result < 0)
        return conc_raise("communicate with child process", result);
    return PyLong_FromLong(result);
}

PyDoc_STRVAR(text_doc, "text($self, stream, /)\n--\n\nWhat stream 1 or 2 has said until now.");

static PyObject *
relay_text(PyObject *op, PyObject *arg)
{
    long stream = PyLong_AsLong(arg);
    if (stream == -1 && PyErr_Occurred())
        return NULL;
    if (stream != CONC_RELAY_OUT && stream != CONC_RELAY_ERR)
        return PyErr_Format(PyExc_ValueError, "stream must be 1 or 2, not %ld", stream);
    if (!relay_claim(op))
        return NULL;
    const struct conc_relay_text *text = &RelayObject_CAST(op)->relay.text[stream];
    PyObject *bytes = PyBytes_FromStringAndSize(text->bytes, (Py_ssize_t)text->size);
    relay_yield(op);
    return bytes;
}

static PyMethodDef relay_methods[] = {
    {"run", relay_run, METH_O, run_doc},
    {"text", relay_text, METH_O, text_doc},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot relay_slots[] = {
    {Py_tp_doc, PyDoc_STR("Relay(stdin, stdout, stderr, input=None)\n--\n\n"
                          "Feeds and reads three descriptors at once; -1 for none.")},
    {Py_tp_new, relay_new},
    {Py_tp_traverse, relay_traverse},
    {Py_tp_dealloc, relay_dealloc},
    {Py_tp_methods, relay_methods},
    {0, NULL},
};

static PyType_Spec relay_spec = {
    .name = "conc._core.Relay",
    .basicsize = sizeof(RelayObject),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = relay_slots,
};

int
conc_relay_exec(PyObject *module)
{
    return conc_add_type(module, &conc_core_state(module)->relay_type, &relay_spec);
}
