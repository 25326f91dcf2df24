/* SPDX-License-Identifier: Apache-2.0 */
/* python/watch_type.c - conc._core.Watcher: the sampler of a process's threads (watch/sampler.h). */
#include "python/core.h"

#include <errno.h>

#include "base/alloc.h"
#include "os/clock.h"
#include "python/errors.h"
#include "python/gil_layout.h"
#include "python/watch_columns.h"
#include "watch/sampler.h"

typedef struct {
    PyObject_HEAD
    struct conc_gil_reader *reader;     /* owned; the sampler's; NULL: it cannot be told who has the GIL */
    struct conc_sampler *sampler;       /* owned; constant */
    bool busy;                          /* by the critical section: a thread stops it */
} WatcherObject;

#define WatcherObject_CAST(op) ((WatcherObject *)(op))

static int
watcher_traverse(PyObject *op, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(op));
    return 0;
}

/* One that still runs is waited for, one look at most, which needs nothing of Python. */
static void
watcher_dealloc(PyObject *op)
{
    PyTypeObject *type = Py_TYPE(op);
    PyObject_GC_UnTrack(op);
    conc_sampler_free(WatcherObject_CAST(op)->sampler);
    conc_gil_reader_close(WatcherObject_CAST(op)->reader);
    type->tp_free(op);
    Py_DECREF(type);
}

/* The ids of `sequence` in *tids [owned]; how many, or -1. */
static Py_ssize_t
take_tids(PyObject *sequence, int **tids)
{
    PyObject *fast = PySequence_Fast(sequence, "tids must be a sequence of thread ids");
    if (fast == NULL)
        return -1;
    Py_ssize_t count = PySequence_Fast_GET_SIZE(fast);
    *tids = conc_alloc_array((size_t)count + 1, sizeof(**tids));
    if (*tids == NULL) {
        PyErr_NoMemory();
        count = -1;
    }
    for (Py_ssize_t i = 0; i < count; i++) {
        long tid = PyLong_AsLong(PySequence_Fast_GET_ITEM(fast, i));
        if (tid == -1 && PyErr_Occurred()) {
            conc_free(*tids);
            count = -1;
            break;
        }
        (*tids)[i] = (int)tid;
    }
    Py_DECREF(fast);
    return count;
}

/* 0, or -1 with an exception; without a layout there is no reader. */
static int
open_reader(WatcherObject *self, int pid, PyObject *bytes)
{
    struct conc_gil_layout layout;
    if (bytes == Py_None)
        return 0;
    if (conc_gil_layout_from_bytes(bytes, &layout) < 0)
        return -1;
    int err = conc_gil_reader_open(&self->reader, pid, &layout);
    if (err != 0)
        conc_raise("read who has the GIL", err);
    return err == 0 ? 0 : -1;
}

/* For so long the GIL is kept while the sampler's thread begins or ends, which never wants it: as long as any thread that computes
 * in Python keeps it. Who gives it up beside n of those has it back after n switch intervals. */
#define ATTACHED_NS INT64_C(5000000)

static int
start(WatcherObject *self, struct conc_sampler_attr *attr)
{
    if (self->reader != NULL)
        attr->gils = conc_watch_gils_by(self->reader);
    int err = conc_sampler_create(attr, &self->sampler);
    if (err == 0 && conc_sampler_begins_by(self->sampler, conc_deadline_after(ATTACHED_NS))) {
        err = conc_sampler_begun(&self->sampler);
    }
    else if (err == 0) {
        Py_BEGIN_ALLOW_THREADS          /* uses: self->sampler, and attr, which its thread reads */
        err = conc_sampler_begun(&self->sampler);
        Py_END_ALLOW_THREADS
    }
    if (err != 0)
        conc_raise("start the watch's thread", err);
    return err == 0 ? 0 : -1;
}

static PyObject *
watcher_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    static char *keywords[] = {"interval_ns", "tids", "descriptors", "layout", "segments", "pid", NULL};
    long long interval_ns;
    PyObject *sequence, *layout = Py_None;
    int descriptors, segments = 0, pid = 0;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "LOi|Oii:Watcher", keywords, &interval_ns, &sequence, &descriptors,
                                     &layout, &segments, &pid))
        return NULL;
    if (interval_ns <= 0)
        return PyErr_Format(PyExc_ValueError, "interval_ns must be above 0, not %lld", interval_ns);
    int *tids;
    Py_ssize_t count = take_tids(sequence, &tids);
    if (count < 0)
        return NULL;
    WatcherObject *self = (WatcherObject *)type->tp_alloc(type, 0);
    struct conc_sampler_attr attr = {
        .interval_ns = interval_ns,
        .pid = pid,
        .descriptors = descriptors,
        .segment_room = segments,
        .tids = tids,
        .tid_count = (int)count,
    };
    if (self != NULL && (open_reader(self, pid, layout) < 0 || start(self, &attr) < 0))
        Py_CLEAR(self);
    conc_free(tids);
    return (PyObject *)self;
}

