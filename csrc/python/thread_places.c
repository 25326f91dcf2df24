/* SPDX-License-Identifier: Apache-2.0 */
/* python/thread_places.c - in which lines of Python the threads of an interpreter stand, read in one go. No Python code runs
 * from the look at the frames until they are let go of again: a switch to another thread in between would let a frame end
 * in our hands, and what its locals were would be finalized late, in the wrong thread. */
#include "python/core.h"

#include "os/clock.h"

/* No stack that can be asked for is deeper. */
#define DEEPEST 1000

/* [owned] (file, line, function). */
static PyObject *
line_of(PyFrameObject *frame)
{
    PyCodeObject *code = PyFrame_GetCode(frame);
    PyObject *line = Py_BuildValue("(OiO)", code->co_filename, PyFrame_GetLineNumber(frame), code->co_qualname);
    Py_DECREF(code);
    return line;
}

/* [owned] the innermost `depth` lines of the stack that ends in `frame`, innermost first. */
static PyObject *
stack_of(PyFrameObject *frame, Py_ssize_t depth)
{
    PyObject *stack = PyList_New(0);
    if (stack == NULL)
        return NULL;
    Py_INCREF(frame);
    while (frame != NULL && PyList_GET_SIZE(stack) < depth) {
        PyObject *line = line_of(frame);
        if (line == NULL || PyList_Append(stack, line) < 0) {
            Py_XDECREF(line);
            goto fail;
        }
        Py_DECREF(line);
        Py_SETREF(frame, PyFrame_GetBack(frame));
    }
    Py_XDECREF(frame);
    PyObject *tuple = PyList_AsTuple(stack);
    Py_DECREF(stack);
    return tuple;

fail:
    Py_DECREF(frame);
    Py_DECREF(stack);
    return NULL;
}

/* Appends (native id, stack) for a thread, unless it runs no Python now. 0 or -1. */
static int
append_place(PyObject *places, PyThreadState *tstate, Py_ssize_t depth)
{
    PyFrameObject *frame = PyThreadState_GetFrame(tstate);
    if (frame == NULL)
        return 0;
    PyObject *stack = stack_of(frame, depth);
    Py_DECREF(frame);
    PyObject *place = stack == NULL ? NULL : Py_BuildValue("(kN)", tstate->native_thread_id, stack);
    if (place == NULL)
        return -1;
    int err = PyList_Append(places, place);
    Py_DECREF(place);
    return err;
}

struct look {
    Py_ssize_t depth;
    PyObject *places;           /* [owned] NULL: an exception is set, or it was not called */
};

/* Of this interpreter alone: another one may have a GIL of its own, and run meanwhile. A thread state goes only while its
 * thread, or the one that deletes it, has the GIL, or is not stopped. */
static void
look_at_all(void *raw)
{
    struct look *look = raw;
    PyObject *places = PyList_New(0);
    PyThreadState *own = PyThreadState_Get();
    PyThreadState *tstate = PyInterpreterState_ThreadHead(PyThreadState_GetInterpreter(own));
    for (; places != NULL && tstate != NULL; tstate = PyThreadState_Next(tstate)) {
        if (tstate != own && append_place(places, tstate, look->depth) < 0)
            Py_CLEAR(places);
    }
    look->places = places;
}

PyDoc_STRVAR(thread_places_doc,
"thread_places(depth, /)\n--\n\n"
"(when, cost, [(native id, ((file, line, function), ...)), ...]) of all other threads of this interpreter, each with its\n"
"innermost `depth` lines, innermost first. Times in ns, of the monotonic clock; the cost is for how long the\n"
"interpreter stood still. Without a GIL all threads that run Python are stopped for it.");

static PyObject *
thread_places(PyObject *Py_UNUSED(module), PyObject *argument)
{
    Py_ssize_t depth = PyLong_AsSsize_t(argument);
    if (depth == -1 && PyErr_Occurred())
        return NULL;
    if (depth < 1 || depth > DEEPEST)
        return PyErr_Format(PyExc_ValueError, "depth must be 1 to %d, not %zd", DEEPEST, depth);
    int64_t began_ns = conc_now_ns();
    struct look look = {.depth = depth};
    conc_with_others_stopped(look_at_all, &look);
    if (look.places == NULL)
        return PyErr_Occurred() ? NULL : PyErr_NoMemory();
    return Py_BuildValue("(LLN)", (long long)began_ns, (long long)(conc_now_ns() - began_ns), look.places);
}

static PyMethodDef thread_places_methods[] = {
    {"thread_places", thread_places, METH_O, thread_places_doc},
    {NULL, NULL, 0, NULL},
};

int
conc_thread_places_exec(PyObject *module)
{
    return PyModule_AddFunctions(module, thread_places_methods);
}
