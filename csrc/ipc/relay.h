/* SPDX-License-Identifier: Apache-2.0 */
/* ipc/relay.h - talk to a child over its three pipes at once: feed its input, collect what it says, and block on
 * neither. A relay may be interrupted at any moment and taken up again: nothing read is lost. One thread at a time. */
#ifndef CONC_IPC_RELAY_H
#define CONC_IPC_RELAY_H

#include <stddef.h>
#include <stdint.h>

enum conc_relay_stream {
    CONC_RELAY_IN,              /* to the child */
    CONC_RELAY_OUT,             /* from the child */
    CONC_RELAY_ERR,
    CONC_RELAY_STREAMS,
};

struct conc_relay_text {
    char *bytes;                /* [owned] */
    size_t size;
    size_t capacity;
};

struct conc_relay {
    int fd[CONC_RELAY_STREAMS];             /* [borrowed] -1: there is none, or it has ended */
    const char *input;                      /* [borrowed] */
    size_t input_size;
    size_t input_sent;
    struct conc_relay_text text[CONC_RELAY_STREAMS];    /* of OUT and ERR */
};

/* The descriptors (-1: none) and the input stay the caller's, and valid until their stream has ended. */
void conc_relay_init(struct conc_relay *relay, const int fd[CONC_RELAY_STREAMS], const char *input, size_t size);

/* Moves bytes until a stream ends: the set of those that did, as bits 1 << stream. The caller closes them (a child
 * reads on until its input is closed) and calls again. 0 when none is left. IN ends when all input is sent or the
 * child has stopped reading. -ETIMEDOUT; -EINTR when the calling thread handled a signal; -ENOMEM. While it runs the
 * descriptors do not block; afterwards they are as they were. */
int conc_relay_run(struct conc_relay *relay, int64_t deadline_ns);

/* Frees what was collected. */
void conc_relay_clear(struct conc_relay *relay);

#endif
