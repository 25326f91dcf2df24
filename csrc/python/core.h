/* SPDX-License-Identifier: Apache-2.0 */
/* python/core.h - what every file of the binding shares: the module's state, how a type is added, and the shims for
 * the versions of CPython (the only place for PY_VERSION_HEX). */
#ifndef CONC_PYTHON_CORE_H
#define CONC_PYTHON_CORE_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include <stdatomic.h>
#include <stdbool.h>

/* A critical section protects an object's fields on a free-threaded build; with a GIL it is nothing. */
#ifndef Py_BEGIN_CRITICAL_SECTION
#define Py_BEGIN_CRITICAL_SECTION(op) {
#define Py_END_CRITICAL_SECTION() }
#endif

/* Critical sections are short and not within each other: where the inner one is of the same object, CPython 3.13 first
 * yields some forty times, each for a whole turn of whoever wants the CPU. */

/* [owned] the current exception, with its traceback, which is then no longer current. One must be set. */
static inline PyObject *
conc_take_exception(void)
{
#if PY_VERSION_HEX >= 0x030c0000
    return PyErr_GetRaisedException();
#else
    PyObject *type, *value, *traceback;
    PyErr_Fetch(&type, &value, &traceback);
    PyErr_NormalizeException(&type, &value, &traceback);
    if (traceback != NULL) {
        (void)PyException_SetTraceback(value, traceback);
        Py_DECREF(traceback);
    }
    Py_DECREF(type);
    return value;
#endif
}

/* Makes `error`, which moves, the current exception again. */
static inline void
conc_restore_exception(PyObject *error)
{
#if PY_VERSION_HEX >= 0x030c0000
    PyErr_SetRaisedException(error);
#else
    PyErr_Restore(Py_NewRef((PyObject *)Py_TYPE(error)), error, PyException_GetTraceback(error));
#endif
}

/* A state of the calling thread for `interp`, not attached; NULL when there is no memory. */
#if PY_VERSION_HEX < 0x030c0000
/* 3.11's PyThreadState_New() is these two calls, and without memory its second one reads through NULL. The second is
 * exported, but declared in an internal header alone. */
PyAPI_FUNC(void) _PyThreadState_SetCurrent(PyThreadState *tstate);

static inline PyThreadState *
conc_new_thread_state(PyInterpreterState *interp)
{
    PyThreadState *tstate = _PyThreadState_Prealloc(interp);
    if (tstate != NULL)
        _PyThreadState_SetCurrent(tstate);
    return tstate;
}
#else
static inline PyThreadState *
conc_new_thread_state(PyInterpreterState *interp)
{
    return PyThreadState_New(interp);
}
#endif

/* [owned] the value of `key`; NULL when there is none, with an exception set only when the look failed. */
static inline PyObject *
conc_dict_get(PyObject *dict, PyObject *key)
{
#if PY_VERSION_HEX >= 0x030d0000
    PyObject *value;
    (void)PyDict_GetItemRef(dict, key, &value);
    return value;
#else
    return Py_XNewRef(PyDict_GetItemWithError(dict, key));
#endif
}

/* Whether the process's interpreter is being taken down, so that no other thread will run Python code any more. */
static inline bool
conc_is_finalizing(void)
{
#if PY_VERSION_HEX >= 0x030d0000
    return Py_IsFinalizing();
#else
    return _Py_IsFinalizing();
#endif
}

/* Whether this CPython (3.12.0 and 3.12.1) refuses a fork in any thread once the main thread has come to its end: a new thread
 * that is to fork must then run before its starter goes on, as threading's does. */
static inline bool
conc_threads_must_run_first(void)
{
#if PY_VERSION_HEX >= 0x030c0000 && PY_VERSION_HEX < 0x030d0000
    return Py_Version < 0x030c0200;
#else
    return false;
#endif
}

/* What is raised by what cannot be done any more while it is. */
#if PY_VERSION_HEX >= 0x030d0000
#define CONC_FINALIZATION_ERROR PyExc_PythonFinalizationError
#else
#define CONC_FINALIZATION_ERROR PyExc_RuntimeError
#endif

/* A lock for fields that more than one attached thread changes, around calls into the interpreter, which would suspend a
 * critical section. With a GIL it is nothing: nobody lets go of that in between. */
#ifdef Py_GIL_DISABLED
#define CONC_PY_LOCK(name) PyMutex name
#define CONC_PY_ACQUIRE(lock) PyMutex_Lock(&(lock))
#define CONC_PY_RELEASE(lock) PyMutex_Unlock(&(lock))
#else
#define CONC_PY_LOCK(name) char name
#define CONC_PY_ACQUIRE(lock) ((void)(lock))
#define CONC_PY_RELEASE(lock) ((void)(lock))
#endif

/* Whether the calling thread's interpreter lets threads be started; true where it cannot be asked here (3.13 and later). */
static inline bool
conc_threads_allowed(void)
{
#if PY_VERSION_HEX >= 0x030c0000 && PY_VERSION_HEX < 0x030d0000
    return _PyInterpreterState_HasFeature(PyInterpreterState_Get(), Py_RTFLAGS_THREADS);
#else
    return true;
#endif
}

