/* SPDX-License-Identifier: Apache-2.0 */
/* os/posix/descriptor.c - ppoll(2), read(2), write(2), fcntl(2). */
#include "os/descriptor.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <time.h>
#include <unistd.h>

#include "os/clock.h"
#include "os/interrupt.h"

static struct timespec
time_until(int64_t deadline_ns)
{
    int64_t left = deadline_ns - conc_now_ns();
    if (left < 0)
        left = 0;
    return (struct timespec){.tv_sec = (time_t)(left / CONC_NS_PER_S), .tv_nsec = (long)(left % CONC_NS_PER_S)};
}

/* How many are ready; 0: none in time; or a negative errno. */
static int
poll_until(struct pollfd *polls, nfds_t count, int64_t deadline_ns)
{
    const struct conc_interrupt *interrupt = conc_interrupt_get();
    for (;;) {
        if (conc_interrupt_came(interrupt))
            return -EINTR;
        int64_t until = conc_interrupt_next_look(interrupt, deadline_ns);
        struct timespec left = time_until(until);
        int ready = ppoll(polls, count, until == CONC_FOREVER ? NULL : &left, NULL);
        if (ready != 0 || until >= deadline_ns)
            return ready < 0 ? -errno : ready;
    }
}

int
conc_descriptor_wait(struct conc_descriptor_wait *waits, size_t count, int64_t deadline_ns)
{
    if (count > CONC_DESCRIPTOR_MAX)
        return -EINVAL;
    struct pollfd polls[CONC_DESCRIPTOR_MAX];
    for (size_t i = 0; i < count; i++)
        polls[i] = (struct pollfd){.fd = waits[i].fd, .events = waits[i].for_write ? POLLOUT : POLLIN};

    int ready = poll_until(polls, (nfds_t)count, deadline_ns);
    if (ready < 0)
        return ready;
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
