/* SPDX-License-Identifier: Apache-2.0 */
/* watch/gil.c - the reader: a list of GILs from a walk over the interpreters, and of each what it says of its holder.
 *
 * Taking a GIL is three writes (ceval_gil.c): locked = 1, last_holder = me, switch_number + 1. So each is read twice, with
 * the holder's id in between, and what both looks agree on is said. Who held it at the last call is asked at once: as long
 * as that has not changed, one system call tells everything; and where the GIL is a variable of CPython's, none, as a look at
 * that says that nothing has.
 */
#include "watch/gil.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>

#include "base/alloc.h"
#include "os/loaded.h"
#include "os/process_memory.h"

/* The most interpreters that a walk goes through, so that a list that became a ring while it was read ends. */
#define MAX_WALK 4096

/* The most bytes of a GIL before what threads wait on. */
#define MAX_HEAD 64

/* How often a GIL is looked at again that changes under the eyes. */
#define MAX_LOOKS 4

/* Linux gives no thread a larger id (PID_MAX_LIMIT). */
#define MAX_TID (1 << 22)

/* Looked at by one call: a GIL, its holder's id, the GIL again. */
#define PIECES 3

/* Who had a GIL when it was last read. */
struct known {
    uint64_t holder;            /* thread state that had it; 0: none */
    uint64_t switches;
    int tid;                    /* of the holder; 0: not known */
    int glances;                /* since it was read */
    bool stays;                 /* the GIL is there as long as CPython is loaded */
};

struct lock {
    uint64_t address;
    int64_t interpreter;        /* the oldest that uses it */
    struct known known;
    uint64_t native_id;         /* of the holder, as read */
    char before[MAX_HEAD], after[MAX_HEAD];
};

struct conc_gil_reader {
    struct conc_gil_layout layout;
    struct conc_process_memory memory;
    bool own;                               /* our own process's */
    int count;
    struct lock locks[CONC_GIL_LOCKS];      /* oldest interpreter first */
    struct lock walked[CONC_GIL_LOCKS];     /* of a walk that may come to nothing; newest first */
    struct conc_memory_piece pieces[CONC_GIL_LOCKS * PIECES];
};

/* What a look at a GIL says. */
struct look {
    int32_t enabled, locked;
    uint64_t holder, switches;
};

static struct look
look_at(const struct conc_gil_layout *layout, const char *head)
{
    struct look look = {.enabled = 1};
    if (layout->can_be_off)
        memcpy(&look.enabled, head + layout->gil_enabled, sizeof(look.enabled));
    memcpy(&look.locked, head + layout->gil_locked, sizeof(look.locked));
    memcpy(&look.holder, head + layout->gil_holder, sizeof(look.holder));
    memcpy(&look.switches, head + layout->gil_switches, sizeof(look.switches));
    return look;
}

static bool
same_look(struct look a, struct look b)
{
    return a.enabled == b.enabled && a.locked == b.locked && a.holder == b.holder && a.switches == b.switches;
}

/* Pieces to look at `lock`, without the holder's id when none is expected. How many. */
static int
put_pieces(const struct conc_gil_layout *layout, struct lock *lock, struct conc_memory_piece *pieces)
{
    int count = 0;
    pieces[count++] = (struct conc_memory_piece){lock->address, lock->before, layout->gil_waits};
    if (lock->known.holder != 0) {
        uint64_t address = lock->known.holder + layout->thread_native_id;
        pieces[count++] = (struct conc_memory_piece){address, &lock->native_id, sizeof(lock->native_id)};
    }
    pieces[count++] = (struct conc_memory_piece){lock->address, lock->after, layout->gil_waits};
    return count;
}

/* Whether the two looks at `lock` settle what *sample says. If not, lock->known.holder is who to ask for. */
static bool
settle(const struct conc_gil_layout *layout, struct lock *lock, struct conc_gil_sample *sample)
{
    struct look before = look_at(layout, lock->before), after = look_at(layout, lock->after);
    *sample = (struct conc_gil_sample){.interpreter = lock->interpreter, .enabled = after.enabled != 0,
                                       .switches = after.switches};
    lock->known.glances = 0;
    if (!sample->enabled || after.locked != 1)
        return true;
    sample->locked = true;
    sample->holder_tid = -1;
    bool settled = same_look(before, after) && after.holder == lock->known.holder;
    lock->known = (struct known){.holder = after.holder, .switches = after.switches, .stays = lock->known.stays};
    if (after.holder == 0)
        return true;
    if (settled && lock->native_id > 0 && lock->native_id <= MAX_TID)
        sample->holder_tid = lock->known.tid = (int)lock->native_id;
    return settled;
}

