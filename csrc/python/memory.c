/* SPDX-License-Identifier: Apache-2.0 */
/* python/memory.c - functions about the machine: topology, lists of CPUs, statistics. */
#include "python/core.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>

#include "base/alloc.h"
#include "kernels/stream.h"
#include "os/affinity.h"
#include "os/memory.h"
#include "os/memory_limit.h"
#include "probe/samples.h"
#include "python/attach.h"
#include "python/errors.h"
#include "topology/cpulist.h"
#include "topology/sysfs.h"

/* [owned] members, rising. */
static PyObject *
bitset_as_list(const struct conc_bitset *set)
{
    PyObject *list = PyList_New(0);
    for (size_t i = conc_bitset_next(set, 0); list != NULL && i != CONC_BITSET_END; i = conc_bitset_next(set, i + 1)) {
        PyObject *item = PyLong_FromSize_t(i);
        if (item == NULL || PyList_Append(list, item) < 0)
            Py_CLEAR(list);
        Py_XDECREF(item);
    }
    return list;
}

/* [owned] an int, or None for CONC_UNKNOWN. */
static PyObject *
known_or_none(int64_t value)
{
    return value == CONC_UNKNOWN ? Py_NewRef(Py_None) : PyLong_FromLongLong(value);
}

static PyObject *
node_as_tuple(const struct conc_topology *topology, size_t index)
{
    const struct conc_topology_node *node = &topology->nodes[index];
    PyObject *distance = PyList_New((Py_ssize_t)topology->node_count);
    for (size_t i = 0; distance != NULL && i < topology->node_count; i++) {
        PyObject *value = known_or_none(node->distance[i]);
        if (value == NULL)
            Py_CLEAR(distance);
        else
            PyList_SET_ITEM(distance, (Py_ssize_t)i, value);
    }
    if (distance == NULL)
        return NULL;
    return Py_BuildValue("(INNNN)", node->id, bitset_as_list(&node->cpus), known_or_none(node->memory_total),
                         known_or_none(node->memory_free), distance);
}

static PyObject *
cpu_as_tuple(const struct conc_topology *topology, size_t index)
{
    const struct conc_topology_cpu *cpu = &topology->cpus[index];
    return Py_BuildValue("(nNNN)", (Py_ssize_t)cpu->id, known_or_none(cpu->package), known_or_none(cpu->core),
                         bitset_as_list(&cpu->siblings));
}

static PyObject *
cache_as_tuple(const struct conc_topology *topology, size_t index)
{
    static const char *const types[] = {
        [CONC_CACHE_DATA] = "data", [CONC_CACHE_INSTRUCTION] = "instruction", [CONC_CACHE_UNIFIED] = "unified",
    };
    const struct conc_topology_cache *cache = &topology->caches[index];
    return Py_BuildValue("(isNNNN)", cache->level, types[cache->type], known_or_none(cache->size),
                         known_or_none(cache->line_size), known_or_none(cache->ways), bitset_as_list(&cache->cpus));
}

static PyObject *
as_list(const struct conc_topology *topology, size_t count,
        PyObject *(*convert)(const struct conc_topology *topology, size_t index))
{
    PyObject *list = PyList_New((Py_ssize_t)count);
    for (size_t i = 0; list != NULL && i < count; i++) {
        PyObject *item = convert(topology, i);
        if (item == NULL)
            Py_CLEAR(list);
        else
            PyList_SET_ITEM(list, (Py_ssize_t)i, item);
    }
    return list;
}

/* The exception names the file below `root` that was the problem. Always NULL. */
static PyObject *
raise_for_file(PyObject *root, const char *problem, int err)
{
    PyObject *path = *problem == '\0' ? PyUnicode_DecodeFSDefault(PyBytes_AS_STRING(root))
                                      : PyUnicode_FromFormat("%s/%s", PyBytes_AS_STRING(root), problem);
    if (path != NULL)
        conc_raise_for("read the topology", err, path);
    Py_XDECREF(path);
    return NULL;
}

static PyObject *
topology_read(PyObject *Py_UNUSED(module), PyObject *path)
{
    PyObject *root;
    if (!PyUnicode_FSConverter(path, &root))
        return NULL;
    struct conc_topology topology;
    char problem[CONC_SYSFS_PATH];
    int err;
    CONC_BEGIN_DETACHED                              /* uses: root's bytes, topology, problem */
    err = conc_sysfs_read(PyBytes_AS_STRING(root), &topology, problem);
    CONC_END_DETACHED
    PyObject *result = NULL;
    if (err != 0)
        raise_for_file(root, problem, err);
    else
        result = Py_BuildValue("(NNNN)", PyBool_FromLong(topology.nodes_from == CONC_NODES_READ),
                               as_list(&topology, topology.node_count, node_as_tuple),
                               as_list(&topology, topology.cpu_count, cpu_as_tuple),
                               as_list(&topology, topology.cache_count, cache_as_tuple));
    conc_topology_clear(&topology);
    Py_DECREF(root);
    return result;
}

static PyObject *
cpulist_parse(PyObject *Py_UNUSED(module), PyObject *text)
{
    Py_ssize_t length;
    const char *bytes = PyUnicode_AsUTF8AndSize(text, &length);
    if (bytes == NULL)
        return NULL;
    struct conc_bitset set = {0};
    int err = conc_cpulist_parse(bytes, (size_t)length, &set);
    PyObject *list = NULL;
    if (err == -EBADMSG)
        PyErr_Format(PyExc_ValueError, "%R is not a list of CPUs like '0-3,8' (ids below %d)", text, CONC_CPU_LIMIT);
    else if (err != 0)
        conc_raise("parse a list of CPUs", err);
    else
        list = bitset_as_list(&set);
    conc_bitset_clear(&set);
    return list;
}

