/* SPDX-License-Identifier: Apache-2.0 */
/* python/stall_type.c - conc._core.StallWatch: watch/stall.h for Python, whose thread is the voice. */
#include "python/core.h"

#include <errno.h>

#include "base/alloc.h"
#include "os/clock.h"
#include "os/task_syscall.h"
#include "python/attach.h"
#include "python/convert.h"
#include "python/errors.h"
#include "python/gil_layout.h"
#include "watch/stall.h"

typedef struct {
    PyObject_HEAD
    struct conc_stall *stall;           /* owned; constant */
    const char *gil_unknown;            /* why who holds the GIL is not known; NULL: it is, or there is none */
    bool stopped;                       /* by the critical section */
} StallWatchObject;

#define StallWatchObject_CAST(op) ((StallWatchObject *)(op))

/* -- what is handed out --------------------------------------------------------------------------------------------- */

/* [owned] None for what is not told. */
static PyObject *
row_tuple(const struct conc_stall_thread *row, bool gil_known)
{
    static const char *const states[] = {
        [CONC_TASK_RUNNABLE] = "runnable",
        [CONC_TASK_RUNNING] = "running",
        [CONC_TASK_NOT_RUNNING] = "not_running",
        [CONC_TASK_ENDED] = "ended",
    };
    char number[32];
    const char *call = row->syscall >= 0 ? conc_syscall_name(row->syscall) : NULL;
    if (row->syscall >= 0 && call == NULL) {
        PyOS_snprintf(number, sizeof(number), "system call %ld", row->syscall);
        call = number;
    }
    PyObject *cpu = row->cpu_ns < 0 ? Py_NewRef(Py_None) : PyLong_FromLongLong(row->cpu_ns);
    PyObject *name = PyUnicode_DecodeUTF8(row->name, (Py_ssize_t)strlen(row->name), "replace");
    return Py_BuildValue("(iNzzNNN)", row->tid, name, row->state_known ? states[row->state] : NULL, call, cpu,
                         gil_known ? PyBool_FromLong(row->holds_gil) : Py_NewRef(Py_None),
                         gil_known ? PyBool_FromLong(row->waits_for_gil) : Py_NewRef(Py_None));
}

/* [owned] (total, [row, ...]); total is None where the system does not tell. */
static PyObject *
threads_tuple(const struct conc_stall_threads *threads)
{
    PyObject *rows = PyList_New(threads->count);
    for (int i = 0; rows != NULL && i < threads->count; i++) {
        PyObject *row = row_tuple(&threads->rows[i], threads->gil_known);
        if (row == NULL)
            Py_CLEAR(rows);
        else
            PyList_SET_ITEM(rows, i, row);
    }
    PyObject *total = threads->total < 0 ? Py_NewRef(Py_None) : PyLong_FromLong(threads->total);
    return Py_BuildValue("(NN)", total, rows);
}

static PyObject *
gil_event(struct conc_stall *stall)
{
    struct conc_stall_report report = conc_stall_report(stall);
    PyObject *holder = report.holder > 0 ? PyLong_FromLong(report.holder) : Py_NewRef(Py_None);
    PyObject *stacks = PyUnicode_DecodeUTF8(report.stacks, (Py_ssize_t)report.stacks_length, "replace");
    return Py_BuildValue("(sLLNNNi)", "gil", (long long)report.begin_ns, (long long)report.end_ns, holder, stacks,
                         threads_tuple(report.threads), -report.write_err);
}

/* -- methods -------------------------------------------------------------------------------------------------------- */

PyDoc_STRVAR(next_doc,
"next($self, /)\n--\n\n"
"For the one thread that is the voice: wait for what happens next. ('gil', begin_ns, end_ns, holder, stacks, threads,\n"
"errno), ('loop',), ('loop ended',), ('examine',); None after stop().");

static PyObject *
stall_next(PyObject *op, PyObject *Py_UNUSED(ignored))
{
    struct conc_stall *stall = StallWatchObject_CAST(op)->stall;
    for (;;) {
        CONC_BEGIN_DETACHED             /* uses: stall, which the caller's reference keeps */
        conc_stall_sleep(stall);
        conc_stall_enter(stall);
        CONC_END_DETACHED
        switch (conc_stall_entered(stall)) {
        case CONC_STALL_NOTHING:
            break;
        case CONC_STALL_GIL:
            return gil_event(stall);
        case CONC_STALL_LOOP:
            return Py_BuildValue("(s)", "loop");
        case CONC_STALL_LOOP_ENDED:
            return Py_BuildValue("(s)", "loop ended");
        case CONC_STALL_EXAMINE:
            return Py_BuildValue("(s)", "examine");
        case CONC_STALL_CLOSED:
            Py_RETURN_NONE;
        }
    }
}

