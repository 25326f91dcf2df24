/* SPDX-License-Identifier: Apache-2.0 */
/* kernels/batch.h - many states of one kernel, run as a range: what stands behind map(kernel, items).
 *
 * Made, filled by the binding's parse, run in any number of disjoint pieces by any threads, read, freed. Whoever reads
 * must have been told of the pieces' end by something that orders memory, such as a completion.
 */
#ifndef CONC_KERNELS_BATCH_H
#define CONC_KERNELS_BATCH_H

#include <stddef.h>

#include "kernels/kernel.h"

struct conc_kernel_batch {
    const struct conc_kernel *kernel;       /* constant, like the next two */
    size_t count;
    size_t stride;                          /* bytes from one state to the next: aligned for any type */
    unsigned char *states;                  /* [owned] count states, zeroed until parsed */
    size_t mapped;                          /* bytes of `states` when they are a mapping of their own, else 0 */
    int *errs;                              /* [owned] what each run() returned; -ECANCELED until it has run */
};

/* [owned] `count` zeroed states; NULL when out of memory. count 0 is allowed. */
struct conc_kernel_batch *conc_kernel_batch_new(const struct conc_kernel *kernel, size_t count);

/* The state of item i < count; it does not move. */
static inline void *
conc_kernel_batch_state(const struct conc_kernel_batch *batch, size_t i)
{
    return batch->states + i * batch->stride;
}

/* Runs items begin..end-1 and keeps each one's err; `batch` is a struct conc_kernel_batch (the body of a range). An
 * item that fails does not keep the others from running; a stop does: the rest stays -ECANCELED. */
void conc_kernel_batch_run(void *batch, size_t begin, size_t end, struct conc_stop *stop);

/* Drops every state, parsed and run or not, and frees the batch; NULL is allowed. Needs no attached thread. */
void conc_kernel_batch_free(struct conc_kernel_batch *batch);

#endif