/* One GIL by itself, after the first look at all. 0 or an error. */
static int
look_again(struct conc_gil_reader *reader, struct lock *lock, struct conc_gil_sample *sample)
{
    for (int looks = 1; looks < MAX_LOOKS; looks++) {
        struct conc_memory_piece pieces[PIECES];
        int count = put_pieces(&reader->layout, lock, pieces);
        int whole = conc_process_memory_read(&reader->memory, pieces, count);
        if (whole < 0)
            return whole;
        if (whole < count)
            lock->known.holder = 0;         /* its thread state is gone */
        else if (settle(&reader->layout, lock, sample))
            return 0;
    }
    return 0;
}

/* Reads the newest interpreter's address and then one interpreter after the other into reader->walked. How many GILs. */
static int
walk(struct conc_gil_reader *reader)
{
    const struct conc_gil_layout *layout = &reader->layout;
    uint64_t address;
    struct conc_memory_piece first = {layout->runtime + layout->runtime_interpreters, &address, sizeof(address)};
    int whole = conc_process_memory_read(&reader->memory, &first, 1), found = 0;
    for (int steps = 0; whole > 0 && address != 0 && steps < MAX_WALK; steps++) {
        uint64_t next = 0, gil = layout->runtime + layout->runtime_gil;
        int64_t id = -1;
        struct conc_memory_piece pieces[] = {
            {address + layout->interpreter_next, &next, sizeof(next)},
            {address + layout->interpreter_id, &id, sizeof(id)},
            {address + layout->interpreter_gil, &gil, sizeof(gil)},
        };
        int count = layout->runtime_gil != 0 ? 2 : 3;
        whole = conc_process_memory_read(&reader->memory, pieces, count);
        if (whole < count)
            return whole < 0 ? whole : -EFAULT;
        address = next;
        if (gil == 0 || id < 0)
            continue;                       /* just being made */
        int i = 0;
        while (i < found && reader->walked[i].address != gil)
            i++;
        if (i == CONC_GIL_LOCKS)
            i--;
        reader->walked[i] = (struct lock){.address = gil, .interpreter = id};
        found = i < found ? found : i + 1;
    }
    return whole < 0 ? whole : found;
}

static const struct lock *
find(const struct conc_gil_reader *reader, uint64_t address)
{
    for (int i = 0; i < reader->count; i++) {
        if (reader->locks[i].address == address)
            return &reader->locks[i];
    }
    return NULL;
}

static bool
is_aligned(uint64_t address, size_t bytes)
{
    return address % bytes == 0;
}

/* Whether a GIL of our own process is a variable of CPython's: the main interpreter's is. */
static bool
stays(const struct conc_gil_layout *layout, uint64_t gil)
{
    return is_aligned(gil, sizeof(uint64_t)) && is_aligned(layout->gil_holder, sizeof(uint64_t)) &&
           is_aligned(layout->gil_switches, sizeof(uint64_t)) && is_aligned(layout->gil_locked, sizeof(int32_t)) &&
           is_aligned(layout->gil_enabled, sizeof(int32_t)) &&
           conc_loaded_together((const void *)(uintptr_t)layout->runtime, (const void *)(uintptr_t)gil) == 1;
}

int
conc_gil_reader_refresh(struct conc_gil_reader *reader)
{
    if (reader->layout.runtime == 0)
        return 0;
    int found = walk(reader);
    if (found == -EFAULT)
        found = walk(reader);               /* an interpreter ended under the walk */
    if (found < 0)
        return found;
    for (int i = 0; i < found; i++) {
        struct lock *lock = &reader->walked[i];
        const struct lock *before = find(reader, lock->address);
        if (before != NULL)
            lock->known = before->known;
        else
            lock->known.stays = reader->own && stays(&reader->layout, lock->address);
    }
    for (int i = 0; i < found; i++)
        reader->locks[i] = reader->walked[found - 1 - i];
    reader->count = found;
    return 0;
}

/* Whether what is read of a GIL lies before what threads wait on, and fits into our buffers. */
static bool
is_sound(const struct conc_gil_layout *layout)
{
    uint32_t end = layout->gil_waits;
    return end >= 8 && end <= MAX_HEAD && layout->gil_bytes >= end && layout->gil_holder <= end - 8 &&
           layout->gil_switches <= end - 8 && layout->gil_locked <= end - 4 &&
           (!layout->can_be_off || layout->gil_enabled <= end - 4);
}

