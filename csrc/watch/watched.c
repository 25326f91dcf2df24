/* SPDX-License-Identifier: Apache-2.0 */
/* watch/watched.c - see the header. */
#include "watch/watched.h"

#include <errno.h>
#include <stddef.h>

#include "base/alloc.h"

#define FIRST_ROOM 64

static struct conc_watched **
head_of(struct conc_watched_table *table, int tid)
{
    return &table->by_tid[(unsigned)tid % CONC_WATCH_HASH];
}

struct conc_watched *
conc_watched_find(const struct conc_watched_table *table, int tid)
{
    struct conc_watched *watched = table->by_tid[(unsigned)tid % CONC_WATCH_HASH];
    while (watched != NULL && watched->tid != tid)
        watched = watched->same_hash;
    return watched;
}

static int
grow(struct conc_watched_table *table)
{
    int32_t room = table->room == 0 ? FIRST_ROOM : 2 * table->room;
    struct conc_watched **all = conc_realloc(table->all, (size_t)room * sizeof(struct conc_watched *));
    if (all == NULL)
        return -ENOMEM;
    table->all = all;
    struct conc_watched **alive = conc_realloc(table->alive, (size_t)room * sizeof(struct conc_watched *));
    if (alive == NULL)
        return -ENOMEM;
    table->alive = alive;
    table->room = room;
    return 0;
}

struct conc_watched *
conc_watched_add(struct conc_watched_table *table, int tid)
{
    if (table->count == CONC_WATCH_MOST_THREADS || (table->count == table->room && grow(table) != 0))
        return NULL;
    struct conc_watched *watched = conc_alloc(sizeof(*watched));
    if (watched == NULL)
        return NULL;
    watched->index = table->count;
    watched->tid = tid;
    watched->start_ticks = CONC_WATCH_NOT_KNOWN;
    watched->end_ns = CONC_WATCH_NOT_KNOWN;
    watched->delay_told_ns = CONC_WATCH_NOT_KNOWN;
    watched->gave_up = CONC_WATCH_NOT_KNOWN;
    watched->cpu = -1;
    watched->now = (struct conc_watch_used){CONC_WATCH_NOT_KNOWN, CONC_WATCH_NOT_KNOWN, CONC_WATCH_NOT_KNOWN,
                                            CONC_WATCH_NOT_KNOWN};
    conc_watch_kept_init(&watched->kept);
    table->all[table->count++] = watched;
    watched->place = table->alive_count;
    table->alive[table->alive_count++] = watched;
    struct conc_watched **head = head_of(table, tid);
    watched->same_hash = *head;
    *head = watched;
    return watched;
}

void
conc_watched_end(struct conc_watched_table *table, struct conc_watched *watched, int64_t now_ns)
{
    struct conc_watched **link = head_of(table, watched->tid);
    while (*link != watched)
        link = &(*link)->same_hash;
    *link = watched->same_hash;
    struct conc_watched *last = table->alive[--table->alive_count];
    table->alive[watched->place] = last;
    last->place = watched->place;
    watched->end_ns = now_ns;
}

void
conc_watched_clear(struct conc_watched_table *table)
{
    for (int32_t i = 0; i < table->count; i++)
        conc_free(table->all[i]);
    conc_free(table->all);
    conc_free(table->alive);
    *table = (struct conc_watched_table){0};
}