PyDoc_STRVAR(beat_doc, "beat($self, /)\n--\n\nThe loop turns.");

static PyObject *
stall_beat(PyObject *op, PyObject *Py_UNUSED(ignored))
{
    conc_stall_beat(StallWatchObject_CAST(op)->stall);
    Py_RETURN_NONE;
}

PyDoc_STRVAR(loop_is_late_doc, "loop_is_late($self, /)\n--\n\nWhether it still has not turned, after ('loop',).");

static PyObject *
stall_loop_is_late(PyObject *op, PyObject *Py_UNUSED(ignored))
{
    return PyBool_FromLong(conc_stall_loop_is_late(StallWatchObject_CAST(op)->stall));
}

PyDoc_STRVAR(judge_loop_doc, "judge_loop($self, stalled, /)\n--\n\nThe answer to ('loop',): whether it is a stall.");

static PyObject *
stall_judge_loop(PyObject *op, PyObject *stalled)
{
    conc_stall_judge_loop(StallWatchObject_CAST(op)->stall, stalled == Py_True);
    Py_RETURN_NONE;
}

PyDoc_STRVAR(loop_times_doc,
"loop_times($self, /)\n--\n\n"
"(begin_ns, end_ns) of the loop's stall on the monotonic clock; end_ns is None while it lasts.");

static PyObject *
stall_loop_times(PyObject *op, PyObject *Py_UNUSED(ignored))
{
    int64_t begin_ns, end_ns;
    conc_stall_loop_times(StallWatchObject_CAST(op)->stall, &begin_ns, &end_ns);
    if (end_ns == 0)
        return Py_BuildValue("(LO)", (long long)begin_ns, Py_None);
    return Py_BuildValue("(LL)", (long long)begin_ns, (long long)end_ns);
}

PyDoc_STRVAR(write_doc,
"write($self, data, /)\n--\n\n"
"Write bytes to the output: 0, or the errno for which it has them not whole.");

static PyObject *
stall_write(PyObject *op, PyObject *data)
{
    char *text;
    Py_ssize_t length;
    if (PyBytes_AsStringAndSize(data, &text, &length) < 0)
        return NULL;
    int err;
    CONC_BEGIN_DETACHED                 /* uses: op and data, which the caller's references keep */
    err = conc_stall_write(StallWatchObject_CAST(op)->stall, text, (size_t)length);
    CONC_END_DETACHED
    return PyLong_FromLong(-err);
}

PyDoc_STRVAR(threads_doc,
"threads($self, /)\n--\n\n"
"What all threads but the caller do now: ((total, rows), text). A row: (native id, name, state, system call, cpu_ns,\n"
"holds the GIL, waits for the GIL). For one thread at a time.");

static PyObject *
stall_threads(PyObject *op, PyObject *Py_UNUSED(ignored))
{
    struct conc_stall *stall = StallWatchObject_CAST(op)->stall;
    struct conc_stall_threads *threads = conc_alloc(sizeof(*threads));
    char *text = conc_alloc(CONC_STALL_THREADS_TEXT);
    PyObject *result = NULL;
    if (threads == NULL || text == NULL)
        PyErr_NoMemory();
    else {
        size_t length;
        CONC_BEGIN_DETACHED             /* uses: op, which the caller's reference keeps, and what is ours */
        conc_stall_threads_now(stall, threads);
        length = conc_stall_threads_text(threads, text, CONC_STALL_THREADS_TEXT);
        CONC_END_DETACHED
        PyObject *lines = PyUnicode_DecodeUTF8(text, (Py_ssize_t)length, "replace");
        result = Py_BuildValue("(NN)", threads_tuple(threads), lines);
    }
    conc_free(text);
    conc_free(threads);
    return result;
}

static void
stop(StallWatchObject *self)
{
    bool first;
    Py_BEGIN_CRITICAL_SECTION(self);
    first = self->stall != NULL && !self->stopped;
    self->stopped = true;
    Py_END_CRITICAL_SECTION();
    if (!first)
        return;
    struct conc_stall *stall = self->stall;
    CONC_BEGIN_DETACHED                 /* uses: stall, which the caller's reference keeps */
    conc_stall_stop(stall);
    CONC_END_DETACHED
}

