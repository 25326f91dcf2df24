/* SPDX-License-Identifier: Apache-2.0 */
/* os/posix/file.c - openat(2), read(2), readdir(3). */
#include "os/file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

int
conc_root_open(const char *path)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return fd < 0 ? -errno : fd;
}

void
conc_root_close(int root)
{
    close(root);
}

ssize_t
conc_file_read(int root, const char *path, char *text, size_t capacity)
{
    /* O_NONBLOCK: a recorded tree may hold anything, and a fifo must not hang us. */
    int fd = openat(root, path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return -errno;
    size_t length = 0;
    ssize_t result = 0;
    for (;;) {
        if (length == capacity) {
            result = -EFBIG;
            break;
        }
        ssize_t n = read(fd, text + length, capacity - length);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0) {
            result = n < 0 ? -errno : (ssize_t)length;
            break;
        }
        length += (size_t)n;
    }
    close(fd);
    if (result >= 0)
        text[length] = '\0';
    return result;
}

int
conc_folder_each(int root, const char *path, int (*each)(const char *name, void *arg), void *arg)
{
    int fd = openat(root, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    DIR *folder = fdopendir(fd);
    if (folder == NULL) {
        int err = -errno;
        close(fd);
        return err;
    }
    int result = 0;
    while (result >= 0) {
        errno = 0;
        struct dirent *entry = readdir(folder);
        if (entry == NULL) {
            result = -errno;
            break;
        }
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            result = each(entry->d_name, arg);
    }
    closedir(folder);
    return result < 0 ? result : 0;
}
