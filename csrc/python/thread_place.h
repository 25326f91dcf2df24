/* SPDX-License-Identifier: Apache-2.0 */
/* python/thread_place.h - where a thread runs and where its memory comes from: set in the thread before anything else. */
#ifndef CONC_PYTHON_THREAD_PLACE_H
#define CONC_PYTHON_THREAD_PLACE_H

#include "python/core.h"

#include "base/bitset.h"
#include "os/memory_policy.h"

struct conc_thread_place {
    struct conc_bitset cpus;        /* owned; empty: as the starter's */
    struct conc_memory_policy memory;   /* CONC_MEMORY_DEFAULT: as the starter's */
};

/* Reads what conc.threads made of affinity= and node=: (CPUs or None, "default", "local" or "bind", the node to bind to, the node asked for). 0, or -1 with
 * an exception. */
int conc_thread_place_parse(PyObject *place, struct conc_thread_place *out);
void conc_thread_place_clear(struct conc_thread_place *place);

/* Places the calling thread: 0, or a negative errno. Needs no Python. */
int conc_thread_place_apply(const struct conc_thread_place *place);

/* Method of the module: place_calling_thread(place). */
PyObject *conc_place_calling_thread(PyObject *module, PyObject *place);

#endif