/* Whether this build of CPython can do without a GIL. */
#ifdef Py_GIL_DISABLED
#define CONC_FREE_THREADED true
#else
#define CONC_FREE_THREADED false
#endif

/* Calls call(arg) while no other thread of this interpreter runs Python: with a GIL that is so as long as `call` does not let
 * go of it. Without one all others are stopped, at a point at which they may be: the public function that does that visits
 * the objects of the collector, of which the first one is enough. Not called when there is no object at all. */
#ifdef Py_GIL_DISABLED
struct conc_stopped_call {
    void (*call)(void *arg);
    void *arg;
};

static inline int
conc_at_first_object(PyObject *Py_UNUSED(object), void *raw)
{
    struct conc_stopped_call *stopped = raw;
    stopped->call(stopped->arg);
    return 0;
}

static inline void
conc_with_others_stopped(void (*call)(void *arg), void *arg)
{
    struct conc_stopped_call stopped = {call, arg};
    PyUnstable_GC_VisitObjects(conc_at_first_object, &stopped);
}
#else
static inline void
conc_with_others_stopped(void (*call)(void *arg), void *arg)
{
    int collects = PyGC_Disable();      /* up to 3.11 a collection, which runs finalizers, comes with any allocation */
    call(arg);
    if (collects)
        PyGC_Enable();
}
#endif

/* Declares that `module` needs no GIL, where a module can. 0 or -1. */
static inline int
conc_module_needs_no_gil(PyObject *module)
{
#ifdef Py_GIL_DISABLED
    return PyUnstable_Module_SetGIL(module, Py_MOD_GIL_NOT_USED);
#else
    (void)module;
    return 0;
#endif
}

struct conc_roster;
struct conc_data_stacks;

/* Per interpreter. An object's field appears in three places only: here, core_traverse and core_clear (module.c). */
typedef struct {
    PyTypeObject *kernel_type;
    PyTypeObject *thread_type;
    PyTypeObject *thread_handle_type;
    PyTypeObject *future_state_type;
    PyTypeObject *pool_type;
    PyTypeObject *batch_type;
    PyTypeObject *call_batch_type;
    PyTypeObject *child_handle_type;
    PyTypeObject *relay_type;
    PyTypeObject *arena_type;
    PyTypeObject *gil_reader_type;
    PyTypeObject *watcher_type;
    PyTypeObject *stall_watch_type;

    /* Of thread_module.c. */
    PyObject *threading;                /* the variables of the module threading; NULL before conc.threads is imported */
    PyObject *report_exception;         /* threading's invoke_excepthook(thread) */
    PyObject *do_nothing;               /* a Python function without arguments */
    PyObject *resolve_place;            /* (affinity, node) -> what start() applies */
    PyObject *thread_stopped;           /* the exception class conc.ThreadStopped */
    PyObject *str_active, *str_counter, *str_current_thread, *str_daemon, *str_name, *str_run;
    PyObject *str_trace_hook, *str_profile_hook, *str_starter, *str_sys, *str_stderr;
    struct conc_roster *roster;         /* owned; threads of this interpreter */
    struct conc_data_stacks *data_stacks;   /* owned */
    bool threads_allowed, daemons_allowed;
    PyObject *waits;                    /* of waits.c: a dict, thread identifier -> what it waits for */
    atomic_int waits_wanted;            /* how many want to know */
    bool threads_inherit_context;       /* sys.flags.thread_inherit_context: 3.14 and later */
} CoreState;

extern struct PyModuleDef conc_core_def;

static inline CoreState *
conc_core_state(PyObject *module)
{
    return (CoreState *)PyModule_GetState(module);
}

/* The state behind an instance of one of our types or of a subclass of one; never NULL for those. */
static inline CoreState *
conc_core_state_of(PyTypeObject *type)
{
    return conc_core_state(PyType_GetModuleByDef(type, &conc_core_def));
}

/* Makes the heap type of `spec`, keeps it in *slot [owned] and adds it to the module. 0 or -1. */
int conc_add_type(PyObject *module, PyTypeObject **slot, PyType_Spec *spec);

/* Each file of the binding adds its part in one function, called from core_exec (module.c) in this order. */
int conc_kernel_type_exec(PyObject *module);
int conc_kernels_exec(PyObject *module);
int conc_thread_module_exec(PyObject *module);
void conc_thread_module_free(PyObject *module);
int conc_thread_type_exec(PyObject *module);
int conc_thread_handle_exec(PyObject *module);
int conc_thread_places_exec(PyObject *module);
int conc_future_exec(PyObject *module);
int conc_pool_exec(PyObject *module);
int conc_native_exec(PyObject *module);
int conc_batch_exec(PyObject *module);
int conc_call_batch_exec(PyObject *module);
int conc_child_exec(PyObject *module);
int conc_process_children_exec(PyObject *module);
int conc_task_look_exec(PyObject *module);
int conc_relay_exec(PyObject *module);
int conc_memory_exec(PyObject *module);
int conc_arena_exec(PyObject *module);
int conc_gil_exec(PyObject *module);
int conc_gil_reader_exec(PyObject *module);
int conc_watcher_exec(PyObject *module);
int conc_waits_exec(PyObject *module);
int conc_stall_exec(PyObject *module);
int conc_stall_functions_exec(PyObject *module);

#endif
