/* SPDX-License-Identifier: Apache-2.0 */
/* test_sysfs.c - the reader on recorded machines (tests/data/sysfs), on this one, and on damaged trees. */
#include "topology/sysfs.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "check.h"

#define TREES "tests/data/sysfs/"
#define GIB (INT64_C(1) << 30)

static struct conc_topology
read_tree(const char *root)
{
    struct conc_topology topology;
    char problem[CONC_SYSFS_PATH];
    int err;
    MAY_LACK_MEMORY(err = conc_sysfs_read(root, &topology, problem));
    if (err != 0)
        fprintf(stderr, "%s: %s\n", root, problem);
    CHECK_EQ(err, 0);
    return topology;
}

static void
test_two_node(void)
{
    struct conc_topology t = read_tree(TREES "two-node");
    CHECK_EQ(t.nodes_from, CONC_NODES_READ);
    CHECK_EQ(t.node_count, 2);
    CHECK_EQ(t.nodes[0].memory_total, 16 * GIB);
    CHECK_EQ(t.nodes[1].memory_free, 8 * GIB);
    CHECK_EQ(t.nodes[0].distance[1], 21);
    CHECK(conc_bitset_has(&t.nodes[1].cpus, 3) && !conc_bitset_has(&t.nodes[1].cpus, 2));
    CHECK_EQ(t.cpu_count, 4);
    CHECK_EQ(conc_bitset_count(&t.cpus[2].siblings), 2);
    /* Per core L1d, L1i, L2, and an L3: each once, though two CPUs list it. */
    CHECK_EQ(t.cache_count, 8);
    CHECK_EQ(t.caches[3].level, 3);
    CHECK_EQ(t.caches[3].size, 16384 * 1024);
    CHECK_EQ(t.caches[3].type, CONC_CACHE_UNIFIED);
    CHECK(conc_bitset_has(&t.caches[3].cpus, 0) && conc_bitset_has(&t.caches[3].cpus, 2));
    conc_topology_clear(&t);
    CHECK_EQ(t.node_count, 0);
}

static void
test_holes(void)
{
    struct conc_topology t = read_tree(TREES "four-node-holes");
    const unsigned ids[] = {0, 8, 16, 17};
    CHECK_EQ(t.node_count, 4);
    for (size_t i = 0; i < 4; i++) {
        CHECK_EQ(t.nodes[i].id, ids[i]);
        CHECK_EQ(conc_topology_node_index(&t, ids[i]), i);
        CHECK_EQ(t.nodes[i].distance[i], 10);
    }
    CHECK_EQ(conc_topology_node_index(&t, 1), t.node_count);
    CHECK_EQ(t.nodes[2].distance[3], 20);
    conc_topology_clear(&t);
}

static void
test_odd_nodes(void)
{
    struct conc_topology t = read_tree(TREES "memory-only");
    CHECK_EQ(conc_bitset_count(&t.nodes[1].cpus), 0);
    CHECK_EQ(t.nodes[1].memory_total, 8 * GIB);
    conc_topology_clear(&t);

    t = read_tree(TREES "cpu-only");
    CHECK_EQ(conc_bitset_count(&t.nodes[1].cpus), 2);
    CHECK_EQ(t.nodes[1].memory_total, 0);
    conc_topology_clear(&t);

    t = read_tree(TREES "asymmetric");
    CHECK_EQ(t.nodes[0].distance[1], 20);
    CHECK_EQ(t.nodes[1].distance[0], 31);
    conc_topology_clear(&t);

    t = read_tree(TREES "no-nodes-no-caches");
    CHECK_EQ(t.nodes_from, CONC_NODES_ASSUMED);
    CHECK_EQ(t.node_count, 1);
    CHECK_EQ(t.nodes[0].id, 0);
    CHECK_EQ(conc_bitset_count(&t.nodes[0].cpus), 3);
    CHECK(!conc_bitset_has(&t.nodes[0].cpus, 2));
    CHECK_EQ(t.nodes[0].memory_total, CONC_UNKNOWN);
    CHECK_EQ(t.nodes[0].distance[0], CONC_UNKNOWN);
    CHECK_EQ(t.cache_count, 0);
    conc_topology_clear(&t);
}