int
conc_gil_reader_open(struct conc_gil_reader **reader, int pid, const struct conc_gil_layout *layout)
{
    struct conc_gil_reader *made = conc_alloc(sizeof(*made));
    if (made == NULL)
        return -ENOMEM;
    made->layout = *layout;
    made->own = pid == 0;
    made->memory.fd = -1;
    int err = 0;
    if (layout->runtime != 0) {
        err = is_sound(layout) ? conc_process_memory_open(&made->memory, pid) : -EBADMSG;
        if (err == 0)
            err = conc_gil_reader_refresh(made);
    }
    if (err < 0) {
        conc_gil_reader_close(made);
        return err;
    }
    *reader = made;
    return 0;
}

/* One look at all GILs. How many pieces were read whole of *count; or an error. */
static int
look_at_all(struct conc_gil_reader *reader, int *count)
{
    *count = 0;
    for (int i = 0; i < reader->count; i++)
        *count += put_pieces(&reader->layout, &reader->locks[i], reader->pieces + *count);
    return *count == 0 ? 0 : conc_process_memory_read(&reader->memory, reader->pieces, *count);
}

int
conc_gil_reader_read(struct conc_gil_reader *reader, struct conc_gil_sample *samples, int size)
{
    int count, whole = look_at_all(reader, &count);
    if (whole < count) {
        /* A GIL or a thread state is gone. */
        int err = conc_gil_reader_refresh(reader);
        if (err < 0)
            return err;
        for (int i = 0; i < reader->count; i++)
            reader->locks[i].known.holder = 0;
        whole = look_at_all(reader, &count);
        if (whole < count)
            return whole < 0 ? whole : -EFAULT;
    }
    int shown = reader->count < size ? reader->count : size;
    for (int i = 0; i < shown; i++) {
        struct lock *lock = &reader->locks[i];
        if (settle(&reader->layout, lock, &samples[i]))
            continue;
        int err = look_again(reader, lock, &samples[i]);
        if (err < 0)
            return err;
    }
    return shown;
}

static int32_t
load_int(uint64_t address)
{
    return __atomic_load_n((const int32_t *)(uintptr_t)address, __ATOMIC_RELAXED);
}

static uint64_t
load_word(uint64_t address)
{
    return __atomic_load_n((const uint64_t *)(uintptr_t)address, __ATOMIC_RELAXED);
}

/* In the order in which they are written. */
static struct look
load(const struct conc_gil_layout *layout, uint64_t gil)
{
    return (struct look){
        .enabled = layout->can_be_off ? load_int(gil + layout->gil_enabled) : 1,
        .locked = load_int(gil + layout->gil_locked),
        .holder = load_word(gil + layout->gil_holder),
        .switches = load_word(gil + layout->gil_switches),
    };
}

/* Whether a look without the system's help settles what *sample says. */
static bool
glance(const struct conc_gil_layout *layout, struct lock *lock, struct conc_gil_sample *sample)
{
    const struct known *known = &lock->known;
    if (!known->stays || ++lock->known.glances >= CONC_GIL_GLANCES)
        return false;
    struct look first = load(layout, lock->address), second = load(layout, lock->address);
    if (!same_look(first, second))
        return false;
    *sample = (struct conc_gil_sample){.interpreter = lock->interpreter, .enabled = first.enabled != 0,
                                       .switches = first.switches};
    if (!sample->enabled || first.locked != 1)
        return true;
    sample->locked = true;
    sample->holder_tid = known->tid;
    if (known->tid != 0 && known->holder == first.holder && known->switches == first.switches)
        return true;
    lock->known.holder = first.holder;      /* whom to ask for */
    return false;
}

int
conc_gil_reader_glance(struct conc_gil_reader *reader, struct conc_gil_sample *samples, int size)
{
    if (reader->count > size)
        return conc_gil_reader_read(reader, samples, size);
    for (int i = 0; i < reader->count; i++) {
        if (!glance(&reader->layout, &reader->locks[i], &samples[i]))
            return conc_gil_reader_read(reader, samples, size);
    }
    return reader->count;
}

bool
conc_gil_reader_is_gil_address(const struct conc_gil_reader *reader, uint64_t futex, int64_t *interpreter)
{
    const struct conc_gil_layout *layout = &reader->layout;
    for (int i = 0; i < reader->count; i++) {
        uint64_t gil = reader->locks[i].address;
        if (futex >= gil + layout->gil_waits && futex < gil + layout->gil_bytes) {
            *interpreter = reader->locks[i].interpreter;
            return true;
        }
    }
    if (futex >= layout->learned_begin && futex < layout->learned_end) {
        *interpreter = layout->learned_interpreter;
        return true;
    }
    return false;
}

void
conc_gil_reader_close(struct conc_gil_reader *reader)
{
    if (reader == NULL)
        return;
    conc_process_memory_close(&reader->memory);
    conc_free(reader);
}
