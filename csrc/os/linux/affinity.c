/* SPDX-License-Identifier: Apache-2.0 */
/* os/linux/affinity.c - sched_setaffinity(2) by system call: glibc's cpu_set_t ends at 1024 CPUs. */
#include "os/affinity.h"

#include <errno.h>
#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/alloc.h"
#include "os/task_state.h"

#define FIRST_WORDS 16                  /* 1024 CPUs */
#define MOST_WORDS 8192                 /* 524288 CPUs: far beyond any kernel's NR_CPUS */
#define USUAL_WORDS 128                 /* 8192 CPUs: the NR_CPUS of large machines' kernels */

/* `tid` 0 is the calling thread. */
static int
get_of(int tid, struct conc_bitset *cpus)
{
    for (size_t words = FIRST_WORDS; words <= MOST_WORDS; words *= 2) {
        uint64_t *mask = conc_alloc_array(words, sizeof(*mask));
        if (mask == NULL)
            return -ENOMEM;
        long bytes = syscall(SYS_sched_getaffinity, tid, words * sizeof(*mask), mask);
        int err = bytes < 0 ? -errno : 0;
        for (size_t i = 0; err == 0 && i < words * 64; i++) {
            if (mask[i / 64] >> (i % 64) & 1)
                err = conc_bitset_add(cpus, i);
        }
        conc_free(mask);
        if (err != -EINVAL)             /* EINVAL: the kernel's mask is longer than ours */
            return err;
    }
    return -EINVAL;
}

static int
set_of(int tid, const struct conc_bitset *cpus)
{
    if (syscall(SYS_sched_setaffinity, tid, cpus->word_count * sizeof(*cpus->words), cpus->words) < 0)
        return -errno;
    return 0;
}

int
conc_affinity_get(struct conc_bitset *cpus)
{
    return get_of(0, cpus);
}

int
conc_affinity_set(const struct conc_bitset *cpus)
{
    return set_of(0, cpus);
}

int
conc_affinity_pin(size_t cpu)
{
    struct conc_bitset one = {0};
    int err = conc_bitset_add(&one, cpu);
    if (err == 0)
        err = conc_affinity_set(&one);
    conc_bitset_clear(&one);
    return err;
}

/* The system calls take any thread of the system, and the id of one that has ended may be another process's by now. */
int
conc_affinity_get_task(int tid, struct conc_bitset *cpus)
{
    return conc_task_check(tid) == -ESRCH ? -ESRCH : get_of(tid, cpus);
}

int
conc_affinity_set_task(int tid, const struct conc_bitset *cpus)
{
    return conc_task_check(tid) == -ESRCH ? -ESRCH : set_of(tid, cpus);
}

int
conc_affinity_leave_cpu(void)
{
    uint64_t words[USUAL_WORDS];
    long bytes = syscall(SYS_sched_getaffinity, 0, sizeof(words), words);
    int cpu = sched_getcpu();
    if (bytes < 0 || cpu < 0)
        return -errno;
    if ((size_t)cpu / 8 >= (size_t)bytes)
        return -EINVAL;
    const struct conc_bitset cpus = {words, (size_t)bytes / sizeof(*words)};
    uint64_t own = UINT64_C(1) << (cpu % 64);
    bool allowed = (words[cpu / 64] & own) != 0;
    words[cpu / 64] &= ~own;
    int err = set_of(0, &cpus);         /* EINVAL: none is left */
    if (err != 0 || !allowed)
        return err;
    words[cpu / 64] |= own;
    return set_of(0, &cpus);
}
