/* SPDX-License-Identifier: Apache-2.0 */
/* os/none/thread_stack.c - there are none: the C library's own are taken. */
#include "os/thread_stack.h"

#include <errno.h>

void
conc_thread_stacks_init(struct conc_thread_stacks *stacks)
{
    (void)stacks;
}

int
conc_thread_stack_take(size_t size, size_t guard, struct conc_thread_stack **out)
{
    (void)size, (void)guard, (void)out;
    return -ENOSYS;
}

void
conc_thread_stack_give(struct conc_thread_stack *stack, unsigned long ident, int64_t touched_pages)
{
    (void)stack, (void)ident, (void)touched_pages;
}