static PyObject *
affinity(PyObject *Py_UNUSED(module), PyObject *Py_UNUSED(ignored))
{
    struct conc_bitset cpus = {0};
    int err = conc_affinity_get(&cpus);
    PyObject *list = err != 0 ? conc_raise("ask for the thread's CPUs", err) : bitset_as_list(&cpus);
    conc_bitset_clear(&cpus);
    return list;
}

static PyObject *
memory_available(PyObject *Py_UNUSED(module), PyObject *Py_UNUSED(ignored))
{
    uint64_t bytes;
    int err;
    CONC_BEGIN_DETACHED                              /* uses: bytes */
    err = conc_memory_available(&bytes);
    CONC_END_DETACHED
    if (err != 0)
        return conc_raise("ask for the available memory", err);
    return PyLong_FromUnsignedLongLong(bytes);
}

static PyObject *
page_sizes(PyObject *Py_UNUSED(module), PyObject *Py_UNUSED(ignored))
{
    return Py_BuildValue("(nn)", (Py_ssize_t)conc_memory_page_size(), (Py_ssize_t)conc_memory_huge_page_size());
}

/* [owned] by conc_free(); NULL with an exception set. */
static double *
parse_values(PyObject *sequence, size_t *count)
{
    PyObject *fast = PySequence_Tuple(sequence);
    if (fast == NULL)
        return NULL;
    *count = (size_t)PySequence_Fast_GET_SIZE(fast);
    double *values = *count == 0 ? NULL : conc_alloc_array(*count, sizeof(*values));
    if (*count == 0)
        PyErr_SetString(PyExc_ValueError, "values must not be empty");
    else if (values == NULL)
        PyErr_NoMemory();
    for (size_t i = 0; values != NULL && i < *count; i++) {
        values[i] = PyFloat_AsDouble(PySequence_Fast_GET_ITEM(fast, (Py_ssize_t)i));
        bool failed = values[i] == -1.0 && PyErr_Occurred();
        if (!failed && isnan(values[i]))
            PyErr_SetString(PyExc_ValueError, "values must not hold nan");
        if (failed || isnan(values[i])) {
            conc_free(values);
            values = NULL;
        }
    }
    Py_DECREF(fast);
    return values;
}

static PyObject *
statistics(PyObject *Py_UNUSED(module), PyObject *sequence)
{
    size_t count;
    double *values = parse_values(sequence, &count);
    if (values == NULL)
        return NULL;
    struct conc_statistics s;
    int err = conc_statistics_of(values, count, &s);
    conc_free(values);
    if (err != 0)
        return conc_raise("compute statistics", err);
    return Py_BuildValue("(dddddddddd)", s.min, s.p5, s.p25, s.median, s.p75, s.p95, s.max, s.mad, s.low, s.high);
}

static PyObject *
stream_kernels(PyObject *Py_UNUSED(module), PyObject *Py_UNUSED(ignored))
{
    PyObject *list = PyList_New(0);
    for (const struct conc_stream_kernel *k = conc_stream_kernels; list != NULL && k->name != NULL; k++) {
        if (conc_stream_find(k->name) != k)
            continue;
        PyObject *item = Py_BuildValue("(ssIIII)", k->name, k->variant, k->arrays, k->bytes_read, k->bytes_written,
                                       k->operations);
        if (item == NULL || PyList_Append(list, item) < 0)
            Py_CLEAR(list);
        Py_XDECREF(item);
    }
    return list;
}

static PyMethodDef memory_methods[] = {
    {"topology_read", topology_read, METH_O,
     PyDoc_STR("topology_read($module, root, /)\n--\n\n"
               "(nodes are listed, nodes, cpus, caches) of the machine below `root`.")},
    {"cpulist_parse", cpulist_parse, METH_O,
     PyDoc_STR("cpulist_parse($module, text, /)\n--\n\nThe members of a kernel list like '0-3,8', rising.")},
    {"affinity", affinity, METH_NOARGS,
     PyDoc_STR("affinity($module, /)\n--\n\nThe CPUs that the calling thread may run on, rising.")},
    {"memory_available", memory_available, METH_NOARGS,
     PyDoc_STR("memory_available($module, /)\n--\n\n"
               "Bytes that this process may still take: machine and control groups.")},
    {"page_sizes", page_sizes, METH_NOARGS,
     PyDoc_STR("page_sizes($module, /)\n--\n\n"
               "(base page, transparent huge page), in bytes; equal where there are no huge ones.")},
    {"statistics", statistics, METH_O,
     PyDoc_STR("statistics($module, values, /)\n--\n\n"
               "(min, p5, p25, median, p75, p95, max, mad, low, high); the last two: the median's 95 % interval.")},
    {"stream_kernels", stream_kernels, METH_NOARGS,
     PyDoc_STR("stream_kernels($module, /)\n--\n\n"
               "[(name, variant, arrays, bytes read, bytes written, operations), ...], per element.")},
    {NULL, NULL, 0, NULL},
};

int
conc_memory_exec(PyObject *module)
{
    return PyModule_AddFunctions(module, memory_methods);
}
