/* SPDX-License-Identifier: Apache-2.0 */
/* os/linux/noise.c - getrusage(2) of the thread, and the eighth column of the CPU's line in /proc/stat (proc(5)). */
#include "os/noise.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "os/proc_text.h"

/* The CPUs' lines come first; this is room for some 700 of them. The rest of the file is not asked for. */
#define STAT_TEXT 65536

static int64_t
read_steal(size_t cpu)
{
    char text[STAT_TEXT];
    int fd = open("/proc/stat", O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return CONC_NOISE_UNKNOWN;
    ssize_t n = read(fd, text, sizeof(text));
    close(fd);
    int64_t ticks;
    return n > 0 && conc_proc_steal(text, (size_t)n, cpu, &ticks) == 0 ? ticks : CONC_NOISE_UNKNOWN;
}

int
conc_noise_read(size_t cpu, struct conc_noise *noise)
{
    struct rusage usage;
    noise->involuntary = getrusage(RUSAGE_THREAD, &usage) == 0 ? usage.ru_nivcsw : CONC_NOISE_UNKNOWN;
    noise->steal_ticks = read_steal(cpu);
    return 0;
}
