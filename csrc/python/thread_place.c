/* SPDX-License-Identifier: Apache-2.0 */
/* python/thread_place.c - see the header. */
#include "python/thread_place.h"

#include <errno.h>

#include "os/affinity.h"
#include "python/errors.h"

static int
parse_cpus(PyObject *cpus, struct conc_bitset *out)
{
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(cpus); i++) {
        Py_ssize_t cpu = PyNumber_AsSsize_t(PyTuple_GET_ITEM(cpus, i), PyExc_OverflowError);
        if (cpu == -1 && PyErr_Occurred())
            return -1;
        int err = cpu < 0 ? -ERANGE : conc_bitset_add(out, (size_t)cpu);
        if (err != 0) {
            conc_raise("read a set of CPUs", err);
            return -1;
        }
    }
    return 0;
}

int
conc_thread_place_parse(PyObject *place, struct conc_thread_place *out)
{
    PyObject *cpus, *asked;
    const char *memory;
    unsigned node;
    *out = (struct conc_thread_place){.memory = {.kind = CONC_MEMORY_DEFAULT}};
    if (!PyArg_ParseTuple(place, "OsIO:place", &cpus, &memory, &node, &asked))
        return -1;
    if (memory[0] == 'l')
        out->memory.kind = CONC_MEMORY_LOCAL;
    else if (memory[0] == 'b')
        out->memory = (struct conc_memory_policy){CONC_MEMORY_BIND, node};
    if (cpus != Py_None && parse_cpus(cpus, &out->cpus) < 0) {
        conc_thread_place_clear(out);
        return -1;
    }
    return 0;
}

void
conc_thread_place_clear(struct conc_thread_place *place)
{
    conc_bitset_clear(&place->cpus);
}

int
conc_thread_place_apply(const struct conc_thread_place *place)
{
    int err = conc_bitset_count(&place->cpus) == 0 ? 0 : conc_affinity_set(&place->cpus);
    if (err != 0)
        return err;
    switch (place->memory.kind) {
    case CONC_MEMORY_LOCAL:
        return conc_memory_policy_local();
    case CONC_MEMORY_BIND:
        return conc_memory_policy_bind(place->memory.node);
    default:
        return 0;
    }
}

PyObject *
conc_place_calling_thread(PyObject *Py_UNUSED(module), PyObject *raw)
{
    struct conc_thread_place place;
    if (conc_thread_place_parse(raw, &place) < 0)
        return NULL;
    int err = conc_thread_place_apply(&place);
    conc_thread_place_clear(&place);
    return err == 0 ? Py_NewRef(Py_None) : conc_raise("place the calling thread", err);
}