PyDoc_STRVAR(stop_doc, "stop($self, /)\n--\n\nEnd the watch; next() gives what is left, and then None.");

static PyObject *
stall_stop(PyObject *op, PyObject *Py_UNUSED(ignored))
{
    stop(StallWatchObject_CAST(op));
    Py_RETURN_NONE;
}

static PyObject *
stall_gil_unknown(PyObject *op, void *Py_UNUSED(closure))
{
    return Py_BuildValue("z", StallWatchObject_CAST(op)->gil_unknown);
}

/* -- life ----------------------------------------------------------------------------------------------------------- */

static PyObject *
stall_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    static char *keywords[] = {"limit", "beat", "examine", "gil", "output", "signal", "stacks", NULL};
    PyObject *limit, *beat, *examine;
    int gil;
    struct conc_stall_attr attr = {.interpreter = PyInterpreterState_GetID(PyInterpreterState_Get())};
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "OOOpiii:StallWatch", keywords, &limit, &beat, &examine, &gil,
                                     &attr.output, &attr.signal, &attr.stacks) ||
        conc_parse_seconds(limit, "limit", &attr.limit_ns) < 0 || conc_parse_seconds(beat, "beat", &attr.beat_ns) < 0 ||
        conc_parse_seconds(examine, "examine", &attr.examine_ns) < 0)
        return NULL;
    StallWatchObject *self = StallWatchObject_CAST(type->tp_alloc(type, 0));
    if (self == NULL)
        return NULL;
    struct conc_gil_layout layout;
    attr.gil = gil;
    if (gil && conc_gil_layout_own(&layout, &self->gil_unknown) == 0) {
        attr.layout = &layout;
        self->gil_unknown = NULL;
    }
    int err = conc_stall_open(&self->stall, &attr);
    if (err < 0) {
        Py_DECREF(self);
        if (err != -EAGAIN)
            return conc_raise("start the watch for stalls", err);
        PyErr_SetString(PyExc_RuntimeError, "can't start new thread");     /* as threading has it */
        return NULL;
    }
    return (PyObject *)self;
}

static void
stall_dealloc(PyObject *op)
{
    PyTypeObject *type = Py_TYPE(op);
    StallWatchObject *self = StallWatchObject_CAST(op);
    stop(self);
    conc_stall_close(self->stall);
    type->tp_free(op);
    Py_DECREF(type);
}

static PyMethodDef stall_methods[] = {
    {"next", stall_next, METH_NOARGS, next_doc},
    {"beat", stall_beat, METH_NOARGS, beat_doc},
    {"loop_is_late", stall_loop_is_late, METH_NOARGS, loop_is_late_doc},
    {"judge_loop", stall_judge_loop, METH_O, judge_loop_doc},
    {"loop_times", stall_loop_times, METH_NOARGS, loop_times_doc},
    {"write", stall_write, METH_O, write_doc},
    {"threads", stall_threads, METH_NOARGS, threads_doc},
    {"stop", stall_stop, METH_NOARGS, stop_doc},
    {NULL, NULL, 0, NULL},
};

static PyGetSetDef stall_getset[] = {
    {"gil_unknown", stall_gil_unknown, NULL,
     PyDoc_STR("Why it is not known who holds the GIL; None when it is, or there is none."), NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

PyDoc_STRVAR(stall_doc,
"StallWatch(limit, beat, examine, gil, output, signal, stacks)\n--\n\n"
"Watch for stalls of `limit` seconds from a native thread, see csrc/watch/stall.h.");

static PyType_Slot stall_slots[] = {
    {Py_tp_doc, (void *)stall_doc},
    {Py_tp_new, stall_new},
    {Py_tp_dealloc, stall_dealloc},
    {Py_tp_methods, stall_methods},
    {Py_tp_getset, stall_getset},
    {0, NULL},
};

static PyType_Spec stall_spec = {
    .name = "conc._core.StallWatch",
    .basicsize = sizeof(StallWatchObject),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = stall_slots,
};

int
conc_stall_exec(PyObject *module)
{
    return conc_add_type(module, &conc_core_state(module)->stall_watch_type, &stall_spec);
}
