/* SPDX-License-Identifier: Apache-2.0 */
/* os/linux/thread_exit.c - PR_GET_TID_ADDRESS (prctl(2)) and the futex that the kernel wakes at a thread's end. */
#include "os/thread_exit.h"

#include <errno.h>
#include <sys/prctl.h>

#include "base/compiler.h"
#include "os/linux/futex.h"
#include "os/registry.h"
#include "os/thread.h"
#include "os/thread_self.h"

/* No thread descriptor is larger: a word further away belongs to something else. */
#define FARTHEST 4096

/* Written by the C library and by the kernel, which no sanitizer sees. Before the kernel writes 0 the thread has done all
 * that it ever does. */
CONC_NO_SANITIZE static uint32_t
read_word(const volatile uint32_t *word)
{
    return __atomic_load_n(word, __ATOMIC_ACQUIRE);
}

ptrdiff_t
conc_thread_exit_learn(void)
{
    uint32_t *address = NULL;
    if (prctl(PR_GET_TID_ADDRESS, &address, 0, 0, 0) != 0 || address == NULL)
        return 0;
    ptrdiff_t offset = (char *)address - (char *)conc_os_thread_ident();
    if (offset <= 0 || offset > FARTHEST || *address != (uint32_t)conc_thread_self_id())
        return 0;
    return offset;
}

static volatile uint32_t *
word_of(unsigned long ident)
{
    ptrdiff_t offset = conc_registry_exit_offset();
    return offset == 0 ? NULL : (volatile uint32_t *)(void *)((char *)ident + offset);
}

int
conc_thread_exit_id(unsigned long ident)
{
    volatile uint32_t *word = word_of(ident);
    return word == NULL ? -ENOSYS : (int)read_word(word);
}

int
conc_thread_exit_wait(unsigned long ident, int64_t deadline_ns)
{
    volatile uint32_t *word = word_of(ident);
    if (word == NULL)
        return -ENOSYS;
    for (;;) {
        uint32_t tid = read_word(word);
        if (tid == 0)
            return 0;
        /* Not private to the process: the kernel's wake at a thread's end is not. */
        int err = conc_futex_wait(CONC_PARK_JOIN, word, tid, false, deadline_ns, conc_interrupt_get());
        if (err != 0)
            return read_word(word) == 0 ? 0 : err;
    }
}
