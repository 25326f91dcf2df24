/* SPDX-License-Identifier: Apache-2.0 */
/* kernels/batch.c - see the header. */
#include "kernels/batch.h"

#include <errno.h>

#include "base/alloc.h"

struct conc_kernel_batch *
conc_kernel_batch_new(const struct conc_kernel *kernel, size_t count)
{
    struct conc_kernel_batch *batch = conc_alloc(sizeof(*batch));
    if (batch == NULL)
        return NULL;
    const size_t alignment = _Alignof(max_align_t);
    batch->kernel = kernel;
    batch->stride = (kernel->state_size + alignment - 1) / alignment * alignment;
    if (count > 0) {
        batch->states = conc_alloc_array(count, batch->stride);
        batch->errs = conc_alloc_array(count, sizeof(*batch->errs));
        if (batch->states == NULL || batch->errs == NULL) {
            conc_kernel_batch_free(batch);      /* count is still 0: nothing is dropped */
            return NULL;
        }
    }
    batch->count = count;
    for (size_t i = 0; i < count; i++)
        batch->errs[i] = -ECANCELED;
    return batch;
}

void
conc_kernel_batch_run(void *raw, size_t begin, size_t end, struct conc_stop *stop)
{
    struct conc_kernel_batch *batch = raw;
    for (size_t i = begin; i < end && !conc_stop_requested(stop); i++)
        batch->errs[i] = batch->kernel->run(conc_kernel_batch_state(batch, i), stop);
}

void
conc_kernel_batch_free(struct conc_kernel_batch *batch)
{
    if (batch == NULL)
        return;
    if (batch->kernel->drop != NULL) {
        for (size_t i = 0; i < batch->count; i++)
            batch->kernel->drop(conc_kernel_batch_state(batch, i));
    }
    conc_free(batch->errs);
    conc_free(batch->states);
    conc_free(batch);
}
