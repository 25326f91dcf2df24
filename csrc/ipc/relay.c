/* SPDX-License-Identifier: Apache-2.0 */
/* ipc/relay.c - see the header. */
#include "ipc/relay.h"

#include <errno.h>
#include <stdbool.h>

#include "base/alloc.h"
#include "os/clock.h"
#include "os/descriptor.h"

#define ROOM ((size_t)64 * 1024)        /* a pipe holds that much by default */

void
conc_relay_init(struct conc_relay *relay, const int fd[CONC_RELAY_STREAMS], const char *input, size_t size)
{
    *relay = (struct conc_relay){.input = input, .input_size = size};
    for (int i = 0; i < CONC_RELAY_STREAMS; i++)
        relay->fd[i] = fd[i];
}

void
conc_relay_clear(struct conc_relay *relay)
{
    for (int i = 0; i < CONC_RELAY_STREAMS; i++) {
        conc_free(relay->text[i].bytes);
        relay->text[i] = (struct conc_relay_text){NULL, 0, 0};
    }
}

static int
make_room(struct conc_relay_text *text)
{
    if (text->capacity - text->size >= ROOM)
        return 0;
    if (text->capacity > SIZE_MAX / 2 - ROOM)
        return -ENOMEM;
    size_t capacity = text->capacity * 2 + ROOM;
    char *bytes = conc_realloc(text->bytes, capacity);
    if (bytes == NULL)
        return -ENOMEM;
    text->bytes = bytes;
    text->capacity = capacity;
    return 0;
}

/* The three below: 1 when the stream has ended, 0 when it goes on, or a negative errno. */

static int
feed(struct conc_relay *relay)
{
    size_t left = relay->input_size - relay->input_sent;
    if (left > 0) {
        int64_t sent = conc_descriptor_write(relay->fd[CONC_RELAY_IN], relay->input + relay->input_sent, left);
        if (sent == -EPIPE)
            return 1;                   /* it does not want to hear the rest, which is its right */
        if (sent < 0)
            return sent == -EAGAIN ? 0 : (int)sent;
        relay->input_sent += (size_t)sent;
    }
    return relay->input_sent == relay->input_size;
}

static int
collect(struct conc_relay *relay, int stream)
{
    struct conc_relay_text *text = &relay->text[stream];
    int err = make_room(text);
    if (err != 0)
        return err;
    int64_t got = conc_descriptor_read(relay->fd[stream], text->bytes + text->size, text->capacity - text->size);
    if (got < 0)
        return got == -EAGAIN ? 0 : (int)got;
    text->size += (size_t)got;
    return got == 0;
}

static int
advance(struct conc_relay *relay, int stream)
{
    return stream == CONC_RELAY_IN ? feed(relay) : collect(relay, stream);
}

static int
move_bytes(struct conc_relay *relay, int64_t deadline_ns)
{
    int ended = 0;
    if (relay->fd[CONC_RELAY_IN] >= 0 && relay->input_sent == relay->input_size)
        ended = 1 << CONC_RELAY_IN;     /* nothing to say: that needs no waiting */
    while (ended == 0) {
        struct conc_descriptor_wait waits[CONC_RELAY_STREAMS];
        for (int i = 0; i < CONC_RELAY_STREAMS; i++)
            waits[i] = (struct conc_descriptor_wait){.fd = relay->fd[i], .for_write = i == CONC_RELAY_IN};
        int err = conc_descriptor_wait(waits, CONC_RELAY_STREAMS, deadline_ns);
        if (err < 0)
            return err;
        for (int i = 0; i < CONC_RELAY_STREAMS; i++) {
            int state = waits[i].ready ? advance(relay, i) : 0;
            if (state < 0)
                return state;           /* a stream that ended in this round ends again in the next */
            ended |= state << i;
        }
        /* A child that never stops talking must not outrun the deadline. */
        if (ended == 0 && deadline_ns != CONC_FOREVER && conc_now_ns() >= deadline_ns)
            return -ETIMEDOUT;
    }
    for (int i = 0; i < CONC_RELAY_STREAMS; i++) {
        if (ended & (1 << i))
            relay->fd[i] = -1;
    }
    return ended;
}

int
conc_relay_run(struct conc_relay *relay, int64_t deadline_ns)
{
    int fd[CONC_RELAY_STREAMS], open = 0, result = 0;
    bool blocking[CONC_RELAY_STREAMS] = {false, false, false};
    for (int i = 0; i < CONC_RELAY_STREAMS; i++) {
        fd[i] = relay->fd[i];
        if (fd[i] < 0)
            continue;
        open++;
        int err = conc_descriptor_set_blocking(fd[i], false, &blocking[i]);
        if (err != 0)
            result = err;
    }
    if (open > 0 && result == 0)
        result = move_bytes(relay, deadline_ns);
    for (int i = 0; i < CONC_RELAY_STREAMS; i++) {
        if (fd[i] >= 0 && blocking[i])
            (void)conc_descriptor_set_blocking(fd[i], true, NULL);
    }
    return result;
}
