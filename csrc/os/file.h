/* SPDX-License-Identifier: Apache-2.0 */
/* os/file.h - read small text files below a root folder. The root is "/" for the machine itself, or a recorded tree;
 * paths are relative to it and written without a leading slash. Functions return 0 or a count, or a negative errno. */
#ifndef CONC_OS_FILE_H
#define CONC_OS_FILE_H

#include <stddef.h>
#include <sys/types.h>

/* [owned] a descriptor (>= 0) for conc_root_close(). -ENOTDIR when it is no folder. */
int conc_root_open(const char *path);

void conc_root_close(int root);

/* Reads the whole file and ends it with a NUL. The bytes read, or -EFBIG when it does not fit into `capacity` - 1. */
ssize_t conc_file_read(int root, const char *path, char *text, size_t capacity);

/* Calls each(name, arg) for every entry of a folder but "." and "..", in no order, until one returns < 0, which is
 * then the result. */
int conc_folder_each(int root, const char *path, int (*each)(const char *name, void *arg), void *arg);

#endif
