/* SPDX-License-Identifier: Apache-2.0 */
/* topology/sysfs.c - see the header. A file that is missing leaves its field unknown; a file that is there and cannot
 * be understood is an error: a probe must not guess. */
#include "topology/sysfs.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "os/file.h"
#include "os/memory.h"
#include "topology/cpulist.h"
#include "topology/sysfs_text.h"

#define CPU_FOLDER "sys/devices/system/cpu"
#define NODE_FOLDER "sys/devices/system/node"
#define TEXT_SIZE 65536         /* the longest list: every second of CONC_CPU_LIMIT / 4 CPUs */
#define MOST_CACHES_OF_A_CPU 16

struct reader {
    int root;
    char *path;                         /* the caller's `problem`: always the last file looked at */
    char text[TEXT_SIZE];
    size_t length;
};

/* Missing is what a file that this kernel does not have gives. */
static bool
is_missing(int err)
{
    return err == -ENOENT || err == -ENOTDIR;
}

__attribute__((format(printf, 2, 3))) static int
read_text(struct reader *r, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(r->path, CONC_SYSFS_PATH, format, arguments);
    va_end(arguments);
    ssize_t n = conc_file_read(r->root, r->path, r->text, sizeof(r->text));
    if (n < 0)
        return (int)n;
    r->length = (size_t)n;
    return 0;
}

/* After read_text(): a missing file is CONC_UNKNOWN. */
static int
number_of(const struct reader *r, int err, int64_t *value)
{
    *value = CONC_UNKNOWN;
    if (is_missing(err))
        return 0;
    return err != 0 ? err : conc_sysfs_parse_number(r->text, r->length, value);
}

/* After read_text(): a missing file is the empty set. */
static int
list_of(const struct reader *r, int err, struct conc_bitset *set)
{
    if (is_missing(err))
        return 0;
    return err != 0 ? err : conc_cpulist_parse(r->text, r->length, set);
}

struct folder_scan {
    const char *prefix;                 /* "node" finds node0, node8 */
    struct conc_bitset *ids;
};

static int
add_numbered_entry(const char *name, void *arg)
{
    struct folder_scan *scan = arg;
    size_t length = strlen(scan->prefix);
    struct conc_bitset id = {0};
    int err = 0;
    if (strncmp(name, scan->prefix, length) == 0 && name[length] >= '0' && name[length] <= '9' &&
        strspn(name + length, "0123456789") == strlen(name + length)) {
        err = conc_cpulist_parse(name + length, strlen(name + length), &id);
        if (err == 0)
            err = conc_bitset_add(scan->ids, conc_bitset_next(&id, 0));
    }
    conc_bitset_clear(&id);
    return err;
}

/* The ids that `folder`/online lists, or those of its numbered entries where there is no such file. */
static int
read_ids(struct reader *r, const char *folder, const char *prefix, struct conc_bitset *ids)
{
    int err = read_text(r, "%s/online", folder);
    if (!is_missing(err))
        return list_of(r, err, ids);
    snprintf(r->path, CONC_SYSFS_PATH, "%s", folder);
    struct folder_scan scan = {prefix, ids};
    err = conc_folder_each(r->root, folder, add_numbered_entry, &scan);
    return is_missing(err) ? 0 : err;
}

static int
read_node(struct reader *r, struct conc_topology_node *node, size_t node_count)
{
    int err = list_of(r, read_text(r, NODE_FOLDER "/node%u/cpulist", node->id), &node->cpus);
    if (err != 0)
        return err;
    node->memory_total = node->memory_free = CONC_UNKNOWN;
    err = read_text(r, NODE_FOLDER "/node%u/meminfo", node->id);
    if (err == 0)
        err = conc_sysfs_parse_meminfo(r->text, r->length, "MemTotal", &node->memory_total);
    if (err == 0)
        err = conc_sysfs_parse_meminfo(r->text, r->length, "MemFree", &node->memory_free);
    if (err != 0 && !is_missing(err))
        return err;

    node->distance = conc_alloc_array(node_count, sizeof(*node->distance));
    if (node->distance == NULL)
        return -ENOMEM;
    for (size_t i = 0; i < node_count; i++)
        node->distance[i] = CONC_UNKNOWN;
    err = read_text(r, NODE_FOLDER "/node%u/distance", node->id);
    if (err == 0)
        err = conc_sysfs_parse_distances(r->text, r->length, node->distance, node_count);
    return is_missing(err) ? 0 : err;
}

static int
read_nodes(struct reader *r, const struct conc_bitset *cpus, struct conc_topology *topology)
{
    struct conc_bitset ids = {0};
    int err = read_ids(r, NODE_FOLDER, "node", &ids);
    if (err == 0 && conc_bitset_next(&ids, CONC_NODE_LIMIT) != CONC_BITSET_END)
        err = -EBADMSG;         /* every node has a distance to every other */
    size_t count = conc_bitset_count(&ids);
    topology->nodes_from = count > 0 ? CONC_NODES_READ : CONC_NODES_ASSUMED;
    if (err == 0 && count == 0)
        err = conc_bitset_add(&ids, 0);
    if (err != 0)
        goto done;
    count = conc_bitset_count(&ids);
    topology->nodes = conc_alloc_array(count, sizeof(*topology->nodes));
    if (topology->nodes == NULL) {
        err = -ENOMEM;
        goto done;
    }
    topology->node_count = count;
    size_t id = conc_bitset_next(&ids, 0);
    for (size_t i = 0; i < count && err == 0; i++, id = conc_bitset_next(&ids, id + 1)) {
        topology->nodes[i].id = (unsigned)id;
        err = read_node(r, &topology->nodes[i], count);
    }
    if (err == 0 && topology->nodes_from == CONC_NODES_ASSUMED) {
        for (size_t cpu = conc_bitset_next(cpus, 0); cpu != CONC_BITSET_END && err == 0;
             cpu = conc_bitset_next(cpus, cpu + 1))
            err = conc_bitset_add(&topology->nodes[0].cpus, cpu);
    }
done:
    conc_bitset_clear(&ids);
    return err;
}

