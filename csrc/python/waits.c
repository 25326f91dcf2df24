/* SPDX-License-Identifier: Apache-2.0 */
/* python/waits.c - see the header. The list is a dict, so that free-threaded builds need no lock of ours. */
#include "python/waits.h"

#include "os/clock.h"

/* [owned] the calling thread's key when it is listed; NULL when it is not, which only leaves a deadlock unseen. */
static PyObject *
enter(CoreState *core, PyObject *wait_for)
{
    PyObject *ident = PyLong_FromUnsignedLong(PyThread_get_thread_ident());
    if (ident == NULL || PyDict_SetItem(core->waits, ident, wait_for) < 0) {
        PyErr_Clear();
        Py_CLEAR(ident);
    }
    return ident;
}

static void
leave(CoreState *core, PyObject *ident)
{
    PyObject *error = PyErr_Occurred() ? conc_take_exception() : NULL;
    if (PyDict_DelItem(core->waits, ident) < 0)
        PyErr_Clear();                  /* a signal's handler waited, too, and was listed in our place */
    Py_DECREF(ident);
    if (error != NULL)
        conc_restore_exception(error);
}

int
conc_wait_listed(CoreState *core, PyObject *wait_for, conc_wait_fn wait, void *object, int64_t deadline_ns)
{
    if (deadline_ns != CONC_FOREVER || atomic_load_explicit(&core->waits_wanted, memory_order_relaxed) == 0)
        return conc_wait(wait, object, deadline_ns);
    PyObject *ident = enter(core, wait_for);
    int err = conc_wait(wait, object, deadline_ns);
    if (ident != NULL)
        leave(core, ident);
    return err;
}

PyDoc_STRVAR(want_doc,
"want_waits($module, more, /)\n--\n\n"
"Add `more` (1 or -1) to those who want to know who waits for whom: the dict, thread identifier -> Thread or Future.");

static PyObject *
core_want_waits(PyObject *module, PyObject *arg)
{
    CoreState *core = conc_core_state(module);
    int more = (int)PyLong_AsLong(arg);
    if (more == -1 && PyErr_Occurred())
        return NULL;
    (void)atomic_fetch_add_explicit(&core->waits_wanted, more, memory_order_relaxed);
    return Py_NewRef(core->waits);
}

static PyMethodDef waits_methods[] = {
    {"want_waits", core_want_waits, METH_O, want_doc},
    {NULL, NULL, 0, NULL},
};

int
conc_waits_exec(PyObject *module)
{
    CoreState *core = conc_core_state(module);
    core->waits = PyDict_New();
    return core->waits == NULL ? -1 : PyModule_AddFunctions(module, waits_methods);
}
