/* SPDX-License-Identifier: Apache-2.0 */
/* topology/model.h - a machine as its operating system tells it: nodes, CPUs, caches. Plain data, filled by a reader
 * (sysfs.h) and then constant. What the source does not tell is CONC_UNKNOWN, never 0. */
#ifndef CONC_TOPOLOGY_MODEL_H
#define CONC_TOPOLOGY_MODEL_H

#include <stddef.h>
#include <stdint.h>

#include "base/bitset.h"

#define CONC_UNKNOWN INT64_C(-1)

enum conc_node_source {
    CONC_NODES_READ,            /* the source lists them */
    CONC_NODES_ASSUMED,         /* it has no list: one node 0 with every CPU is assumed */
};

/* A node may have no CPUs (memory only: CXL, HBM) or no memory (CPUs only). */
struct conc_topology_node {
    unsigned id;                /* ids may have holes */
    struct conc_bitset cpus;    /* online CPUs; empty for a memory-only node */
    int64_t memory_total;       /* bytes; 0 is a node without memory */
    int64_t memory_free;        /* bytes, at the moment of reading */
    int64_t *distance;          /* [owned] to each of the nodes, by index (not id); as the firmware says (SLIT: 10 is
                                 * local), which need not be physically right; CONC_UNKNOWN each when not told */
};

struct conc_topology_cpu {
    size_t id;
    int64_t package;
    int64_t core;               /* unique within the package */
    struct conc_bitset siblings;    /* hardware threads of the same core, this one too; empty when not told */
};

enum conc_cache_type {
    CONC_CACHE_DATA,
    CONC_CACHE_INSTRUCTION,
    CONC_CACHE_UNIFIED,
};

/* One physical cache: each appears once, however many CPUs share it. */
struct conc_topology_cache {
    int level;
    enum conc_cache_type type;
    int64_t size;               /* bytes */
    int64_t line_size;          /* bytes */
    int64_t ways;               /* 0: fully associative, as the kernel writes it */
    struct conc_bitset cpus;    /* that share it */
};

struct conc_topology {
    struct conc_topology_node *nodes;       /* [owned] by id, rising */
    size_t node_count;
    enum conc_node_source nodes_from;
    struct conc_topology_cpu *cpus;         /* [owned] online ones, by id, rising */
    size_t cpu_count;
    struct conc_topology_cache *caches;     /* [owned] in order of first CPU, then level */
    size_t cache_count;
};

/* Frees everything and leaves an empty machine; right for a zeroed and a half-filled one too. */
void conc_topology_clear(struct conc_topology *topology);

/* The index of the node with this id, or topology->node_count. */
size_t conc_topology_node_index(const struct conc_topology *topology, unsigned id);

#endif