static int
read_cpu(struct reader *r, struct conc_topology_cpu *cpu)
{
    int err = number_of(r, read_text(r, CPU_FOLDER "/cpu%zu/topology/physical_package_id", cpu->id), &cpu->package);
    if (err == 0)
        err = number_of(r, read_text(r, CPU_FOLDER "/cpu%zu/topology/core_id", cpu->id), &cpu->core);
    if (err != 0)
        return err;
    return list_of(r, read_text(r, CPU_FOLDER "/cpu%zu/topology/thread_siblings_list", cpu->id), &cpu->siblings);
}

/* -ENOENT: the CPU has no cache with this index. */
static int
read_cache(struct reader *r, size_t cpu, int index, struct conc_topology_cache *cache)
{
    int64_t level;
    int err = read_text(r, CPU_FOLDER "/cpu%zu/cache/index%d/level", cpu, index);
    if (err != 0)
        return is_missing(err) ? -ENOENT : err;
    err = conc_sysfs_parse_number(r->text, r->length, &level);
    if (err != 0 || level < 1 || level > 9)
        return -EBADMSG;
    cache->level = (int)level;
    err = read_text(r, CPU_FOLDER "/cpu%zu/cache/index%d/type", cpu, index);
    if (err == 0)
        err = conc_sysfs_parse_cache_type(r->text, r->length, &cache->type);
    if (err != 0)
        return is_missing(err) ? -EBADMSG : err;
    err = number_of(r, read_text(r, CPU_FOLDER "/cpu%zu/cache/index%d/size", cpu, index), &cache->size);
    if (err == 0)
        err = number_of(r, read_text(r, CPU_FOLDER "/cpu%zu/cache/index%d/coherency_line_size", cpu, index),
                        &cache->line_size);
    if (err == 0)
        err = number_of(r, read_text(r, CPU_FOLDER "/cpu%zu/cache/index%d/ways_of_associativity", cpu, index),
                        &cache->ways);
    if (err == 0)
        err = list_of(r, read_text(r, CPU_FOLDER "/cpu%zu/cache/index%d/shared_cpu_list", cpu, index), &cache->cpus);
    return err != 0 ? err : conc_bitset_add(&cache->cpus, cpu);
}

static int
append_cache(struct conc_topology *topology, const struct conc_topology_cache *cache)
{
    if ((topology->cache_count & (topology->cache_count - 1)) == 0) {       /* full at each power of two */
        size_t room = topology->cache_count == 0 ? 1 : 2 * topology->cache_count;
        struct conc_topology_cache *more = conc_realloc(topology->caches, room * sizeof(*more));
        if (more == NULL)
            return -ENOMEM;
        topology->caches = more;
    }
    topology->caches[topology->cache_count++] = *cache;
    return 0;
}

/* A shared cache shows under every CPU that shares it: it is taken from the first of them that is online. */
static int
read_caches_of(struct reader *r, size_t cpu, const struct conc_bitset *online, struct conc_topology *topology)
{
    for (int index = 0; index < MOST_CACHES_OF_A_CPU; index++) {
        struct conc_topology_cache cache = {0};
        int err = read_cache(r, cpu, index, &cache);
        size_t first = conc_bitset_next(&cache.cpus, 0);
        while (first != CONC_BITSET_END && !conc_bitset_has(online, first))
            first = conc_bitset_next(&cache.cpus, first + 1);
        bool taken = err == 0 && first == cpu;
        if (taken)
            err = append_cache(topology, &cache);
        if (err != 0 || !taken)
            conc_bitset_clear(&cache.cpus);
        if (err != 0)
            return err == -ENOENT ? 0 : err;
    }
    return 0;
}

static int
read_machine(struct reader *r, struct conc_bitset *cpus, struct conc_topology *topology)
{
    int err = read_ids(r, CPU_FOLDER, "cpu", cpus);
    size_t count = conc_bitset_count(cpus);
    if (err != 0 || count == 0)
        return err != 0 ? err : -ENODATA;
    err = read_nodes(r, cpus, topology);
    if (err != 0)
        return err;
    topology->cpus = conc_alloc_array(count, sizeof(*topology->cpus));
    if (topology->cpus == NULL)
        return -ENOMEM;
    topology->cpu_count = count;
    size_t id = conc_bitset_next(cpus, 0);
    for (size_t i = 0; i < count && err == 0; i++, id = conc_bitset_next(cpus, id + 1)) {
        topology->cpus[i].id = id;
        err = read_cpu(r, &topology->cpus[i]);
        if (err == 0)
            err = read_caches_of(r, id, cpus, topology);
    }
    return err;
}

int
conc_sysfs_read(const char *root, struct conc_topology *topology, char problem[CONC_SYSFS_PATH])
{
    *topology = (struct conc_topology){0};
    problem[0] = '\0';
    struct reader *r = conc_alloc(sizeof(*r));
    if (r == NULL)
        return -ENOMEM;
    r->path = problem;
    r->root = conc_root_open(root);
    if (r->root < 0) {
        int err = r->root;
        conc_free(r);
        return err;
    }
    struct conc_bitset cpus = {0};
    int err = read_machine(r, &cpus, topology);
    conc_bitset_clear(&cpus);
    conc_root_close(r->root);
    conc_free(r);
    if (err != 0)
        conc_topology_clear(topology);
    return err;
}
