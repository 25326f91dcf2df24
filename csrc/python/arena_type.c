/* SPDX-License-Identifier: Apache-2.0 */
/* python/arena_type.c - conc._core.Arena: placed memory and the measurements that run on it, each in a thread of
 * conc's own. One call at a time: `busy` is taken and given back under the object's critical section. */
#include "python/core.h"

#include <errno.h>

#include "base/alloc.h"
#include "os/affinity.h"
#include "os/clock.h"
#include "probe/arena.h"
#include "probe/bandwidth.h"
#include "probe/latency.h"
#include "python/attach.h"
#include "python/convert.h"
#include "python/errors.h"
#include "python/native_call.h"

typedef struct {
    PyObject_HEAD
    struct conc_arena arena;                            /* base is NULL once closed; the rest is constant */
    struct conc_cycle cycles[CONC_CYCLE_SLOTS];         /* lines is 0 where none is built */
    bool busy;                                          /* by critical section; all else belongs to who set it */
} ArenaObject;

#define ArenaObject_CAST(op) ((ArenaObject *)(op))

enum taken { TAKEN, CLOSED, IN_USE };

/* What it holds is looked at by its owner alone, which for a moment is the caller. */
static enum taken
try_take(ArenaObject *self)
{
    enum taken taken = IN_USE;
    Py_BEGIN_CRITICAL_SECTION(self);
    if (!self->busy)
        taken = self->arena.base == NULL ? CLOSED : TAKEN;
    if (taken == TAKEN)
        self->busy = true;
    Py_END_CRITICAL_SECTION();
    if (taken == IN_USE)
        PyErr_SetString(PyExc_RuntimeError, "the arena is in use by another thread");
    return taken;
}

static bool
take(ArenaObject *self)
{
    enum taken taken = try_take(self);
    if (taken == CLOSED)
        PyErr_SetString(PyExc_ValueError, "the arena is closed");
    return taken == TAKEN;
}

static void
give_back(ArenaObject *self)
{
    Py_BEGIN_CRITICAL_SECTION(self);
    self->busy = false;
    Py_END_CRITICAL_SECTION();
}

static PyObject *
arena_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    static char *keywords[] = {"size", "node", "huge", NULL};
    Py_ssize_t size;
    int node = CONC_NODE_ANY, huge = 1;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "n|ip:Arena", keywords, &size, &node, &huge))
        return NULL;
    if (size <= 0 || node < CONC_NODE_ANY)
        return PyErr_Format(PyExc_ValueError, "an arena of %zd bytes on node %d cannot be", size, node);
    ArenaObject *self = ArenaObject_CAST(type->tp_alloc(type, 0));
    if (self == NULL)
        return NULL;
    int err = conc_arena_open(&self->arena, (size_t)size, node, huge);
    if (err != 0) {
        Py_DECREF(self);
        return conc_raise("map placed memory", err);
    }
    return (PyObject *)self;
}

static void
arena_dealloc(PyObject *op)
{
    PyTypeObject *type = Py_TYPE(op);
    conc_arena_close(&ArenaObject_CAST(op)->arena);
    type->tp_free(op);
    Py_DECREF(type);
}

static PyObject *
arena_close(PyObject *op, PyObject *Py_UNUSED(ignored))
{
    ArenaObject *self = ArenaObject_CAST(op);
    switch (try_take(self)) {
    case CLOSED:
        Py_RETURN_NONE;
    case IN_USE:
        return NULL;
    case TAKEN:
        break;
    }
    CONC_BEGIN_DETACHED                              /* uses: self->arena, which is ours: busy */
    conc_arena_close(&self->arena);
    CONC_END_DETACHED
    give_back(self);
    Py_RETURN_NONE;
}

/* [owned] [(value, involuntary or None, steal or None), ...] */
static PyObject *
samples_as_list(const struct conc_samples *samples)
{
    PyObject *list = PyList_New((Py_ssize_t)samples->count);
    for (size_t i = 0; list != NULL && i < samples->count; i++) {
        const struct conc_sample *s = &samples->items[i];
        PyObject *item = Py_BuildValue("(dLL)", s->value, (long long)s->noise.involuntary,
                                       (long long)s->noise.steal_ticks);
        if (item == NULL)
            Py_CLEAR(list);
        else
            PyList_SET_ITEM(list, (Py_ssize_t)i, item);
    }
    return list;
}

