/* SPDX-License-Identifier: Apache-2.0 */
/* probe/arena.h - memory whose place is known: mapped, bound to a node before the first touch, touched by a thread
 * that the caller pinned, and then asked page by page where it is.
 *
 * One thread at a time uses an arena, but for threads that work on ranges of their own.
 */
#ifndef CONC_PROBE_ARENA_H
#define CONC_PROBE_ARENA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "os/memory.h"
#include "sync/stop.h"

#define CONC_NODE_ANY (-1)

struct conc_arena {
    char *base;                 /* [owned] */
    size_t size;                /* bytes, a multiple of the alignment */
    int node;                   /* bound to, or CONC_NODE_ANY */
    int bind_err;               /* 0, or why binding was refused (-EPERM, -ENOSYS): first touch decides then */
};

/* Maps at least `size` bytes and binds them; nothing is touched. -EINVAL: there is no such node. */
int conc_arena_open(struct conc_arena *arena, size_t size, int node, bool huge);

/* Right for a zeroed arena too. */
void conc_arena_close(struct conc_arena *arena);

/* Writes to every page of the range, so that the calling thread's policy and the arena's binding place them. Pages
 * that are there already stay where they are. -ECANCELED, or -ETIMEDOUT when the deadline passes on the way. */
int conc_arena_touch(struct conc_arena *arena, size_t offset, size_t length, struct conc_stop *stop,
                     int64_t deadline_ns);

enum conc_verified_by {
    CONC_VERIFIED_BY_NOTHING,           /* nobody may tell where the pages are */
    CONC_VERIFIED_BY_MOVE_PAGES,        /* every base page of the range */
    CONC_VERIFIED_BY_GET_MEMPOLICY,     /* a sample of pages, evenly spread */
};

struct conc_placement {
    enum conc_verified_by verified_by;
    size_t pages;                       /* looked at, present or not */
    size_t absent;                      /* of those, not present */
    size_t on_node[CONC_NODE_LIMIT];    /* of those, by node id */
};

/* Where the pages of the range are. 0 also when nothing tells: see verified_by. */
int conc_arena_placement(const struct conc_arena *arena, size_t offset, size_t length,
                         struct conc_placement *placement);

#endif
