/* SPDX-License-Identifier: Apache-2.0 */
/* kernels/batch.c - see the header. */
#include "kernels/batch.h"

#include <errno.h>
#include <stdint.h>

#include "base/alloc.h"
#include "os/memory.h"

/* From this size on states get a mapping on huge pages, where they can be had: a first touch of each base page is some
 * hundredth of a large map's time. */
#define MAPPED_BYTES ((size_t)4 << 20)

static int
allocate_states(struct conc_kernel_batch *batch, size_t count)
{
    if (count <= SIZE_MAX / 2 / batch->stride && count * batch->stride >= MAPPED_BYTES) {
        size_t huge = conc_memory_huge_page_size();
        size_t size = (count * batch->stride + huge - 1) / huge * huge;
        void *memory;
        if (conc_memory_map(size, huge, &memory) == 0) {
            (void)conc_memory_advise_huge(memory, size, true);
            batch->states = memory;
            batch->mapped = size;
            return 0;
        }
    }
    batch->states = conc_alloc_array(count, batch->stride);
    return batch->states == NULL ? -ENOMEM : 0;
}

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
        batch->errs = conc_alloc_array(count, sizeof(*batch->errs));
        if (allocate_states(batch, count) != 0 || batch->errs == NULL) {
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
    if (batch->mapped > 0)
        conc_memory_unmap(batch->states, batch->mapped);
    else
        conc_free(batch->states);
    conc_free(batch);
}
