/* SPDX-License-Identifier: Apache-2.0 */
/* watch/gils.h - where a watch is told of the GILs: a reader of memory, or a test's own. */
#ifndef CONC_WATCH_GILS_H
#define CONC_WATCH_GILS_H

#include <stdbool.h>
#include <stdint.h>

#include "watch/gil.h"

/* Zeroed: nowhere. The functions are those of watch/gil.h. */
struct conc_watch_gils {
    void *context;              /* [borrowed] for the three */
    int (*read)(void *context, struct conc_gil_sample *samples, int size);
    int (*refresh)(void *context);
    bool (*is_gil)(void *context, uint64_t futex, int64_t *interpreter);
};

/* By `reader` [borrowed]. */
struct conc_watch_gils conc_watch_gils_by(struct conc_gil_reader *reader);

#endif
