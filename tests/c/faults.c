/* SPDX-License-Identifier: Apache-2.0 */
/* faults.c - see the header. __wrap_f is called in place of f, and __real_f is f. */
#include "faults.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* Shared with forked children. */
struct plan {
    atomic_long seen, injected;         /* first: the report begins with them */
    atomic_int kind;
    atomic_long first;                  /* 0: nothing fails; else this one to the last */
    atomic_long last;
};

static struct plan *plan;
static atomic_long live_blocks, mapped_bytes;

#define RELAXED memory_order_relaxed

void *__real_mmap(void *address, size_t length, int protection, int flags, int fd, off_t offset);
int __real_open(const char *path, int flags, mode_t mode);

/* ---- arming -------------------------------------------------------------------------------------------------------- */

void
faults_arm(enum faults_kind kind, long first, bool after)
{
    faults_arm_range(kind, first, after ? LONG_MAX : first);
}

void
faults_arm_range(enum faults_kind kind, long first, long last)
{
    atomic_store_explicit(&plan->first, 0, RELAXED);
    atomic_store_explicit(&plan->kind, (int)kind, RELAXED);
    atomic_store_explicit(&plan->last, last, RELAXED);
    atomic_store_explicit(&plan->seen, 0, RELAXED);
    atomic_store_explicit(&plan->injected, 0, RELAXED);
    atomic_store_explicit(&plan->first, first, RELAXED);
}

void
faults_disarm(void)
{
    atomic_store_explicit(&plan->first, 0, RELAXED);
}

long
faults_seen(void)
{
    return atomic_load_explicit(&plan->seen, RELAXED);
}

long
faults_injected(void)
{
    return atomic_load_explicit(&plan->injected, RELAXED);
}

long
faults_live_blocks(void)
{
    return atomic_load_explicit(&live_blocks, RELAXED);
}

long
faults_mapped_bytes(void)
{
    return atomic_load_explicit(&mapped_bytes, RELAXED);
}

/* No leak check: what the program held when it was told is not freed. Nor any other handler: threads may be running. */
void
faults_end(void)
{
    fflush(NULL);
    _exit(FAULTS_ENDED);
}

/* The plan, in the file that is to be kept of it, or in memory that only forked children share. */
static struct plan *
map_plan(void)
{
    const char *path = getenv("CONC_FAULTS_REPORT");
    int fd = path == NULL ? -1 : __real_open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (path != NULL && (fd < 0 || ftruncate(fd, sizeof(*plan)) != 0))
        abort();
    int flags = path == NULL ? MAP_SHARED | MAP_ANONYMOUS : MAP_SHARED;
    void *map = __real_mmap(NULL, sizeof(*plan), PROT_READ | PROT_WRITE, flags, fd, 0);
    if (map == MAP_FAILED)
        abort();
    if (fd >= 0)
        close(fd);
    return map;
}

__attribute__((constructor)) static void
prepare(void)
{
    plan = map_plan();
    const char *at = getenv("CONC_FAULTS_AT");
    if (at != NULL) {
        char *rest;
        long first = strtol(at, &rest, 10);
        faults_arm(FAULTS_MEMORY, first, *rest == '+');
    }
}

bool
faults_strike(enum faults_kind kind)
{
    if (atomic_load_explicit(&plan->kind, RELAXED) != (int)kind)
        return false;
    long first = atomic_load_explicit(&plan->first, RELAXED);
    long now = atomic_fetch_add_explicit(&plan->seen, 1, RELAXED) + 1;
    bool fails = first > 0 && now >= first && now <= atomic_load_explicit(&plan->last, RELAXED);
    if (fails)
        atomic_fetch_add_explicit(&plan->injected, 1, RELAXED);
    return fails;
}

/* ---- base/alloc.h -------------------------------------------------------------------------------------------------- */

void *__real_conc_alloc(size_t size);
void *__real_conc_alloc_array(size_t count, size_t size);
void *__real_conc_alloc_aligned(size_t alignment, size_t size);
void *__real_conc_realloc(void *old, size_t size);
void __real_conc_free(void *memory);
void *__wrap_conc_alloc(size_t size);
void *__wrap_conc_alloc_array(size_t count, size_t size);
void *__wrap_conc_alloc_aligned(size_t alignment, size_t size);
void *__wrap_conc_realloc(void *old, size_t size);
void __wrap_conc_free(void *memory);

static void *
counted(void *memory)
{
    if (memory != NULL)
        atomic_fetch_add_explicit(&live_blocks, 1, RELAXED);
    return memory;
}

void *
__wrap_conc_alloc(size_t size)
{
    return faults_strike(FAULTS_MEMORY) ? NULL : counted(__real_conc_alloc(size));
}

void *
__wrap_conc_alloc_array(size_t count, size_t size)
{
    return faults_strike(FAULTS_MEMORY) ? NULL : counted(__real_conc_alloc_array(count, size));
}