/* What the methods that measure hand to their thread. */
struct task {
    ArenaObject *self;
    size_t cpu;
    int64_t deadline_ns;
    size_t slot;
    size_t lines;                                       /* build */
    uint64_t seed;                                      /* build */
    size_t wanted, most;                                /* chase, stream */
    bool whole_lap;                                     /* chase */
    const struct conc_stream_kernel *kernel;            /* stream */
    const size_t *cpus;
    size_t threads;
    struct conc_samples samples;
};

/* Runs the task with the arena taken. 0, or -1 with an exception set. */
static int
run_task(const char *op, int (*run)(void *arg, struct conc_stop *stop), struct task *task)
{
    int err;
    if (!take(task->self))
        return -1;
    int failed = conc_native_call(run, task, &err);
    give_back(task->self);
    if (failed == 0 && err != 0)
        conc_raise(op, err);
    return failed != 0 || err != 0 ? -1 : 0;
}

/* A CPU's number. */
static bool
check_cpu(Py_ssize_t cpu)
{
    if (cpu < 0)
        PyErr_Format(PyExc_ValueError, "cpu must be >= 0, not %zd", cpu);
    return cpu >= 0;
}

static bool
parse_deadline(PyObject *timeout, int64_t *deadline_ns)
{
    int64_t ns;
    if (conc_parse_seconds(timeout, "timeout", &ns) < 0)
        return false;
    *deadline_ns = conc_deadline_after(ns);
    return true;
}

static int
touch_task(void *raw, struct conc_stop *stop)
{
    struct task *task = raw;
    int err = conc_affinity_pin(task->cpu);
    if (err != 0)
        return err;
    return conc_arena_touch(&task->self->arena, 0, task->self->arena.size, stop, task->deadline_ns);
}

static PyObject *
arena_touch(PyObject *op, PyObject *args)
{
    struct task task = {.self = ArenaObject_CAST(op)};
    Py_ssize_t cpu;
    PyObject *timeout;
    if (!PyArg_ParseTuple(args, "nO:touch", &cpu, &timeout) || !check_cpu(cpu) ||
        !parse_deadline(timeout, &task.deadline_ns))
        return NULL;
    task.cpu = (size_t)cpu;
    if (run_task("touch placed memory", touch_task, &task) < 0)
        return NULL;
    Py_RETURN_NONE;
}

static int
build_task(void *raw, struct conc_stop *stop)
{
    struct task *task = raw;
    struct conc_cycle *cycle = &task->self->cycles[task->slot];
    *cycle = (struct conc_cycle){.base = task->self->arena.base, .lines = task->lines, .slot = task->slot};
    int err = conc_affinity_pin(task->cpu);
    if (err == 0)
        err = conc_cycle_build(cycle, task->seed, stop, task->deadline_ns);
    if (err != 0)
        cycle->lines = 0;
    return err;
}

static PyObject *
arena_build(PyObject *op, PyObject *args)
{
    ArenaObject *self = ArenaObject_CAST(op);
    struct task task = {.self = self};
    Py_ssize_t slot, size, cpu;
    unsigned long long seed;
    PyObject *timeout;
    if (!PyArg_ParseTuple(args, "nnKnO:build", &slot, &size, &seed, &cpu, &timeout) || !check_cpu(cpu) ||
        !parse_deadline(timeout, &task.deadline_ns))
        return NULL;
    if (slot < 0 || (size_t)slot >= CONC_CYCLE_SLOTS)
        return PyErr_Format(PyExc_ValueError, "slot must be in 0..%zu, not %zd", CONC_CYCLE_SLOTS - 1, slot);
    if (size < (Py_ssize_t)(CONC_CYCLE_FEWEST_LINES * CONC_CACHE_LINE) || (size_t)size > self->arena.size)
        return PyErr_Format(PyExc_ValueError, "a working set of %zd bytes does not fit an arena of %zu", size,
                            self->arena.size);
    task.slot = (size_t)slot;
    task.cpu = (size_t)cpu;
    task.seed = seed;
    task.lines = (size_t)size / CONC_CACHE_LINE;
    if (run_task("link a pointer cycle", build_task, &task) < 0)
        return NULL;
    Py_RETURN_NONE;
}

static int
chase_task(void *raw, struct conc_stop *stop)
{
    struct task *task = raw;
    if (task->self->cycles[task->slot].lines == 0)
        return -ENODATA;                                /* none is built there */
    int err = conc_affinity_pin(task->cpu);
    if (err != 0)
        return err;
    struct conc_latency_plan plan = {.cpu = task->cpu, .warm_laps = 1, .wanted = task->wanted, .most = task->most,
                                     .whole_lap = task->whole_lap, .deadline_ns = task->deadline_ns};
    return conc_latency_run(&task->self->cycles[task->slot], &plan, stop, &task->samples);
}