/* Whether the caller may stop it now; else RuntimeError. */
static bool
claim(PyObject *op)
{
    bool was_busy;
    Py_BEGIN_CRITICAL_SECTION(op);
    was_busy = WatcherObject_CAST(op)->busy;
    WatcherObject_CAST(op)->busy = true;
    Py_END_CRITICAL_SECTION();
    if (was_busy)
        PyErr_SetString(PyExc_RuntimeError, "another thread is ending this watch");
    return !was_busy;
}

static void
yield(PyObject *op)
{
    Py_BEGIN_CRITICAL_SECTION(op);
    WatcherObject_CAST(op)->busy = false;
    Py_END_CRITICAL_SECTION();
}

PyDoc_STRVAR(stop_doc, "stop($self, /)\n--\n\nLook a last time and end the thread. Later calls do nothing.");

static PyObject *
watcher_stop(PyObject *op, PyObject *Py_UNUSED(ignored))
{
    struct conc_sampler *sampler = WatcherObject_CAST(op)->sampler;
    if (conc_sampler_ended(sampler))
        Py_RETURN_NONE;
    if (!claim(op))
        return NULL;
    if (conc_sampler_stops_by(sampler, conc_deadline_after(ATTACHED_NS))) {
        conc_sampler_stop(sampler);
    }
    else {
        Py_BEGIN_ALLOW_THREADS          /* uses: sampler */
        conc_sampler_stop(sampler);
        Py_END_ALLOW_THREADS
    }
    yield(op);
    Py_RETURN_NONE;
}

PyDoc_STRVAR(take_doc, "take($self, /)\n--\n\nWhat was seen, of a watcher that has ended: see the stub.");

static PyObject *
watcher_take(PyObject *op, PyObject *Py_UNUSED(ignored))
{
    const struct conc_sampler *sampler = WatcherObject_CAST(op)->sampler;
    if (!conc_sampler_ended(sampler)) {
        PyErr_SetString(PyExc_RuntimeError, "the watch goes on: stop() it before take()");
        return NULL;
    }
    return conc_watch_take(sampler);
}

static PyObject *
watcher_ended(PyObject *op, void *Py_UNUSED(closure))
{
    return PyBool_FromLong(conc_sampler_ended(WatcherObject_CAST(op)->sampler));
}

static PyObject *
watcher_native_id(PyObject *op, void *Py_UNUSED(closure))
{
    return PyLong_FromLong(conc_sampler_tid(WatcherObject_CAST(op)->sampler));
}

static PyMethodDef watcher_methods[] = {
    {"stop", watcher_stop, METH_NOARGS, stop_doc},
    {"take", watcher_take, METH_NOARGS, take_doc},
    {NULL, NULL, 0, NULL},
};

static PyGetSetDef watcher_getset[] = {
    {"ended", watcher_ended, NULL, PyDoc_STR("Whether it was stopped, or stayed behind at a fork."), NULL},
    {"native_id", watcher_native_id, NULL, PyDoc_STR("The kernel's id of its thread, which may have ended."), NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyType_Slot watcher_slots[] = {
    {Py_tp_doc, PyDoc_STR("Watcher(interval_ns, tids, descriptors, layout=None, segments=0, pid=0)\n--\n\n"
                          "A thread that looks at all others, or at those of another process, without the interpreter,\n"
                          "until stop(). `layout`: where the process keeps its GILs; None: they are not seen.")},
    {Py_tp_new, watcher_new},
    {Py_tp_traverse, watcher_traverse},
    {Py_tp_dealloc, watcher_dealloc},
    {Py_tp_methods, watcher_methods},
    {Py_tp_getset, watcher_getset},
    {0, NULL},
};

static PyType_Spec watcher_spec = {
    .name = "conc._core.Watcher",
    .basicsize = sizeof(WatcherObject),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = watcher_slots,
};

int
conc_watcher_exec(PyObject *module)
{
    return conc_add_type(module, &conc_core_state(module)->watcher_type, &watcher_spec);
}
