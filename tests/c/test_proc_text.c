/* SPDX-License-Identifier: Apache-2.0 */
/* test_proc_text.c - the formats of /proc and of control groups, and of single files of sysfs. */
#include "os/proc_text.h"

#include <errno.h>
#include <limits.h>
#include <string.h>

#include "check.h"
#include "topology/sysfs_text.h"

#define TEXT(literal) (literal), sizeof(literal) - 1

static void
test_stat_of_a_task(void)
{
    static const char line[] = "7 (a) R 1 (b) S 1 7 7 0 -1 4194304 93 5 2 1 30 40 0 0 20 0 1 0 123\n";
    char letter = '?';
    struct conc_proc_times times;
    CHECK_EQ(conc_proc_state_letter(TEXT(line), &letter), 0);
    CHECK_EQ(letter, 'S');
    CHECK_EQ(conc_proc_times_of(TEXT(line), &times), 0);
    CHECK_EQ(times.minor_faults, 93);
    CHECK_EQ(times.major_faults, 2);
    CHECK_EQ(times.user_ticks, 30);
    CHECK_EQ(times.system_ticks, 40);
    static const char *const bad[] = {"", ")", ") ", ") S", "7 (a S 1", ") 7 1", ")S 1"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
        CHECK_EQ(conc_proc_state_letter(bad[i], strlen(bad[i]), &letter), -EBADMSG);
    CHECK_EQ(letter, 'S');
    CHECK_EQ(conc_proc_times_of(TEXT(") S 1 7 7 0 -1 4194304 93 5 2 1 30 40"), &times), -EBADMSG);
    CHECK_EQ(conc_proc_times_of(TEXT(") S 1 7 7 0 -1 4194304 93 5 2 1 9000000001 40 0\n"), &times), -EBADMSG);
}

static void
test_children_of_a_task(void)
{
    struct conc_scan scan = conc_scan_over(TEXT("7 41 32"));
    int pid = 0;
    CHECK(conc_proc_next_child(&scan, &pid));
    CHECK_EQ(pid, 7);
    CHECK(conc_proc_next_child(&scan, &pid));
    CHECK_EQ(pid, 41);
    CHECK(!conc_proc_next_child(&scan, &pid));          /* it may be cut */
    CHECK_EQ(pid, 41);
    scan = conc_scan_over(TEXT("2147483648 1 "));
    CHECK(!conc_proc_next_child(&scan, &pid));
}

static void
test_lines(void)
{
    int64_t bytes = 0;
    uint64_t number = 0;
    static const char status[] = "Name:\tx\nVmPeak:\t  99 kB\nVmHWM:\t   12 kB\nVmRSS:\t 1 kB\n";
    CHECK_EQ(conc_proc_kib_line(TEXT(status), "VmHWM", &bytes), 0);
    CHECK_EQ(bytes, 12 * 1024);
    CHECK_EQ(conc_proc_kib_line(TEXT(status), "HWM", &bytes), -ENODATA);
    CHECK_EQ(conc_proc_kib_line(TEXT("VmHWM: 12\n"), "VmHWM", &bytes), -EBADMSG);
    CHECK_EQ(conc_proc_kib_line(TEXT("MemAvailable: 18014398509481984 kB\n"), "MemAvailable", &bytes), -EBADMSG);
    static const char stat[] = "anon 1\ninactive_file 4096\ntotal_inactive_file 8192\n";
    CHECK_EQ(conc_proc_number_line(TEXT(stat), "inactive_file", &number), 0);
    CHECK_EQ(number, 4096);
    CHECK_EQ(conc_proc_number_line(TEXT(stat), "inactive", &number), -ENODATA);
    CHECK_EQ(conc_proc_number_line(TEXT("inactive_file -1\n"), "inactive_file", &number), -EBADMSG);
}

static void
test_counts_of_a_task(void)
{
    static const char status[] = "Name:\tx\nvoluntary_ctxt_switches:\t12\nnonvoluntary_ctxt_switches:\t3\n";
    int64_t number = 7, ns = 7;
    CHECK_EQ(conc_proc_count_line(TEXT(status), "voluntary_ctxt_switches", &number), 0);
    CHECK_EQ(number, 12);
    CHECK_EQ(conc_proc_count_line(TEXT(status), "nonvoluntary_ctxt_switches", &number), 0);
    CHECK_EQ(number, 3);
    CHECK_EQ(conc_proc_count_line(TEXT(status), "ctxt_switches", &number), -ENODATA);
    CHECK_EQ(conc_proc_count_line(TEXT("Threads:\t9223372036854775807\n"), "Threads", &number), 0);
    CHECK(number == INT64_MAX);
    CHECK_EQ(conc_proc_count_line(TEXT("Threads:\t9223372036854775808\n"), "Threads", &number), -EBADMSG);
    CHECK_EQ(conc_proc_count_line(TEXT("Threads:\t1"), "Threads", &number), -EBADMSG);    /* cut: it might be 10 */
    CHECK_EQ(conc_proc_count_line(TEXT("Threads: 1\n"), "Threads", &number), -ENODATA);

    CHECK_EQ(conc_proc_run_delay(TEXT("382129 62253 3\n"), &ns), 0);
    CHECK_EQ(ns, 62253);
    CHECK_EQ(conc_proc_run_delay(TEXT("1 0 1\n"), &ns), 0);
    CHECK_EQ(ns, 0);
    CHECK_EQ(conc_proc_run_delay(TEXT("0 0 0\n"), &ns), -ENODATA);
    static const char *const bad[] = {
        "", "1 2\n", "1 2 3", "1 2 3\n4", "1 2 x\n", "1 9223372036854775808 3\n", "-1 2 3\n",
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
        CHECK_EQ(conc_proc_run_delay(bad[i], strlen(bad[i]), &ns), -EBADMSG);
    CHECK_EQ(ns, 0);
}

static void
test_system_call_of_a_task(void)
{
    struct conc_task_syscall call = {.number = 7};
    static const char read[] = "0 0x3 0x7f4692203000 0x20000 0xa 0xffffffffffffffff 0x0 0x7ffee0055c48 0x7f469237f2\n";
    CHECK_EQ(conc_proc_syscall(TEXT(read), &call), 0);
    CHECK_EQ(call.kind, CONC_SYSCALL_BLOCKED);
    CHECK_EQ(call.number, 0);
    static const uint64_t arguments[] = {3, 0x7f4692203000, 0x20000, 10, UINT64_MAX, 0};
    CHECK(memcmp(call.arguments, arguments, sizeof(arguments)) == 0);
    CHECK_EQ(conc_proc_syscall(TEXT("running\n"), &call), 0);
    CHECK_EQ(call.kind, CONC_SYSCALL_RUNNING);
    CHECK_EQ(call.number, -1);
    CHECK_EQ(conc_proc_syscall(TEXT("-1 0x7ffe 0x55d0\n"), &call), 0);
    CHECK_EQ(call.kind, CONC_SYSCALL_OUTSIDE);
    CHECK_EQ(call.number, -1);
    static const char *const bad[] = {
        "", "running", "running \n", "-1\n", "-1 0x1\n", "-1 0x1 0x2 0x3\n", "-2 0x1 0x2\n", "7 0x1 0x2\n",
        "7 0x1 0x2 0x3 0x4 0x5 0x6 0x7 0x8", "7 0x1 0x2 0x3 0x4 0x5 0x6 0x7 0x\n", "7 1 2 3 4 5 6 7 8\n",
        "2147483648 0x1 0x2 0x3 0x4 0x5 0x6 0x7 0x8\n", "7 0x1 0x2 0x3 0x4 0x5 0x6 0x7 0x11111111111111111\n",
        "7 0x1 0x2 0x3 0x4 0x5 0x6 0x7 0x8\n9",
    };
    call.number = 7;
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
        CHECK_EQ(conc_proc_syscall(bad[i], strlen(bad[i]), &call), -EBADMSG);
    CHECK_EQ(call.number, 7);
}

static void
test_shares_of_a_time(void)
{
    static const struct {
        int64_t total, user, system, share;
    } rows[] = {
        {999, 0, 0, 999},                               /* no tick yet */
        {999, 5, 0, 999},
        {999, 0, 5, 0},
        {100, 3, 1, 75},
        {0, 3, 1, 0},
        {INT64_MAX, 1, 1, INT64_MAX / 2},
        {INT64_MAX, CONC_PROC_TICKS_MAX, CONC_PROC_TICKS_MAX, INT64_MAX / 2},
        {INT64_MAX, 0, CONC_PROC_TICKS_MAX, 0},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        struct conc_proc_times times = {.user_ticks = rows[i].user, .system_ticks = rows[i].system};
        CHECK_EQ(conc_proc_user_share(rows[i].total, &times), rows[i].share);
    }
}

static void
test_single_numbers(void)
{
    uint64_t number = 0;
    CHECK_EQ(conc_proc_number(TEXT("18446744073709551615\n"), &number), 0);
    CHECK(number == UINT64_MAX);
    CHECK_EQ(conc_proc_number(TEXT("18446744073709551616\n"), &number), -EBADMSG);
    CHECK_EQ(conc_proc_number(TEXT("max\n"), &number), -ENODATA);
    CHECK_EQ(conc_proc_number(TEXT("maximum\n"), &number), -EBADMSG);
    CHECK_EQ(conc_proc_number(TEXT("-1\n"), &number), -EBADMSG);
    CHECK_EQ(conc_proc_number(TEXT(""), &number), -EBADMSG);
}

static void
test_steal(void)
{
    static const char stat[] = "cpu  9 9 9 9 9 9 9 99 0 0\ncpu0 1 2 3 4 5 6 7 8 9 10\n"
                               "cpu10 1 1 1 1 1 1 1 77 0 0\nintr 1\n";
    int64_t ticks = 0;
    CHECK_EQ(conc_proc_steal(TEXT(stat), 0, &ticks), 0);
    CHECK_EQ(ticks, 8);
    CHECK_EQ(conc_proc_steal(TEXT(stat), 10, &ticks), 0);
    CHECK_EQ(ticks, 77);
    CHECK_EQ(conc_proc_steal(TEXT(stat), 1, &ticks), -ENODATA);
    CHECK_EQ(conc_proc_steal(TEXT("cpu0 1 2 3 4 5 6 7 8"), 0, &ticks), -EBADMSG);      /* cut: it might be 80 */
    CHECK_EQ(conc_proc_steal(TEXT("cpu0 1 2 3 4 5 6 7 8\n"), 0, &ticks), 0);
    CHECK_EQ(conc_proc_steal(TEXT("cpu0 1 2 3 4\nintr 5 6 7 8\n"), 0, &ticks), -EBADMSG);
}

static void
expect_group(struct conc_scan *lines, int version, const char *path)
{
    struct conc_proc_cgroup group;
    CHECK(conc_proc_next_cgroup(lines, &group));
    CHECK_EQ(group.version, version);
    CHECK_EQ(group.length, strlen(path));
    CHECK(memcmp(group.path, path, group.length) == 0);
}

static void
test_groups(void)
{
    static const char text[] = "12:cpu,cpuacct:/a\n5:memory:/b:c/d\n1:name=systemd:/x\n4:memory:/../up\n"
                               "0::/user..slice/e\n0::relative\nnonsense\n0::/";
    struct conc_scan lines = conc_scan_over(TEXT(text));
    expect_group(&lines, 1, "/b:c/d");
    expect_group(&lines, 2, "/user..slice/e");          /* dots within a name lead nowhere */
    expect_group(&lines, 2, "/");
    struct conc_proc_cgroup group;
    CHECK(!conc_proc_next_cgroup(&lines, &group));
}

static void
test_sysfs(void)
{
    int64_t value = 0, distance[2] = {0, 0};
    enum conc_cache_type type;
    CHECK_EQ(conc_sysfs_parse_number(TEXT("32K\n"), &value), 0);
    CHECK_EQ(value, 32768);
    CHECK_EQ(conc_sysfs_parse_number(TEXT("-1\n"), &value), 0);
    CHECK_EQ(value, CONC_UNKNOWN);
    CHECK_EQ(conc_sysfs_parse_number(TEXT("9223372036854775807\n"), &value), 0);
    CHECK_EQ(conc_sysfs_parse_number(TEXT("9223372036854775807K\n"), &value), -EBADMSG);
    CHECK_EQ(conc_sysfs_parse_number(TEXT("4\0 5"), &value), -EBADMSG);
    CHECK_EQ(conc_sysfs_parse_distances(TEXT("10 21\n"), distance, 2), 0);
    CHECK_EQ(distance[1], 21);
    CHECK_EQ(conc_sysfs_parse_distances(TEXT("10\n21\n"), distance, 2), -EBADMSG);
    CHECK_EQ(conc_sysfs_parse_cache_type(TEXT("Unified\n"), &type), 0);
    CHECK_EQ(type, CONC_CACHE_UNIFIED);
    CHECK_EQ(conc_sysfs_parse_cache_type(TEXT("Database\n"), &type), -EBADMSG);
    CHECK_EQ(conc_sysfs_parse_meminfo(TEXT("Node 0 MemFree: 1 kB\nNode 0 MemTotal:  3 kB\n"), "MemTotal", &value), 0);
    CHECK_EQ(value, 3 * 1024);
    CHECK_EQ(conc_sysfs_parse_meminfo(TEXT("Node 0 MemTotal: 3 kBytes\n"), "MemTotal", &value), -EBADMSG);
    CHECK_EQ(conc_sysfs_parse_meminfo(TEXT(""), "MemTotal", &value), 0);
    CHECK_EQ(value, CONC_UNKNOWN);
}

int
main(void)
{
    test_stat_of_a_task();
    test_counts_of_a_task();
    test_system_call_of_a_task();
    test_shares_of_a_time();
    test_children_of_a_task();
    test_lines();
    test_single_numbers();
    test_steal();
    test_groups();
    test_sysfs();
    return 0;
}