static PyObject *
arena_chase(PyObject *op, PyObject *args)
{
    struct task task = {.self = ArenaObject_CAST(op)};
    Py_ssize_t slot, cpu, wanted, most;
    int whole_lap;
    PyObject *timeout;
    if (!PyArg_ParseTuple(args, "nnnnpO:chase", &slot, &cpu, &wanted, &most, &whole_lap, &timeout) ||
        !check_cpu(cpu) || !parse_deadline(timeout, &task.deadline_ns))
        return NULL;
    if (slot < 0 || (size_t)slot >= CONC_CYCLE_SLOTS)
        return PyErr_Format(PyExc_ValueError, "slot must be in 0..%zu, not %zd", CONC_CYCLE_SLOTS - 1, slot);
    if (wanted < 1 || most < wanted)
        return PyErr_Format(PyExc_ValueError, "need 1 <= wanted <= most, not %zd, %zd", wanted, most);
    task.slot = (size_t)slot;
    task.cpu = (size_t)cpu;
    task.whole_lap = whole_lap;
    task.wanted = (size_t)wanted;
    task.most = (size_t)most;
    PyObject *list = NULL;
    if (run_task("measure latency", chase_task, &task) == 0)
        list = samples_as_list(&task.samples);
    conc_samples_clear(&task.samples);
    return list;
}

static int
stream_task(void *raw, struct conc_stop *stop)
{
    struct task *task = raw;
    struct conc_bandwidth_plan plan = {.kernel = task->kernel, .arena = &task->self->arena, .cpus = task->cpus,
                                       .threads = task->threads, .wanted = task->wanted, .most = task->most,
                                       .deadline_ns = task->deadline_ns};
    return conc_bandwidth_run(&plan, stop, &task->samples);
}

/* [owned] by conc_free(); NULL with an exception set. */
static size_t *
parse_cpus(PyObject *sequence, size_t *count)
{
    PyObject *fast = PySequence_Tuple(sequence);
    if (fast == NULL)
        return NULL;
    *count = (size_t)PySequence_Fast_GET_SIZE(fast);
    size_t *cpus = *count == 0 ? NULL : conc_alloc_array(*count, sizeof(*cpus));
    if (*count == 0)
        PyErr_SetString(PyExc_ValueError, "cpus must name at least one CPU");
    else if (cpus == NULL)
        PyErr_NoMemory();
    for (size_t i = 0; cpus != NULL && i < *count; i++) {
        Py_ssize_t cpu = PyNumber_AsSsize_t(PySequence_Fast_GET_ITEM(fast, (Py_ssize_t)i), PyExc_ValueError);
        if ((cpu == -1 && PyErr_Occurred()) || !check_cpu(cpu)) {
            conc_free(cpus);
            cpus = NULL;
        }
        else {
            cpus[i] = (size_t)cpu;
        }
    }
    Py_DECREF(fast);
    return cpus;
}

static PyObject *
arena_stream(PyObject *op, PyObject *args)
{
    struct task task = {.self = ArenaObject_CAST(op)};
    const char *name;
    PyObject *sequence, *timeout;
    Py_ssize_t wanted, most;
    if (!PyArg_ParseTuple(args, "sOnnO:stream", &name, &sequence, &wanted, &most, &timeout) ||
        !parse_deadline(timeout, &task.deadline_ns))
        return NULL;
    if (wanted < 1 || most < wanted)
        return PyErr_Format(PyExc_ValueError, "need 1 <= wanted <= most, not %zd, %zd", wanted, most);
    task.kernel = conc_stream_find(name);
    if (task.kernel == NULL)
        return PyErr_Format(PyExc_ValueError, "no stream kernel is named '%s'", name);
    size_t *cpus = parse_cpus(sequence, &task.threads);
    if (cpus == NULL)
        return NULL;
    task.cpus = cpus;
    task.wanted = (size_t)wanted;
    task.most = (size_t)most;
    PyObject *list = NULL;
    if (run_task("measure bandwidth", stream_task, &task) == 0)
        list = samples_as_list(&task.samples);
    conc_samples_clear(&task.samples);
    conc_free(cpus);
    return list;
}