static void
test_this_machine(void)
{
    struct conc_topology t = read_tree("/");
    CHECK(t.cpu_count >= 1 && t.node_count >= 1);
    conc_topology_clear(&t);
}

/* A folder of our own, made file by file. */
static char scratch[] = "/tmp/conc-sysfs-XXXXXX";

static void
put(const char *path, const char *text)
{
    char full[512];
    snprintf(full, sizeof(full), "%s/%s", scratch, path);
    for (char *slash = strchr(full + sizeof(scratch), '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        (void)mkdir(full, 0700);
        *slash = '/';
    }
    int fd = open(full, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    CHECK(fd >= 0);
    CHECK_EQ(write(fd, text, strlen(text)), strlen(text));
    close(fd);
}

static void
expect_problem(int wanted, const char *where)
{
    struct conc_topology t;
    char problem[CONC_SYSFS_PATH];
    HAVE_EQ(conc_sysfs_read(scratch, &t, problem), wanted);
    CHECK(strstr(problem, where) != NULL);
    CHECK(t.node_count == 0 && t.cpu_count == 0 && t.nodes == NULL);
}

/* Each file that is damaged is an error that names it; put right again, it is not. */
static void
test_damaged(void)
{
    static const struct {
        const char *path, *good, *bad;
    } files[] = {
        {"sys/devices/system/cpu/online", "0-1\n", "0-\n"},
        {"sys/devices/system/node/online", "0-1\n", "zero\n"},
        {"sys/devices/system/node/online", "0-1\n", "0-1024\n"},
        {"sys/devices/system/node/node0/cpulist", "0-1\n", "0-1,\n"},
        {"sys/devices/system/node/node0/distance", "10 20\n", "10\n"},
        {"sys/devices/system/node/node1/distance", "20 10\n", "20 10 30\n"},
        {"sys/devices/system/node/node0/meminfo", "Node 0 MemTotal: 4 kB\n", "Node 0 MemTotal: four kB\n"},
        {"sys/devices/system/cpu/cpu0/topology/core_id", "0\n", "\n"},
        {"sys/devices/system/cpu/cpu0/cache/index0/level", "1\n", "0\n"},
        {"sys/devices/system/cpu/cpu0/cache/index0/type", "Data\n", "Date\n"},
        {"sys/devices/system/cpu/cpu0/cache/index0/size", "32K\n", "32X\n"},
        {"sys/devices/system/cpu/cpu0/cache/index0/shared_cpu_list", "0-1\n", "0:1\n"},
    };
    const size_t count = sizeof(files) / sizeof(*files);
    CHECK(mkdtemp(scratch) != NULL);
    expect_problem(-ENODATA, "sys/devices/system/cpu");
    for (size_t i = 0; i < count; i++)
        put(files[i].path, files[i].good);
    struct conc_topology t = read_tree(scratch);
    CHECK_EQ(t.node_count, 2);
    CHECK_EQ(t.nodes[0].memory_total, 4096);
    CHECK_EQ(t.nodes[0].memory_free, CONC_UNKNOWN);
    CHECK_EQ(t.cache_count, 1);
    CHECK_EQ(t.caches[0].line_size, CONC_UNKNOWN);
    conc_topology_clear(&t);
    for (size_t i = 0; i < count; i++) {
        put(files[i].path, files[i].bad);
        expect_problem(-EBADMSG, files[i].path);
        put(files[i].path, files[i].good);
    }
    char command[128];
    snprintf(command, sizeof(command), "rm -r %s", scratch);
    CHECK_EQ(system(command), 0);
    expect_problem(-ENOENT, "");
}

int
main(void)
{
    test_two_node();
    test_holes();
    test_odd_nodes();
    test_this_machine();
    test_damaged();
    return 0;
}
