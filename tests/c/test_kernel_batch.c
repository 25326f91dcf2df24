/* SPDX-License-Identifier: Apache-2.0 */
/* A batch keeps each item's own end, runs disjoint pieces on several threads, heeds a stop and drops every state. */
#include "kernels/batch.h"

#include <errno.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>

#include "check.h"
#include "kernels/prime_factors.h"

/* -- a kernel that can be told what to do ------------------------------------------------------------------------ */

struct item {
    int *dropped;                   /* counts drops of this state */
    int err;                        /* what run returns */
    struct conc_stop *stop_when_run;    /* requested by run, or NULL */
    void *memory;                   /* made by run, freed by drop */
    char odd[3];                    /* a size that is no multiple of the alignment */
};

static int
item_run(void *state, struct conc_stop *stop)
{
    struct item *item = state;
    (void)stop;
    if (item->stop_when_run != NULL)
        conc_stop_request(item->stop_when_run);
    item->memory = malloc(1);
    return item->err;
}

static void
item_drop(void *state)
{
    struct item *item = state;
    free(item->memory);
    if (item->dropped != NULL)
        ++*item->dropped;
}

static const struct conc_kernel item_kernel = {
    .name = "item",
    .state_size = sizeof(struct item) - 5,
    .run = item_run,
    .drop = item_drop,
};

static void
test_each_item_has_its_own_end(void)
{
    int dropped[4] = {0};
    struct conc_kernel_batch *batch;
    HAVE(batch = conc_kernel_batch_new(&item_kernel, 4));
    for (size_t i = 0; i < 4; i++) {
        struct item *item = conc_kernel_batch_state(batch, i);
        CHECK_EQ((uintptr_t)item % _Alignof(max_align_t), 0);
        item->dropped = &dropped[i];
        item->err = i == 1 ? -EIO : 0;
    }
    struct conc_stop stop;
    conc_stop_init(&stop, NULL);
    conc_kernel_batch_run(batch, 0, 3, &stop);
    CHECK_EQ(batch->errs[0], 0);
    CHECK_EQ(batch->errs[1], -EIO);
    CHECK_EQ(batch->errs[2], 0);
    CHECK_EQ(batch->errs[3], -ECANCELED);       /* never run */
    conc_kernel_batch_free(batch);
    for (size_t i = 0; i < 4; i++)
        CHECK_EQ(dropped[i], 1);
}

static void
test_stop_leaves_the_rest(void)
{
    struct conc_kernel_batch *batch;
    HAVE(batch = conc_kernel_batch_new(&item_kernel, 3));
    struct conc_stop stop;
    conc_stop_init(&stop, NULL);
    ((struct item *)conc_kernel_batch_state(batch, 1))->stop_when_run = &stop;
    conc_kernel_batch_run(batch, 0, 3, &stop);
    CHECK_EQ(batch->errs[0], 0);
    CHECK_EQ(batch->errs[1], 0);
    CHECK_EQ(batch->errs[2], -ECANCELED);
    conc_kernel_batch_free(batch);
}

static void
test_empty(void)
{
    struct conc_kernel_batch *batch;
    HAVE(batch = conc_kernel_batch_new(&item_kernel, 0));
    struct conc_stop stop;
    conc_stop_init(&stop, NULL);
    conc_kernel_batch_run(batch, 0, 0, &stop);
    conc_kernel_batch_free(batch);
    conc_kernel_batch_free(NULL);
    CHECK(conc_kernel_batch_new(&item_kernel, SIZE_MAX / 2) == NULL);
}

/* -- a real kernel, in pieces, on threads ------------------------------------------------------------------------ */

#define ITEMS 4000
#define THREADS 4

struct piece {
    struct conc_kernel_batch *batch;
    struct conc_stop *stop;
    size_t begin, end;
};

static void *
run_piece(void *raw)
{
    struct piece *piece = raw;
    conc_kernel_batch_run(piece->batch, piece->begin, piece->end, piece->stop);
    return NULL;
}

static void
test_pieces_on_threads(void)
{
    struct conc_kernel_batch *batch;
    HAVE(batch = conc_kernel_batch_new(&conc_kernel_prime_factors, ITEMS));
    for (size_t i = 0; i < ITEMS; i++)
        ((struct conc_factoring *)conc_kernel_batch_state(batch, i))->n = i % 64 == 0 ? UINT64_C(1) << 40 : i + 1;
    struct conc_stop stop;
    conc_stop_init(&stop, NULL);
    long injected = faults_injected();
    pthread_t threads[THREADS];
    struct piece pieces[THREADS];
    for (size_t t = 0; t < THREADS; t++) {
        pieces[t] = (struct piece){batch, &stop, ITEMS / THREADS * t, ITEMS / THREADS * (t + 1)};
        CHECK_EQ(pthread_create(&threads[t], NULL, run_piece, &pieces[t]), 0);
    }
    for (size_t t = 0; t < THREADS; t++)
        pthread_join(threads[t], NULL);
    for (size_t i = 0; i < ITEMS; i++) {
        const struct conc_factoring *f = conc_kernel_batch_state(batch, i);
        uint64_t product = 1;
        for (uint32_t k = 0; k < f->count; k++)
            product *= conc_factoring_factors(f)[k];
        if (batch->errs[i] == -ENOMEM && faults_injected() > injected)
            faults_end();
        CHECK_EQ(batch->errs[i], 0);
        CHECK_EQ(product, i % 64 == 0 ? UINT64_C(1) << 40 : i + 1);
    }
    conc_kernel_batch_free(batch);
}

/* States beyond a few MiB stand in a mapping of their own: zeroed like the others, run and dropped like them. */
static void
test_large(void)
{
    const size_t count = ((size_t)8 << 20) / sizeof(struct item);
    int dropped = 0;
    struct conc_kernel_batch *batch;
    HAVE(batch = conc_kernel_batch_new(&item_kernel, count));
    CHECK(batch->mapped >= count * batch->stride);
    for (size_t i = 0; i < count; i++) {
        struct item *item = conc_kernel_batch_state(batch, i);
        CHECK(item->dropped == NULL && item->err == 0 && item->memory == NULL);
        item->dropped = &dropped;
        item->err = -(int)(i % 7);
    }
    struct conc_stop stop;
    conc_stop_init(&stop, NULL);
    conc_kernel_batch_run(batch, 0, count, &stop);
    for (size_t i = 0; i < count; i++)
        CHECK_EQ(batch->errs[i], -(int)(i % 7));
    conc_kernel_batch_free(batch);
    CHECK_EQ(dropped, count);
}

int
main(void)
{
    test_large();
    test_each_item_has_its_own_end();
    test_stop_leaves_the_rest();
    test_empty();
    test_pieces_on_threads();
    return 0;
}
