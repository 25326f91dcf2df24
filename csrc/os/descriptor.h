/* SPDX-License-Identifier: Apache-2.0 */
/* os/descriptor.h - wait on descriptors and move bytes through them. Functions return a count or a negative errno;
 * nothing here is restarted after a signal. */
#ifndef CONC_OS_DESCRIPTOR_H
#define CONC_OS_DESCRIPTOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct conc_descriptor_wait {
    int fd;                     /* -1: skipped */
    bool for_write;             /* wait until it takes bytes; else until it has some, or its end is reached */
    bool ready;                 /* result; also set for an error, which the next read or write tells */
};

/* Sleeps until any is ready: how many; -ETIMEDOUT, or -EINTR when the calling thread handled a signal or is
 * interrupted (os/interrupt.h: within 50 ms). At most CONC_DESCRIPTOR_MAX of them. */
int conc_descriptor_wait(struct conc_descriptor_wait *waits, size_t count, int64_t deadline_ns);

#define CONC_DESCRIPTOR_MAX 8

/* Bytes read, 0 at the end, -EAGAIN when there are none now and the descriptor does not block. */
int64_t conc_descriptor_read(int fd, void *to, size_t size);

/* Bytes written, -EPIPE when nobody reads any more, -EAGAIN as above. A pipe without a reader also sends SIGPIPE to the
 * calling thread, as ever: Python ignores it. */
int64_t conc_descriptor_write(int fd, const void *from, size_t size);

/* Whether reads and writes of the open file block; *before (or NULL) gets how it was. */
int conc_descriptor_set_blocking(int fd, bool blocking, bool *before);

#endif
