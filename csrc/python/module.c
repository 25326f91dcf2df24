/* SPDX-License-Identifier: Apache-2.0 */
/* python/module.c - assembles conc._core: state, slots, and the parts that the other files add. */
#include "python/core.h"

#include "os/registry.h"
#include "python/errors.h"

int
conc_add_type(PyObject *module, PyTypeObject **slot, PyType_Spec *spec)
{
    *slot = (PyTypeObject *)PyType_FromModuleAndSpec(module, spec, NULL);
    if (*slot == NULL && !PyErr_Occurred())
        PyErr_NoMemory();               /* 3.12 says nothing when there is no memory for the type's name */
    return *slot == NULL ? -1 : PyModule_AddType(module, *slot);
}

static int
core_exec(PyObject *module)
{
    int err = conc_registry_init();
    if (err != 0) {
        conc_raise("install conc's fork handlers", err);
        return -1;
    }
    int (*const parts[])(PyObject *) = {
        conc_kernel_type_exec,
        conc_kernels_exec,
        conc_thread_module_exec,
        conc_thread_type_exec,
        conc_thread_handle_exec,
        conc_thread_places_exec,
        conc_future_exec,
        conc_pool_exec,
        conc_native_exec,
        conc_batch_exec,
        conc_call_batch_exec,
        conc_child_exec,
        conc_process_children_exec,
        conc_task_look_exec,
        conc_relay_exec,
        conc_memory_exec,
        conc_arena_exec,
        conc_gil_exec,
        conc_gil_reader_exec,
        conc_watcher_exec,
        conc_waits_exec,
        conc_stall_exec,
        conc_stall_functions_exec,
        NULL,
    };
    for (size_t i = 0; parts[i] != NULL; i++) {
        if (parts[i](module) < 0)
            return -1;
    }
    return 0;
}

static int
core_traverse(PyObject *module, visitproc visit, void *arg)
{
    CoreState *state = conc_core_state(module);
    Py_VISIT(state->kernel_type);
    Py_VISIT(state->thread_type);
    Py_VISIT(state->thread_handle_type);
    Py_VISIT(state->future_state_type);
    Py_VISIT(state->pool_type);
    Py_VISIT(state->batch_type);
    Py_VISIT(state->call_batch_type);
    Py_VISIT(state->child_handle_type);
    Py_VISIT(state->relay_type);
    Py_VISIT(state->arena_type);
    Py_VISIT(state->gil_reader_type);
    Py_VISIT(state->watcher_type);
    Py_VISIT(state->stall_watch_type);
    Py_VISIT(state->waits);
    Py_VISIT(state->threading);
    Py_VISIT(state->report_exception);
    Py_VISIT(state->do_nothing);
    Py_VISIT(state->resolve_place);
    Py_VISIT(state->thread_stopped);
    Py_VISIT(state->str_active);
    Py_VISIT(state->str_counter);
    Py_VISIT(state->str_current_thread);
    Py_VISIT(state->str_daemon);
    Py_VISIT(state->str_name);
    Py_VISIT(state->str_run);
    Py_VISIT(state->str_trace_hook);
    Py_VISIT(state->str_profile_hook);
    Py_VISIT(state->str_starter);
    Py_VISIT(state->str_sys);
    Py_VISIT(state->str_stderr);
    return 0;
}

static int
core_clear(PyObject *module)
{
    CoreState *state = conc_core_state(module);
    Py_CLEAR(state->kernel_type);
    Py_CLEAR(state->thread_type);
    Py_CLEAR(state->thread_handle_type);
    Py_CLEAR(state->future_state_type);
    Py_CLEAR(state->pool_type);
    Py_CLEAR(state->batch_type);
    Py_CLEAR(state->call_batch_type);
    Py_CLEAR(state->child_handle_type);
    Py_CLEAR(state->relay_type);
    Py_CLEAR(state->arena_type);
    Py_CLEAR(state->gil_reader_type);
    Py_CLEAR(state->watcher_type);
    Py_CLEAR(state->stall_watch_type);
    Py_CLEAR(state->waits);
    Py_CLEAR(state->threading);
    Py_CLEAR(state->report_exception);
    Py_CLEAR(state->do_nothing);
    Py_CLEAR(state->resolve_place);
    Py_CLEAR(state->thread_stopped);
    Py_CLEAR(state->str_active);
    Py_CLEAR(state->str_counter);
    Py_CLEAR(state->str_current_thread);
    Py_CLEAR(state->str_daemon);
    Py_CLEAR(state->str_name);
    Py_CLEAR(state->str_run);
    Py_CLEAR(state->str_trace_hook);
    Py_CLEAR(state->str_profile_hook);
    Py_CLEAR(state->str_starter);
    Py_CLEAR(state->str_sys);
    Py_CLEAR(state->str_stderr);
    return 0;
}

static void
core_free(void *module)
{
    (void)core_clear((PyObject *)module);
    conc_thread_module_free((PyObject *)module);
}

static PyModuleDef_Slot core_slots[] = {
    {Py_mod_exec, core_exec},
#ifdef Py_mod_multiple_interpreters             /* 3.12 */
    {Py_mod_multiple_interpreters, Py_MOD_PER_INTERPRETER_GIL_SUPPORTED},
#endif
#ifdef Py_mod_gil                               /* 3.13 */
    {Py_mod_gil, Py_MOD_GIL_NOT_USED},
#endif
    {0, NULL},
};

struct PyModuleDef conc_core_def = {
    PyModuleDef_HEAD_INIT,
    .m_name = "conc._core",
    .m_doc = PyDoc_STR("The native core of conc. Its public face is the package conc."),
    .m_size = sizeof(CoreState),
    .m_slots = core_slots,
    .m_traverse = core_traverse,
    .m_clear = core_clear,
    .m_free = core_free,
};

PyMODINIT_FUNC PyInit__core(void);              /* called by the import system alone */

PyMODINIT_FUNC
PyInit__core(void)
{
    return PyModuleDef_Init(&conc_core_def);
}
