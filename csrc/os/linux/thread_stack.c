/* SPDX-License-Identifier: Apache-2.0 */
/* os/linux/thread_stack.c - mmap(2) as the C library maps its own, madvise(2).
 *
 * The kernel's word that a thread is gone (set_tid_address(2)) stands on the thread's own stack, which is ours: it may be
 * read for as long as the stack is mapped. After it the thread touches nothing there. */
#include "os/thread_stack.h"

#include <errno.h>
#include <stdbool.h>
#include <sys/mman.h>

#include "base/alloc.h"
#include "os/memory.h"
#include "os/thread.h"
#include "os/thread_exit.h"

/* -- mappings ------------------------------------------------------------------------------------------------------ */

/* [owned]; NULL: there is no memory. */
static struct conc_thread_stack *
map(size_t size, size_t guard)
{
    struct conc_thread_stack *stack = conc_alloc(sizeof(*stack));
    if (stack == NULL)
        return NULL;
    int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK | MAP_NORESERVE;
    char *memory = mmap(NULL, guard + size, PROT_NONE, flags, -1, 0);
    if (memory != MAP_FAILED && mprotect(memory + guard, size, PROT_READ | PROT_WRITE) == 0) {
        stack->lowest = memory + guard;
        stack->size = size;
        stack->guard = guard;
        return stack;
    }
    if (memory != MAP_FAILED)
        munmap(memory, guard + size);
    conc_free(stack);
    return NULL;
}

static void
unmap_all(struct conc_thread_stack *stack)
{
    while (stack != NULL) {
        struct conc_thread_stack *next = stack->next;
        munmap(stack->lowest - stack->guard, stack->guard + stack->size);
        conc_free(stack);
        stack = next;
    }
}

static bool
holds(const struct conc_thread_stack *stack, const void *address)
{
    return (const char *)address >= stack->lowest && (const char *)address < stack->lowest + stack->size;
}

/* Gives back what lies deep. Its thread is gone, or is the caller and keeps what is near it; or it is on its last steps
 * elsewhere, and nothing is known of how deep it is. */
static void
cut_down(struct conc_thread_stack *stack, bool gone)
{
    const char *here = __builtin_frame_address(0);
    const char *top = gone ? stack->lowest + stack->size : holds(stack, here) ? here : NULL;
    if (top == NULL || (size_t)(top - stack->lowest) < 2 * (size_t)CONC_THREAD_STACK_RESIDENT_BYTES)
        return;
    size_t below = (size_t)(top - stack->lowest) - CONC_THREAD_STACK_RESIDENT_BYTES;
    below -= below % conc_memory_page_size();
    if (madvise(stack->lowest, below, MADV_DONTNEED) == 0)
        stack->touched = 0;
}

/* A page for each thread at least: what it touches in its very last steps, nobody counts. */
static void
note_touched(struct conc_thread_stack *stack, int64_t pages, bool gone)
{
    int64_t limit = (int64_t)(CONC_THREAD_STACK_RESIDENT_BYTES / conc_memory_page_size());
    stack->touched += pages < 0 || pages > limit ? limit : pages + 1;
    if (stack->touched >= limit)
        cut_down(stack, gone);
}

/* -- the two lists; all with the lock held -------------------------------------------------------------------------- */

static bool
is_free(struct conc_thread_stack *stack)
{
    if (stack->ident != 0 && conc_thread_exit_id(stack->ident) != 0)
        return false;
    stack->ident = 0;
    return true;
}

static struct conc_thread_stack *
take_kept(struct conc_thread_stacks *stacks, size_t size, size_t guard)
{
    for (struct conc_thread_stack **at = &stacks->kept; *at != NULL; at = &(*at)->next) {
        struct conc_thread_stack *stack = *at;
        if (stack->size == size && stack->guard == guard && is_free(stack)) {
            *at = stack->next;
            stacks->kept_count--;
            return stack;
        }
    }
    return NULL;
}

static void
list_taken(struct conc_thread_stacks *stacks, struct conc_thread_stack *stack)
{
    stack->prev = NULL;
    stack->next = stacks->taken;
    if (stacks->taken != NULL)
        stacks->taken->prev = stack;
    stacks->taken = stack;
}

static void
unlist_taken(struct conc_thread_stacks *stacks, struct conc_thread_stack *stack)
{
    if (stack->prev != NULL)
        stack->prev->next = stack->next;
    else
        stacks->taken = stack->next;
    if (stack->next != NULL)
        stack->next->prev = stack->prev;
}

