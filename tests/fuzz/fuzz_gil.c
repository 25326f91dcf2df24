/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz_gil.c - the reader of GILs on memory that is nothing but the input. The first bytes are the offsets of the layout,
 * the rest is what stands at them, over and over. Of each word the highest byte says what it is: a pointer into this
 * memory, or itself. Another thread of the interpreter may write meanwhile, so halfway everything becomes something else.
 * Slow: runs / 10. */
#include "watch/gil.h"

#include <errno.h>
#include <sys/mman.h>

#include "fuzz.h"

#define ARENA 8192
#define POINTER 0xaa
#define OFFSETS 12

static uint8_t *arena;

static void
fill(const uint8_t *data, size_t size, size_t first)
{
    for (size_t at = 0; at < ARENA; at += 8) {
        uint64_t word = 0;
        for (size_t i = 0; i < 8 && size > 0; i++)
            word |= (uint64_t)data[(first + at + i) % size] << (8 * i);
        if (word >> 56 == POINTER)
            word = (uint64_t)(uintptr_t)arena + (word & (ARENA - 8));
        memcpy(arena + at, &word, sizeof(word));
    }
}

static void
read_all(struct conc_gil_reader *reader)
{
    struct conc_gil_sample samples[CONC_GIL_LOCKS + 1];
    int count = conc_gil_reader_read(reader, samples, CONC_GIL_LOCKS + 1);
    REQUIRE(count <= CONC_GIL_LOCKS && (count >= 0 || count == -EFAULT));
    for (int i = 0; i < count; i++) {
        REQUIRE(samples[i].interpreter >= 0);
        REQUIRE(samples[i].enabled || !samples[i].locked);
        REQUIRE(samples[i].locked == (samples[i].holder_tid != 0));
        REQUIRE(samples[i].holder_tid >= -1 && samples[i].holder_tid <= 1 << 22);
    }
    int64_t interpreter = -1;
    if (conc_gil_reader_is_gil_address(reader, (uint64_t)(uintptr_t)arena + 64, &interpreter))
        REQUIRE(interpreter >= 0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2 * OFFSETS + 1)
        return 0;
    if (arena == NULL) {
        arena = mmap(NULL, ARENA, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        REQUIRE(arena != MAP_FAILED);
    }
    uint16_t offset[OFFSETS];
    memcpy(offset, data, sizeof(offset));
    struct conc_gil_layout layout = {
        .runtime = (uint64_t)(uintptr_t)arena,
        .runtime_interpreters = offset[0] % ARENA,
        .runtime_gil = offset[1] % 2 != 0 ? offset[1] % ARENA : 0,
        .interpreter_next = offset[2] % 512,
        .interpreter_id = offset[3] % 512,
        .interpreter_gil = offset[4] % 512,
        .gil_enabled = offset[5] % 80,
        .gil_holder = offset[6] % 80,
        .gil_locked = offset[7] % 80,
        .gil_switches = offset[8] % 80,
        .gil_waits = offset[9] % 80,
        .gil_bytes = offset[9] % 80 + offset[10] % 256,
        .thread_native_id = offset[11] % 512,
        .can_be_off = (offset[11] & 0x8000) != 0,
    };
    const uint8_t *memory = data + sizeof(offset);
    size -= sizeof(offset);
    fill(memory, size, 0);
    struct conc_gil_reader *reader;
    int err = conc_gil_reader_open(&reader, 0, &layout);
    REQUIRE(err == 0 || err == -EFAULT || err == -EBADMSG);
    if (err < 0)
        return 0;
    read_all(reader);
    read_all(reader);
    fill(memory, size, size / 2);
    read_all(reader);
    (void)conc_gil_reader_refresh(reader);
    read_all(reader);
    conc_gil_reader_close(reader);
    return 0;
}
