/* SPDX-License-Identifier: Apache-2.0 */
/* base/alloc.h - every allocation of the core goes through here, so that a test can make any one of them fail.
 * Memory is zeroed; NULL means out of memory. Callable from any thread, with or without the GIL. */
#ifndef CONC_BASE_ALLOC_H
#define CONC_BASE_ALLOC_H

#include <stddef.h>

/* [owned] `size` zeroed bytes, aligned for any type. */
void *conc_alloc(size_t size);

/* [owned] `count` zeroed elements of `size` bytes; NULL also when the product overflows. */
void *conc_alloc_array(size_t count, size_t size);

/* [owned] `size` zeroed bytes at a multiple of `alignment` (a power of two). */
void *conc_alloc_aligned(size_t alignment, size_t size);

/* [owned] `old` (from conc_alloc or conc_alloc_array, or NULL) grown to `size` bytes, the new ones undefined;
 * NULL leaves `old` as it was. */
void *conc_realloc(void *old, size_t size);

/* Frees what any of these gave; NULL is allowed. */
void conc_free(void *memory);

#endif
