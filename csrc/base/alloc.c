/* SPDX-License-Identifier: Apache-2.0 */
/* base/alloc.c - the libc allocator behind one door. */
#include "base/alloc.h"

#include <stdlib.h>
#include <string.h>

void *
conc_alloc(size_t size)
{
    return calloc(1, size);
}

void *
conc_alloc_array(size_t count, size_t size)
{
    size_t total;
    if (__builtin_mul_overflow(count, size, &total))    /* calloc sees it too, but a sanitizer's ends the program */
        return NULL;
    return calloc(1, total);
}

void *
conc_alloc_aligned(size_t alignment, size_t size)
{
    void *memory = NULL;
    if (posix_memalign(&memory, alignment, size) != 0)
        return NULL;
    memset(memory, 0, size);
    return memory;
}

void *
conc_realloc(void *old, size_t size)
{
    return realloc(old, size);
}

void
conc_free(void *memory)
{
    free(memory);
}
