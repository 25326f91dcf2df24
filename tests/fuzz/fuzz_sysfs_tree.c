/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz_sysfs_tree.c - conc_sysfs_read() on a tree that is nothing but the input. Replaces os/file.h: a file is
 *
 *   a character that says which of the paths below it is, then its content, up to a record separator (0x1e)
 *
 * and whatever comes of it is a machine that holds together, or an empty one and the file that was wrong.
 * Slow: runs / 5. */
#include "topology/sysfs.h"

#include <errno.h>

#include "fuzz.h"
#include "os/file.h"
#include "os/memory.h"
#include "topology/cpulist.h"

#define SEPARATOR 0x1e

#define CPU "sys/devices/system/cpu/"
#define NODE "sys/devices/system/node/"
#define FIRST '0'

/* Appended to only, or the seeds mean something else. */
static const char *const paths[] = {
    CPU "online", CPU "cpu0/topology/core_id", CPU "cpu0/topology/physical_package_id",
    CPU "cpu0/topology/thread_siblings_list", CPU "cpu1/topology/core_id", CPU "cpu1/topology/physical_package_id",
    CPU "cpu1/topology/thread_siblings_list", CPU "cpu0/cache/index0/level", CPU "cpu0/cache/index0/type",
    CPU "cpu0/cache/index0/size", CPU "cpu0/cache/index0/coherency_line_size",
    CPU "cpu0/cache/index0/ways_of_associativity", CPU "cpu0/cache/index0/shared_cpu_list",
    CPU "cpu0/cache/index1/level", CPU "cpu0/cache/index1/type", CPU "cpu0/cache/index1/shared_cpu_list",
    CPU "cpu1/cache/index0/level", CPU "cpu1/cache/index0/type", CPU "cpu1/cache/index0/shared_cpu_list",
    NODE "online", NODE "node0/cpulist", NODE "node0/meminfo", NODE "node0/distance", NODE "node1/cpulist",
    NODE "node1/meminfo", NODE "node1/distance", NODE "node007/distance", NODE "node65536/cpulist",
    NODE "node1x/cpulist",
};

static const char *tree;
static size_t tree_size;

struct entry {
    const char *path, *content;
    size_t length;
};

static bool
next_entry(size_t *at, struct entry *entry)
{
    while (*at < tree_size) {
        const char *start = tree + *at, *end = memchr(start, SEPARATOR, tree_size - *at);
        size_t size = end != NULL ? (size_t)(end - start) : tree_size - *at;
        size_t which = size > 0 ? (size_t)(unsigned char)start[0] - FIRST : SIZE_MAX;
        *at += size + 1;
        if (which < sizeof(paths) / sizeof(*paths)) {
            *entry = (struct entry){paths[which], start + 1, size - 1};
            return true;
        }
    }
    return false;
}

int
conc_root_open(const char *path)
{
    (void)path;
    return 7;
}

void
conc_root_close(int root)
{
    REQUIRE(root == 7);
}

ssize_t
conc_file_read(int root, const char *path, char *text, size_t capacity)
{
    struct entry entry;
    REQUIRE(root == 7 && strlen(path) < CONC_SYSFS_PATH);
    for (size_t at = 0; next_entry(&at, &entry);) {
        if (strcmp(entry.path, path) != 0)
            continue;
        if (entry.length >= capacity)
            return -EFBIG;
        memcpy(text, entry.content, entry.length);
        text[entry.length] = '\0';
        return (ssize_t)entry.length;
    }
    return -ENOENT;
}

/* The first part of every path below the folder, as often as it comes. */
int
conc_folder_each(int root, const char *path, int (*each)(const char *name, void *arg), void *arg)
{
    struct entry entry;
    size_t length = strlen(path);
    int result = -ENOENT;
    REQUIRE(root == 7);
    for (size_t at = 0; next_entry(&at, &entry);) {
        if (strncmp(entry.path, path, length) != 0 || entry.path[length] != '/')
            continue;
        const char *first = entry.path + length + 1;
        struct slow name = slow_copy(first, strcspn(first, "/"));
        result = each(name.text, arg);
        free(name.text);
        if (result < 0)
            return result;
    }
    return result;
}

static void
check_nodes(const struct conc_topology *t)
{
    REQUIRE(t->node_count > 0);
    for (size_t i = 0; i < t->node_count; i++) {
        const struct conc_topology_node *node = &t->nodes[i];
        REQUIRE(node->id < CONC_NODE_LIMIT && (i == 0 || node->id > t->nodes[i - 1].id));
        REQUIRE(conc_topology_node_index(t, node->id) == i);
        REQUIRE(node->memory_total >= CONC_UNKNOWN && node->memory_free >= CONC_UNKNOWN);
        for (size_t j = 0; j < t->node_count; j++)
            REQUIRE(node->distance[j] >= CONC_UNKNOWN && (node->distance[j] < 0) == (node->distance[0] < 0));
    }
}

static void
check_cpus(const struct conc_topology *t)
{
    REQUIRE(t->cpu_count > 0);
    for (size_t i = 0; i < t->cpu_count; i++) {
        REQUIRE(t->cpus[i].id < CONC_CPU_LIMIT && (i == 0 || t->cpus[i].id > t->cpus[i - 1].id));
        REQUIRE(t->cpus[i].package >= CONC_UNKNOWN && t->cpus[i].core >= CONC_UNKNOWN);
    }
    for (size_t i = 0; i < t->cache_count; i++) {
        const struct conc_topology_cache *cache = &t->caches[i];
        REQUIRE(cache->level >= 1 && cache->level <= 9 && cache->type <= CONC_CACHE_UNIFIED);
        REQUIRE(cache->size >= CONC_UNKNOWN && cache->line_size >= CONC_UNKNOWN && cache->ways >= CONC_UNKNOWN);
        REQUIRE(conc_bitset_count(&cache->cpus) > 0);
    }
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct conc_topology topology;
    char problem[CONC_SYSFS_PATH];
    tree = (const char *)data;
    tree_size = size;
    int err = conc_sysfs_read("/", &topology, problem);
    REQUIRE(err <= 0 && memchr(problem, '\0', sizeof(problem)) != NULL);
    if (err != 0) {
        REQUIRE(err == -EBADMSG || err == -ENODATA || err == -EFBIG);
        REQUIRE(problem[0] != '\0' && topology.nodes == NULL && topology.cpus == NULL && topology.caches == NULL);
        REQUIRE(topology.node_count == 0 && topology.cpu_count == 0 && topology.cache_count == 0);
        return 0;
    }
    check_nodes(&topology);
    check_cpus(&topology);
    conc_topology_clear(&topology);
    REQUIRE(topology.node_count == 0 && topology.nodes == NULL);
    return 0;
}
