/* SPDX-License-Identifier: Apache-2.0 */
/* python/data_stack.c - see the header. The fields are public in name only, and the same from 3.11 to 3.15: the first
 * piece has no `previous`, and its first element is left out, so that the interpreter never takes it for empty and frees
 * it (push_chunk() in CPython's pystate.c). A piece that looks otherwise is left to the interpreter. */
#include "python/data_stack.h"

#include <stddef.h>

#include "base/alloc.h"

static bool
is_first_and_empty(PyThreadState *tstate)
{
    _PyStackChunk *piece = tstate->datastack_chunk;
    return piece != NULL && piece->previous == NULL && tstate->datastack_top == &piece->data[1] &&
           tstate->datastack_limit == (PyObject **)(void *)((char *)piece + piece->size);
}

void
conc_data_stack_lend(struct conc_data_stacks *stacks, PyThreadState *tstate)
{
    _PyStackChunk *piece = NULL;
    CONC_PY_ACQUIRE(stacks->lock);
    if (stacks->count > 0 && tstate->datastack_chunk == NULL)
        piece = stacks->kept[--stacks->count];
    CONC_PY_RELEASE(stacks->lock);
    if (piece == NULL)
        return;
    piece->top = 0;
    tstate->datastack_chunk = piece;
    tstate->datastack_top = &piece->data[1];
    tstate->datastack_limit = (PyObject **)(void *)((char *)piece + piece->size);
}

void
conc_data_stack_take_back(struct conc_data_stacks *stacks, PyThreadState *tstate)
{
    if (!is_first_and_empty(tstate))
        return;
    CONC_PY_ACQUIRE(stacks->lock);
    if (stacks->count < CONC_DATA_STACKS_KEPT) {
        stacks->kept[stacks->count++] = tstate->datastack_chunk;
        tstate->datastack_chunk = NULL;
        tstate->datastack_top = tstate->datastack_limit = NULL;
    }
    CONC_PY_RELEASE(stacks->lock);
}

struct conc_data_stacks *
conc_data_stacks_new(void)
{
    struct conc_data_stacks *stacks = conc_alloc(sizeof(*stacks));
    if (stacks != NULL)
        conc_ref_init(&stacks->refs);
    return stacks;
}

void
conc_data_stacks_take(struct conc_data_stacks *stacks)
{
    conc_ref_take(&stacks->refs);
}

void
conc_data_stacks_release(struct conc_data_stacks *stacks)
{
    if (stacks == NULL || !conc_ref_drop(&stacks->refs))
        return;
    PyObjectArenaAllocator allocator;           /* where the interpreter took them from */
    PyObject_GetArenaAllocator(&allocator);
    while (stacks->count > 0) {
        _PyStackChunk *piece = stacks->kept[--stacks->count];
        allocator.free(allocator.ctx, piece, piece->size);
    }
    conc_free(stacks);
}
