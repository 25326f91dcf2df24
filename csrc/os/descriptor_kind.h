/* SPDX-License-Identifier: Apache-2.0 */
/* os/descriptor_kind.h - what a process's descriptor stands for. */
#ifndef CONC_OS_DESCRIPTOR_KIND_H
#define CONC_OS_DESCRIPTOR_KIND_H

enum conc_descriptor_kind {
    CONC_DESCRIPTOR_DISK,       /* a file, a folder or a block device */
    CONC_DESCRIPTOR_SOCKET,
    CONC_DESCRIPTOR_PIPE,       /* or a FIFO */
    CONC_DESCRIPTOR_OTHER,      /* a terminal, another device, an event, ... */
};

/* 0 and *kind; `pid` 0 is the calling process. -EBADF or -ENOENT: it is not open; -EACCES: it may not be looked at. */
int conc_descriptor_kind(int pid, int fd, enum conc_descriptor_kind *kind);

#endif
