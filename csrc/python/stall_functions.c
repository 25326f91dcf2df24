/* SPDX-License-Identifier: Apache-2.0 */
/* python/stall_functions.c - what a guard against stalls asks of frames and signals. */
#include "python/core.h"

#include "os/signal_self.h"

PyDoc_STRVAR(free_signal_doc, "free_signal($module, /)\n--\n\nA real-time signal that nobody handles; None: all are taken.");

static PyObject *
core_free_signal(PyObject *Py_UNUSED(module), PyObject *Py_UNUSED(ignored))
{
    int number = conc_signal_free();
    if (number < 0)
        Py_RETURN_NONE;
    return PyLong_FromLong(number);
}

PyDoc_STRVAR(frames_doc,
"other_frames($module, /)\n--\n\n"
"{thread identifier: innermost frame} of this interpreter's other threads. Those of sys._current_frames() may belong to an\n"
"interpreter whose GIL the caller has not, and the caller's own would hold what it is held by. Not for a build without\n"
"the GIL.");

/* The list's threads come and go with the GIL held: new ones, which need it not, before the first. */
static PyObject *
core_other_frames(PyObject *Py_UNUSED(module), PyObject *Py_UNUSED(ignored))
{
    PyObject *frames = PyDict_New();
    PyThreadState *tstate = PyInterpreterState_ThreadHead(PyInterpreterState_Get());
    for (; frames != NULL && tstate != NULL; tstate = PyThreadState_Next(tstate)) {
        PyObject *frame = tstate == PyThreadState_Get() ? NULL : (PyObject *)PyThreadState_GetFrame(tstate);
        if (frame == NULL) {
            PyErr_Clear();              /* it runs no Python now, or there is no memory for the frame */
            continue;
        }
        PyObject *ident = PyLong_FromUnsignedLong(tstate->thread_id);
        if (ident == NULL || PyDict_SetItem(frames, ident, frame) < 0)
            Py_CLEAR(frames);
        Py_XDECREF(ident);
        Py_DECREF(frame);
    }
    return frames;
}

static PyMethodDef stall_methods[] = {
    {"other_frames", core_other_frames, METH_NOARGS, frames_doc},
    {"free_signal", core_free_signal, METH_NOARGS, free_signal_doc},
    {NULL, NULL, 0, NULL},
};

int
conc_stall_functions_exec(PyObject *module)
{
    return PyModule_AddFunctions(module, stall_methods);
}
