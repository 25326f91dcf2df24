/* SPDX-License-Identifier: Apache-2.0 */
/* os/linux/noise.c - getrusage(2) of the thread, and the eighth column of the CPU's line in /proc/stat (proc(5)). */
#include "os/noise.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#define STEAL_COLUMN 8

/* The CPUs' lines come first; this is room for some 700 of them. The rest of the file is not asked for. */
#define STAT_TEXT 65536

static int64_t
parse_steal(const char *text, size_t cpu)
{
    char prefix[32];
    int length = snprintf(prefix, sizeof(prefix), "\ncpu%zu ", cpu);
    const char *at = strstr(text, prefix);
    if (at == NULL)
        return CONC_NOISE_UNKNOWN;
    at += length;
    for (int column = 1;; column++) {
        char *end;
        long long value = strtoll(at, &end, 10);
        if (end == at || *end == '\0')
            return CONC_NOISE_UNKNOWN;
        if (column == STEAL_COLUMN)
            return value;
        at = end;
    }
}

static int64_t
read_steal(size_t cpu)
{
    char text[STAT_TEXT];
    int fd = open("/proc/stat", O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return CONC_NOISE_UNKNOWN;
    ssize_t n = read(fd, text, sizeof(text) - 1);
    close(fd);
    if (n <= 0)
        return CONC_NOISE_UNKNOWN;
    text[n] = '\0';
    return parse_steal(text, cpu);
}

int
conc_noise_read(size_t cpu, struct conc_noise *noise)
{
    struct rusage usage;
    noise->involuntary = getrusage(RUSAGE_THREAD, &usage) == 0 ? usage.ru_nivcsw : CONC_NOISE_UNKNOWN;
    noise->steal_ticks = read_steal(cpu);
    return 0;
}