static void
keep(struct conc_thread_stacks *stacks, struct conc_thread_stack *stack)
{
    stack->next = stacks->kept;
    stacks->kept = stack;
    stacks->kept_count++;
}

/* [owned] what is too many, the oldest first of all; of those, what may be unmapped. */
static struct conc_thread_stack *
take_surplus(struct conc_thread_stacks *stacks)
{
    struct conc_thread_stack *surplus = NULL, **at = &stacks->kept;
    for (unsigned seen = 0; *at != NULL && stacks->kept_count > CONC_THREAD_STACKS_KEPT; seen++) {
        struct conc_thread_stack *stack = *at;
        if (seen < CONC_THREAD_STACKS_KEPT || !is_free(stack)) {
            at = &stack->next;
            continue;
        }
        *at = stack->next;
        stacks->kept_count--;
        stack->next = surplus;
        surplus = stack;
    }
    return surplus;
}

/* -- forks --------------------------------------------------------------------------------------------------------- */

static struct conc_thread_stacks *
stacks_of(struct conc_fork_hook *hook)
{
    return (struct conc_thread_stacks *)(void *)((char *)hook - offsetof(struct conc_thread_stacks, hook));
}

static void
prepare_fork(struct conc_fork_hook *hook)
{
    pthread_mutex_lock(&stacks_of(hook)->lock);
}

static void
after_fork_in_parent(struct conc_fork_hook *hook)
{
    pthread_mutex_unlock(&stacks_of(hook)->lock);
}

/* Nothing is unmapped yet: CPython looks at the stacks of the other threads once more when it deletes their states. */
static void
after_fork_in_child(struct conc_fork_hook *hook)
{
    struct conc_thread_stacks *stacks = stacks_of(hook);
    for (struct conc_thread_stack *stack = stacks->kept; stack != NULL; stack = stack->next)
        stack->ident = 0;       /* the kernel clears that word in the parent alone */
    const void *own = (const void *)conc_os_thread_ident();     /* stands on the stack; the frame need not */
    struct conc_thread_stack *stack = stacks->taken;
    while (stack != NULL) {
        struct conc_thread_stack *next = stack->next;
        if (!holds(stack, own)) {
            unlist_taken(stacks, stack);
            stack->touched = INT32_MAX;         /* cut down when it is given back */
            keep(stacks, stack);
        }
        stack = next;
    }
    pthread_mutex_unlock(&stacks->lock);
}

/* -- ---------------------------------------------------------------------------------------------------------------- */

void
conc_thread_stacks_init(struct conc_thread_stacks *stacks)
{
    stacks->hook.prepare = prepare_fork;
    stacks->hook.parent = after_fork_in_parent;
    stacks->hook.child = after_fork_in_child;
    conc_registry_add_fork_hook(&stacks->hook);
}

int
conc_thread_stack_take(size_t size, size_t guard, struct conc_thread_stack **out)
{
    if (conc_registry_exit_offset() == 0)
        return -ENOSYS;
    size_t page = conc_memory_page_size();
    if (size % page != 0 || guard % page != 0 || size > SIZE_MAX / 2 || guard > SIZE_MAX / 2)
        return -EINVAL;
    struct conc_thread_stacks *stacks = conc_registry_thread_stacks();
    pthread_mutex_lock(&stacks->lock);
    struct conc_thread_stack *stack = take_kept(stacks, size, guard);
    if (stack == NULL) {
        pthread_mutex_unlock(&stacks->lock);
        stack = map(size, guard);
        if (stack == NULL)
            return -ENOMEM;
        pthread_mutex_lock(&stacks->lock);
    }
    list_taken(stacks, stack);
    pthread_mutex_unlock(&stacks->lock);
    *out = stack;
    return 0;
}

void
conc_thread_stack_give(struct conc_thread_stack *stack, unsigned long ident, int64_t touched_pages)
{
    struct conc_thread_stacks *stacks = conc_registry_thread_stacks();
    note_touched(stack, touched_pages, ident == 0);
    pthread_mutex_lock(&stacks->lock);
    unlist_taken(stacks, stack);
    stack->ident = ident;
    keep(stacks, stack);
    struct conc_thread_stack *surplus = take_surplus(stacks);
    pthread_mutex_unlock(&stacks->lock);
    unmap_all(surplus);
}
