/* SPDX-License-Identifier: Apache-2.0 */
/* probe/arena.c - see the header. */
#include "probe/arena.h"

#include <errno.h>
#include <string.h>

#include "base/alloc.h"
#include "os/clock.h"

#define TOUCH_BLOCK ((size_t)2 << 20)   /* between two looks at the stop; about a millisecond of page faults */
#define PAGES_A_CALL 4096
#define PAGES_SAMPLED 64

static bool
is_refused(int err)
{
    return err == -EPERM || err == -ENOSYS || err == -EACCES;
}

int
conc_arena_open(struct conc_arena *arena, size_t size, int node, bool huge)
{
    size_t page = huge ? conc_memory_huge_page_size() : conc_memory_page_size();
    *arena = (struct conc_arena){.node = node};
    if (size == 0 || size > SIZE_MAX / 2)
        return -EINVAL;
    arena->size = (size + page - 1) / page * page;
    void *base;
    int err = conc_memory_map(arena->size, page, &base);
    if (err != 0)
        return err;
    arena->base = base;
    (void)conc_memory_advise_huge(base, arena->size, huge);    /* what came of it is asked for when it is touched */
    if (node != CONC_NODE_ANY)
        err = conc_memory_bind(base, arena->size, (unsigned)node);
    if (is_refused(err)) {
        arena->bind_err = err;
        err = 0;
    }
    if (err != 0)
        conc_arena_close(arena);
    return err;
}

void
conc_arena_close(struct conc_arena *arena)
{
    if (arena->base != NULL)
        conc_memory_unmap(arena->base, arena->size);
    arena->base = NULL;
}

int
conc_arena_touch(struct conc_arena *arena, size_t offset, size_t length, struct conc_stop *stop, int64_t deadline_ns)
{
    size_t page = conc_memory_page_size(), end = offset + length;
    for (size_t block = offset; block < end; block += TOUCH_BLOCK) {
        size_t block_end = end - block < TOUCH_BLOCK ? end : block + TOUCH_BLOCK;
        for (size_t at = block; at < block_end; at += page) {
            /* volatile: read and written back, so that a page that is there keeps what it holds. */
            volatile char *byte = arena->base + at;
            *byte = *byte;
        }
        int err = conc_stop_check(stop);
        if (err != 0)
            return err;
        if (conc_now_ns() >= deadline_ns && block_end != end)
            return -ETIMEDOUT;
    }
    return 0;
}

static void
count_page(struct conc_placement *placement, int node)
{
    placement->pages++;
    if (node >= 0 && node < CONC_NODE_LIMIT)
        placement->on_node[node]++;
    else
        placement->absent++;
}

static int
ask_every_page(char *first, size_t length, struct conc_placement *placement)
{
    struct batch {
        void *pages[PAGES_A_CALL];
        int nodes[PAGES_A_CALL];
    } *batch = conc_alloc(sizeof(*batch));
    if (batch == NULL)
        return -ENOMEM;
    size_t page = conc_memory_page_size();
    int err = 0;
    for (size_t at = 0; at < length && err == 0;) {
        size_t count = 0;
        for (; count < PAGES_A_CALL && at < length; at += page)
            batch->pages[count++] = first + at;
        err = conc_memory_nodes_of(batch->pages, count, batch->nodes);
        for (size_t i = 0; err == 0 && i < count; i++)
            count_page(placement, batch->nodes[i]);
    }
    conc_free(batch);
    return err;
}

static int
ask_some_pages(char *first, size_t length, struct conc_placement *placement)
{
    size_t page = conc_memory_page_size(), pages = (length + page - 1) / page;
    size_t count = pages < PAGES_SAMPLED ? pages : PAGES_SAMPLED;
    for (size_t i = 0; i < count; i++) {
        int node = conc_memory_node_at(first + i * pages / count * page);
        if (is_refused(node))
            return node;
        count_page(placement, node);
    }
    return 0;
}

int
conc_arena_placement(const struct conc_arena *arena, size_t offset, size_t length, struct conc_placement *placement)
{
    *placement = (struct conc_placement){.verified_by = CONC_VERIFIED_BY_MOVE_PAGES};
    int err = ask_every_page(arena->base + offset, length, placement);
    if (!is_refused(err))
        return err;
    *placement = (struct conc_placement){.verified_by = CONC_VERIFIED_BY_GET_MEMPOLICY};
    err = ask_some_pages(arena->base + offset, length, placement);
    if (!is_refused(err))
        return err;
    *placement = (struct conc_placement){.verified_by = CONC_VERIFIED_BY_NOTHING};
    return 0;
}
