/* SPDX-License-Identifier: Apache-2.0 */
/* base/refcount.h - a shared object's reference count. It starts at 1, for its creator. */
#ifndef CONC_BASE_REFCOUNT_H
#define CONC_BASE_REFCOUNT_H

#include <stdatomic.h>
#include <stdbool.h>

struct conc_refcount {
    atomic_uint value;
};

static inline void
conc_ref_init(struct conc_refcount *r)
{
    atomic_init(&r->value, 1);
}

/* The caller already holds a reference, so nothing needs ordering. */
static inline void
conc_ref_take(struct conc_refcount *r)
{
    atomic_fetch_add_explicit(&r->value, 1, memory_order_relaxed);
}

/* True when the last reference went: the caller frees. acq_rel: what every other owner did before its own
 * drop happens before the free. */
static inline bool
conc_ref_drop(struct conc_refcount *r)
{
    return atomic_fetch_sub_explicit(&r->value, 1, memory_order_acq_rel) == 1;
}

#endif
