/* SPDX-License-Identifier: Apache-2.0 */
/* os/posix/descriptor.c - ppoll(2), read(2), write(2), fcntl(2). */
#include "os/descriptor.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <time.h>
#include <unistd.h>

#include "os/clock.h"

static struct timespec
time_until(int64_t deadline_ns)
{
    int64_t left = deadline_ns - conc_now_ns();
    if (left < 0)
        left = 0;
    return (struct timespec){.tv_sec = (time_t)(left / CONC_NS_PER_S), .tv_nsec = (long)(left % CONC_NS_PER_S)};
}

int
conc_descriptor_wait(struct conc_descriptor_wait *waits, size_t count, int64_t deadline_ns)
{
    if (count > CONC_DESCRIPTOR_MAX)
        return -EINVAL;
    struct pollfd polls[CONC_DESCRIPTOR_MAX];
    for (size_t i = 0; i < count; i++)
        polls[i] = (struct pollfd){.fd = waits[i].fd, .events = waits[i].for_write ? POLLOUT : POLLIN};

    struct timespec left;
    const struct timespec *timeout = NULL;
    if (deadline_ns != CONC_FOREVER) {
        left = time_until(deadline_ns);
        timeout = &left;
    }
    int ready = ppoll(polls, (nfds_t)count, timeout, NULL);
    if (ready < 0)
        return -errno;
    for (size_t i = 0; i < count; i++)
        waits[i].ready = polls[i].revents != 0;
    return ready == 0 ? -ETIMEDOUT : ready;
}

int64_t
conc_descriptor_read(int fd, void *to, size_t size)
{
    ssize_t n = read(fd, to, size);
    return n < 0 ? -errno : n;
}

int64_t
conc_descriptor_write(int fd, const void *from, size_t size)
{
    ssize_t n = write(fd, from, size);
    return n < 0 ? -errno : n;
}

int
conc_descriptor_set_blocking(int fd, bool blocking, bool *before)
{
    int flags = fcntl(fd, F_GETFL);
    if (flags < 0)
        return -errno;
    if (before != NULL)
        *before = (flags & O_NONBLOCK) == 0;
    int wanted = blocking ? flags & ~O_NONBLOCK : flags | O_NONBLOCK;
    if (wanted != flags && fcntl(fd, F_SETFL, wanted) < 0)
        return -errno;
    return 0;
}
