/* SPDX-License-Identifier: Apache-2.0 */
/* kernels/stream.h - the bandwidth kernels: rows of a table that declare what a pass moves.
 *
 * A pass works on `count` doubles of each array; arrays do not overlap and start at a multiple of CONC_STREAM_ALIGN,
 * count is a multiple of CONC_STREAM_STEP. Timed code: no call, no allocation, no branch on configuration.
 */
#ifndef CONC_KERNELS_STREAM_H
#define CONC_KERNELS_STREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CONC_STREAM_ALIGN 64
#define CONC_STREAM_STEP 64             /* doubles: eight cache lines */

struct conc_stream_kernel {
    const char *name;
    const char *variant;        /* the instructions that it is made of */
    unsigned arrays;            /* how many of (a, b, c) it works on */
    unsigned bytes_read;        /* per element, as the program means it */
    unsigned bytes_written;     /* per element; a store that first fetches its line moves these once more */
    unsigned operations;        /* floating-point operations per element */
    bool (*supported)(void);
    /* The sum of the words read, modulo 2**64, for a kernel that writes nothing; else 0. */
    uint64_t (*run)(double *restrict a, const double *restrict b, const double *restrict c, size_t count);
};

/* Best first: the first supported row of a name is the one to use. Ends with a row whose name is NULL. */
extern const struct conc_stream_kernel conc_stream_kernels[];

/* [borrowed, constant] the row to use for `name`, or NULL when there is none. */
const struct conc_stream_kernel *conc_stream_find(const char *name);

#endif
