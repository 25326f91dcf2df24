/* SPDX-License-Identifier: Apache-2.0 */
/* os/linux/loaded.c - dl_iterate_phdr(3). Not dladdr(3), which waits for constructors of a library that is being loaded, and
 * those may wait for the GIL of who asks. */
#include "os/loaded.h"

#include <link.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct pair {
    uintptr_t first, second;
    bool together;
};

static bool
has(const struct dl_phdr_info *object, uintptr_t address)
{
    for (int i = 0; i < object->dlpi_phnum; i++) {
        const ElfW(Phdr) *part = &object->dlpi_phdr[i];
        if (part->p_type == PT_LOAD && address - (object->dlpi_addr + part->p_vaddr) < part->p_memsz)
            return true;
    }
    return false;
}

/* Not 0: the object with the first address has been seen. */
static int
look_at(struct dl_phdr_info *object, size_t size, void *context)
{
    (void)size;
    struct pair *pair = context;
    if (!has(object, pair->first))
        return 0;
    pair->together = has(object, pair->second);
    return 1;
}

int
conc_loaded_together(const void *first, const void *second)
{
    struct pair pair = {(uintptr_t)first, (uintptr_t)second, false};
    (void)dl_iterate_phdr(look_at, &pair);
    return pair.together;
}
