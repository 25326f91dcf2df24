/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz_relay.c - ipc/relay.h: what a child writes arrives as it is, however the bytes are spread over its two streams.
 * Slow: runs / 20. */
#include "ipc/relay.h"

#include <unistd.h>

#include "fuzz.h"
#include "os/clock.h"

#define MOST 8192               /* a pipe takes that at once */

static void
send(int descriptors[2], const uint8_t *data, size_t size)
{
    REQUIRE(pipe(descriptors) == 0);
    REQUIRE(size == 0 || write(descriptors[1], data, size) == (ssize_t)size);
    close(descriptors[1]);
}

static void
check_text(const struct conc_relay_text *text, const uint8_t *data, size_t size)
{
    REQUIRE(text->size == size && text->size <= text->capacity);
    REQUIRE(size == 0 || memcmp(text->bytes, data, size) == 0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0 || size > MOST)
        return 0;
    size_t first = data[0] % size;
    int out[2], err[2];
    send(out, data, first);
    send(err, data + first, size - first);
    const int fd[CONC_RELAY_STREAMS] = {[CONC_RELAY_IN] = -1, [CONC_RELAY_OUT] = out[0], [CONC_RELAY_ERR] = err[0]};
    struct conc_relay relay;
    conc_relay_init(&relay, fd, NULL, 0);
    int all = 1 << CONC_RELAY_OUT | 1 << CONC_RELAY_ERR, ended = 0;
    while (ended != all) {
        int now = conc_relay_run(&relay, CONC_FOREVER);
        REQUIRE(now > 0 && (now & ended) == 0);
        ended |= now;
    }
    check_text(&relay.text[CONC_RELAY_OUT], data, first);
    check_text(&relay.text[CONC_RELAY_ERR], data + first, size - first);
    conc_relay_clear(&relay);
    REQUIRE(relay.text[CONC_RELAY_OUT].bytes == NULL && relay.text[CONC_RELAY_OUT].capacity == 0);
    close(out[0]);
    close(err[0]);
    return 0;
}