void *
__wrap_conc_alloc_aligned(size_t alignment, size_t size)
{
    return faults_strike(FAULTS_MEMORY) ? NULL : counted(__real_conc_alloc_aligned(alignment, size));
}

void *
__wrap_conc_realloc(void *old, size_t size)
{
    bool fresh = old == NULL;
    if (faults_strike(FAULTS_MEMORY))
        return NULL;
    void *memory = __real_conc_realloc(old, size);
    return fresh ? counted(memory) : memory;
}

void
__wrap_conc_free(void *memory)
{
    if (memory != NULL)
        atomic_fetch_sub_explicit(&live_blocks, 1, RELAXED);
    __real_conc_free(memory);
}

/* ---- what else can be refused -------------------------------------------------------------------------------------- */

int __real_munmap(void *address, size_t length);
int __real_mprotect(void *address, size_t length, int protection);
int __real_pthread_create(pthread_t *thread, const pthread_attr_t *attr, void *(*entry)(void *), void *arg);
int __real_pthread_attr_init(pthread_attr_t *attr);
int __real_pthread_atfork(void (*prepare)(void), void (*parent)(void), void (*child)(void));
int __real___clone(int (*entry)(void *), void *stack, int flags, void *arg, int *pidfd);
FILE *__real_fopen(const char *path, const char *mode);
DIR *__real_fdopendir(int fd);
int __real_openat(int folder, const char *path, int flags, mode_t mode);
void *__real_dlopen(const char *path, int flags);
void *__wrap_mmap(void *address, size_t length, int protection, int flags, int fd, off_t offset);
int __wrap_munmap(void *address, size_t length);
int __wrap_mprotect(void *address, size_t length, int protection);
int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attr, void *(*entry)(void *), void *arg);
int __wrap_pthread_attr_init(pthread_attr_t *attr);
int __wrap_pthread_atfork(void (*prepare)(void), void (*parent)(void), void (*child)(void));
int __wrap___clone(int (*entry)(void *), void *stack, int flags, void *arg, int *pidfd);
FILE *__wrap_fopen(const char *path, const char *mode);
DIR *__wrap_fdopendir(int fd);
int __wrap_open(const char *path, int flags, mode_t mode);
int __wrap_openat(int folder, const char *path, int flags, mode_t mode);
void *__wrap_dlopen(const char *path, int flags);

void *
__wrap_mmap(void *address, size_t length, int protection, int flags, int fd, off_t offset)
{
    if (faults_strike(FAULTS_SYSTEM)) {
        errno = ENOMEM;
        return MAP_FAILED;
    }
    void *memory = __real_mmap(address, length, protection, flags, fd, offset);
    if (memory != MAP_FAILED)
        atomic_fetch_add_explicit(&mapped_bytes, (long)length, RELAXED);
    return memory;
}

int
__wrap_munmap(void *address, size_t length)
{
    int rc = __real_munmap(address, length);
    if (rc == 0)
        atomic_fetch_sub_explicit(&mapped_bytes, (long)length, RELAXED);
    return rc;
}

/* Fails with errno, as most do. */
static bool
refused(int error)
{
    if (!faults_strike(FAULTS_SYSTEM))
        return false;
    errno = error;
    return true;
}

int
__wrap_mprotect(void *address, size_t length, int protection)
{
    return refused(ENOMEM) ? -1 : __real_mprotect(address, length, protection);
}

int
__wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attr, void *(*entry)(void *), void *arg)
{
    return faults_strike(FAULTS_SYSTEM) ? EAGAIN : __real_pthread_create(thread, attr, entry, arg);
}

int
__wrap_pthread_attr_init(pthread_attr_t *attr)
{
    return faults_strike(FAULTS_SYSTEM) ? ENOMEM : __real_pthread_attr_init(attr);
}

int
__wrap_pthread_atfork(void (*prepare_)(void), void (*parent)(void), void (*child)(void))
{
    return faults_strike(FAULTS_SYSTEM) ? ENOMEM : __real_pthread_atfork(prepare_, parent, child);
}

int
__wrap___clone(int (*entry)(void *), void *stack, int flags, void *arg, int *pidfd)
{
    return refused(EAGAIN) ? -1 : __real___clone(entry, stack, flags, arg, pidfd);
}

FILE *
__wrap_fopen(const char *path, const char *mode)
{
    return refused(ENOMEM) ? NULL : __real_fopen(path, mode);
}

DIR *
__wrap_fdopendir(int fd)
{
    return refused(ENOMEM) ? NULL : __real_fdopendir(fd);
}

int
__wrap_open(const char *path, int flags, mode_t mode)
{
    return refused(EMFILE) ? -1 : __real_open(path, flags, mode);
}

int
__wrap_openat(int folder, const char *path, int flags, mode_t mode)
{
    return refused(EMFILE) ? -1 : __real_openat(folder, path, flags, mode);
}

void *
__wrap_dlopen(const char *path, int flags)
{
    return faults_strike(FAULTS_SYSTEM) ? NULL : __real_dlopen(path, flags);
}
