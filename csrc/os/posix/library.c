/* SPDX-License-Identifier: Apache-2.0 */
/* os/posix/library.c - dlopen(3). */
#include "os/library.h"

#include <dlfcn.h>
#include <errno.h>
#include <string.h>

int
conc_library_open(const char *soname, struct conc_library **out)
{
    void *handle = dlopen(soname, RTLD_NOW | RTLD_LOCAL);
    if (handle == NULL)
        return -ENOENT;
    *out = handle;
    return 0;
}

int
conc_library_symbol(struct conc_library *library, const char *name, conc_library_fn *out)
{
    void *symbol = dlsym(library, name);
    if (symbol == NULL)
        return -ENOSYS;
    /* ISO C has no cast from object to function pointer; POSIX says the representation is the same. */
    memcpy(out, &symbol, sizeof(symbol));
    return 0;
}
