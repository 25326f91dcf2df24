/* SPDX-License-Identifier: Apache-2.0 */
/* topology/model.c - see the header. */
#include "topology/model.h"

#include "base/alloc.h"

void
conc_topology_clear(struct conc_topology *topology)
{
    for (size_t i = 0; i < topology->node_count; i++) {
        conc_bitset_clear(&topology->nodes[i].cpus);
        conc_free(topology->nodes[i].distance);
    }
    for (size_t i = 0; i < topology->cpu_count; i++)
        conc_bitset_clear(&topology->cpus[i].siblings);
    for (size_t i = 0; i < topology->cache_count; i++)
        conc_bitset_clear(&topology->caches[i].cpus);
    conc_free(topology->nodes);
    conc_free(topology->cpus);
    conc_free(topology->caches);
    *topology = (struct conc_topology){0};
}

size_t
conc_topology_node_index(const struct conc_topology *topology, unsigned id)
{
    size_t index = 0;
    while (index < topology->node_count && topology->nodes[index].id != id)
        index++;
    return index;
}
