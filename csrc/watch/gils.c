/* SPDX-License-Identifier: Apache-2.0 */
/* watch/gils.c - see the header. */
#include "watch/gils.h"

static int
read_by(void *context, struct conc_gil_sample *samples, int size)
{
    return conc_gil_reader_glance(context, samples, size);
}

static int
refresh_by(void *context)
{
    return conc_gil_reader_refresh(context);
}

static bool
is_gil_by(void *context, uint64_t futex, int64_t *interpreter)
{
    return conc_gil_reader_is_gil_address(context, futex, interpreter);
}

struct conc_watch_gils
conc_watch_gils_by(struct conc_gil_reader *reader)
{
    return (struct conc_watch_gils){reader, read_by, refresh_by, is_gil_by};
}
