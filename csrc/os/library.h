/* SPDX-License-Identifier: Apache-2.0 */
/* os/library.h - shared libraries found at run time. A library is never unloaded. */
#ifndef CONC_OS_LIBRARY_H
#define CONC_OS_LIBRARY_H

struct conc_library;            /* the loader's handle; never freed */

/* -ENOENT when the library is not on this machine (or lacks what it needs itself). */
int conc_library_open(const char *soname, struct conc_library **out);

/* Any function; cast it to its type. */
typedef void (*conc_library_fn)(void);

/* -ENOSYS when the library has no such function. */
int conc_library_symbol(struct conc_library *library, const char *name, conc_library_fn *out);

#endif