/* [owned] {node: pages} of the nodes that have any. */
static PyObject *
pages_by_node(const struct conc_placement *placement)
{
    PyObject *pages = PyDict_New();
    for (int node = 0; pages != NULL && node < CONC_NODE_LIMIT; node++) {
        if (placement->on_node[node] == 0)
            continue;
        PyObject *key = PyLong_FromLong(node), *value = PyLong_FromSize_t(placement->on_node[node]);
        if (key == NULL || value == NULL || PyDict_SetItem(pages, key, value) < 0)
            Py_CLEAR(pages);
        Py_XDECREF(key);
        Py_XDECREF(value);
    }
    return pages;
}

static PyObject *
arena_placement(PyObject *op, PyObject *Py_UNUSED(ignored))
{
    static const char *const methods[] = {
        [CONC_VERIFIED_BY_NOTHING] = "unverified",
        [CONC_VERIFIED_BY_MOVE_PAGES] = "move_pages",
        [CONC_VERIFIED_BY_GET_MEMPOLICY] = "get_mempolicy",
    };
    ArenaObject *self = ArenaObject_CAST(op);
    struct conc_placement placement;
    size_t huge_bytes;
    int err, huge_err;
    if (!take(self))
        return NULL;
    CONC_BEGIN_DETACHED                              /* uses: self->arena (busy), placement, huge_bytes */
    err = conc_arena_placement(&self->arena, 0, self->arena.size, &placement);
    huge_err = conc_memory_huge_bytes(self->arena.base, self->arena.size, &huge_bytes);
    CONC_END_DETACHED
    give_back(self);
    if (err != 0)
        return conc_raise("ask where pages are", err);
    PyObject *pages = pages_by_node(&placement);
    if (pages == NULL)
        return NULL;
    return Py_BuildValue("(NnnsN)", pages, (Py_ssize_t)placement.pages, (Py_ssize_t)placement.absent,
                         methods[placement.verified_by],
                         huge_err == 0 ? PyLong_FromSize_t(huge_bytes) : Py_NewRef(Py_None));
}

static PyObject *
arena_get_size(PyObject *op, void *Py_UNUSED(closure))
{
    return PyLong_FromSize_t(ArenaObject_CAST(op)->arena.size);
}

static PyObject *
arena_get_bind_errno(PyObject *op, void *Py_UNUSED(closure))
{
    return PyLong_FromLong(-ArenaObject_CAST(op)->arena.bind_err);
}

static PyMethodDef arena_methods[] = {
    {"touch", arena_touch, METH_VARARGS,
     PyDoc_STR("touch($self, cpu, timeout, /)\n--\n\nPlace every page, from a thread pinned to `cpu`.")},
    {"build", arena_build, METH_VARARGS,
     PyDoc_STR("build($self, slot, size, seed, cpu, timeout, /)\n--\n\n"
               "Link a random cycle through the first `size` bytes.")},
    {"chase", arena_chase, METH_VARARGS,
     PyDoc_STR("chase($self, slot, cpu, wanted, most, whole_lap, timeout, /)\n--\n\n"
               "Latency samples [(ns a load, involuntary switches, steal ticks), ...]; -1 is unknown.")},
    {"stream", arena_stream, METH_VARARGS,
     PyDoc_STR("stream($self, kernel, cpus, wanted, most, timeout, /)\n--\n\n"
               "Bandwidth samples [(GB/s, involuntary switches, steal ticks), ...]; -1 is unknown.")},
    {"placement", arena_placement, METH_NOARGS,
     PyDoc_STR("placement($self, /)\n--\n\n({node: pages}, pages asked, pages absent, by which means, bytes on huge "
               "pages or None).")},
    {"close", arena_close, METH_NOARGS, PyDoc_STR("close($self, /)\n--\n\nGive the memory back.")},
    {NULL, NULL, 0, NULL},
};

static PyGetSetDef arena_def[] = {
    {"size", arena_get_size, NULL, PyDoc_STR("bytes, whole pages"), NULL},
    {"bind_errno", arena_get_bind_errno, NULL,
     PyDoc_STR("0, or the errno with which the system refused to bind; first touch decides then"), NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyType_Slot arena_slots[] = {
    {Py_tp_doc, (void *)PyDoc_STR("Arena(size, node=-1, huge=True)\n--\n\nMemory whose NUMA node is known.")},
    {Py_tp_new, arena_new},
    {Py_tp_dealloc, arena_dealloc},
    {Py_tp_methods, arena_methods},
    {Py_tp_getset, arena_def},
    {0, NULL},
};

static PyType_Spec arena_spec = {
    .name = "conc._core.Arena",
    .basicsize = sizeof(ArenaObject),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = arena_slots,
};

int
conc_arena_exec(PyObject *module)
{
    return conc_add_type(module, &conc_core_state(module)->arena_type, &arena_spec);
}
