/* SPDX-License-Identifier: Apache-2.0 */
/* test_alloc.c - base/alloc.h: memory is zeroed and aligned, what cannot be had is NULL. */
#include "base/alloc.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "check.h"

static bool
all_zero(const unsigned char *bytes, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        if (bytes[i] != 0)
            return false;
    }
    return true;
}

/* Freed memory that was written must come back zeroed. */
static void
memory_is_zeroed(void)
{
    for (size_t size = 1; size < 5000; size = size * 3 + 1) {
        for (int turn = 0; turn < 4; turn++) {
            unsigned char *plain, *array, *aligned;
            HAVE(plain = conc_alloc(size));
            HAVE(array = conc_alloc_array(size, 3));
            HAVE(aligned = conc_alloc_aligned(256, size));
            CHECK(all_zero(plain, size) && all_zero(array, size * 3) && all_zero(aligned, size));
            CHECK_EQ((uintptr_t)plain % _Alignof(max_align_t), 0);
            CHECK_EQ((uintptr_t)aligned % 256, 0);
            memset(plain, 0xff, size);
            memset(array, 0xff, size * 3);
            memset(aligned, 0xff, size);
            conc_free(plain);
            conc_free(array);
            conc_free(aligned);
        }
    }
}

static void
every_alignment(void)
{
    for (size_t alignment = sizeof(void *); alignment <= 65536; alignment *= 2) {
        void *memory;
        HAVE(memory = conc_alloc_aligned(alignment, 1));
        CHECK_EQ((uintptr_t)memory % alignment, 0);
        conc_free(memory);
    }
}

/* volatile: the compiler must not see through the sizes. */
static void
too_much_is_null(void)
{
    volatile size_t half = SIZE_MAX / 2;
    CHECK(conc_alloc(half) == NULL);
    CHECK(conc_alloc_array(half, 3) == NULL);           /* the product overflows to a small one */
    CHECK(conc_alloc_array(half / 4 + 2, 8) == NULL);
    CHECK(conc_alloc_aligned(64, half) == NULL);
}

static void
realloc_keeps_what_was_there(void)
{
    unsigned char *memory, *grown;
    HAVE(memory = conc_realloc(NULL, 10));
    for (int i = 0; i < 10; i++)
        memory[i] = (unsigned char)i;
    HAVE(grown = conc_realloc(memory, 100000));
    for (int i = 0; i < 10; i++)
        CHECK_EQ(grown[i], i);
    volatile size_t half = SIZE_MAX / 2;
    CHECK(conc_realloc(grown, half) == NULL);
    for (int i = 0; i < 10; i++)
        CHECK_EQ(grown[i], i);
    conc_free(grown);
}

int
main(void)
{
    memory_is_zeroed();
    every_alignment();
    too_much_is_null();
    realloc_keeps_what_was_there();
    conc_free(NULL);
    return 0;
}
