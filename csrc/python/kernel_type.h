/* SPDX-License-Identifier: Apache-2.0 */
/* python/kernel_type.h - conc._core.Kernel: a native function, callable from Python and a target of every actor.
 *
 * A binding row joins a core kernel (kernels/kernel.h) with the two ends of its life that know Python.
 */
#ifndef CONC_PYTHON_KERNEL_TYPE_H
#define CONC_PYTHON_KERNEL_TYPE_H

#include "python/core.h"
#include "kernels/kernel.h"

typedef struct KernelObject KernelObject;

struct conc_kernel_binding {
    const struct conc_kernel *core;
    const char *doc;                /* for help(): "name(arg)\n--\n\ntext" */

    /* Reads the arguments (vectorcall convention) into the zeroed `state`. 0, or -1 with an exception set; what it had
     * put into the state by then is freed by core->drop. Keeps no reference to a Python object. */
    int (*parse)(KernelObject *kernel, void *state, PyObject *const *args, size_t nargs, PyObject *kwnames);

    /* [owned] the value for Python of a state whose run() returned 0. */
    PyObject *(*result)(CoreState *core, void *state);

    /* Raises the exception for a run() that returned `err` < 0, other than -ECANCELED; NULL: conc_raise(name, err). */
    void (*raise)(CoreState *core, void *state, int err);
};

struct KernelObject {
    PyObject_HEAD
    const struct conc_kernel_binding *binding;      /* constant */
    vectorcallfunc vectorcall;
    CoreState *core;                                /* borrowed: the type keeps the module alive */
    /* Of a user's function (conc.native); NULL for a kernel that comes with conc; constant: */
    void (*function)(void);                         /* what it is by its binding */
    PyObject *name;                                 /* owned str */
    PyObject *owner;                                /* owned: keeps the function's code */
};

#define KernelObject_CAST(op) ((KernelObject *)(op))

/* [owned] a new Kernel of `binding`, which must be static. */
PyObject *conc_kernel_new(CoreState *core, const struct conc_kernel_binding *binding);

/* [owned] the same for a user's function, which `owner` keeps alive, under `name`. */
PyObject *conc_kernel_new_native(CoreState *core, const struct conc_kernel_binding *binding, void (*function)(void),
                                 PyObject *name, PyObject *owner);

/* The value of a state whose run() returned `err`, or NULL with the exception: what every actor ends with. */
PyObject *conc_kernel_finish(KernelObject *kernel, void *state, int err);

/* Allocates a state and parses the arguments into it. NULL with an exception set. Free it with
 * conc_kernel_state_free(). */
void *conc_kernel_state_new(KernelObject *kernel, PyObject *const *args, size_t nargs, PyObject *kwnames);

/* Drops what the state holds and frees it; needs no attached thread. */
void conc_kernel_state_free(const struct conc_kernel *kernel, void *state);

#endif
