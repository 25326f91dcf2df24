/* SPDX-License-Identifier: Apache-2.0 */
/* os/task_name.h - the name by which the operating system's tools (ps, top, gdb) show a thread. */
#ifndef CONC_OS_TASK_NAME_H
#define CONC_OS_TASK_NAME_H

#include <stddef.h>
#include <string.h>

/* The terminator included; no system takes more than the one that takes least. */
#define CONC_TASK_NAME_SIZE 16

/* Copies what fits of `name`, byte by byte, as the kernel and CPython do: the last character may be cut in two. */
static inline void
conc_task_name_copy(char to[CONC_TASK_NAME_SIZE], const char *name)
{
    size_t length = 0;
    while (length < CONC_TASK_NAME_SIZE - 1 && name[length] != '\0') {
        to[length] = name[length];
        length++;
    }
    to[length] = '\0';
}

/* The name in the `length` bytes of a thread's `comm`, which end in a line feed. */
static inline void
conc_task_name_of_comm(char to[CONC_TASK_NAME_SIZE], const char *text, size_t length)
{
    if (length > 0 && text[length - 1] == '\n')
        length--;
    if (length >= CONC_TASK_NAME_SIZE)
        length = CONC_TASK_NAME_SIZE - 1;
    memcpy(to, text, length);
    to[length] = '\0';
}

/* Names another thread of this process, or the calling one. 0; -ENOENT or -ESRCH when it is gone; -ENOSYS where only a
 * thread itself can do it; other errors as they come. */
int conc_task_name_set(int tid, const char *name);

#endif
