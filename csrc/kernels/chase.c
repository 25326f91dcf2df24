/* SPDX-License-Identifier: Apache-2.0 */
/* kernels/chase.c - see the header. */
#include "kernels/chase.h"

#include "base/compiler.h"

#define NEXT p = *(void *volatile *)p;
#define NEXT_8 NEXT NEXT NEXT NEXT NEXT NEXT NEXT NEXT

/* volatile: every load happens, one after the other. */
CONC_NOINLINE void *
conc_chase(void *start, size_t rounds)
{
    void *p = start;
    for (; rounds > 0; rounds--) {
        NEXT_8 NEXT_8 NEXT_8 NEXT_8
        NEXT_8 NEXT_8 NEXT_8 NEXT_8
    }
    return p;
}
