/* SPDX-License-Identifier: Apache-2.0 */
/* os/linux/memory.c - mmap(2), madvise(2), and mbind(2), move_pages(2), get_mempolicy(2) by system call: no libnuma. */
#include "os/memory.h"

#include <errno.h>
#include <inttypes.h>
#include <linux/mempolicy.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "os/file.h"
#include "os/linux/node_mask.h"
#include "os/proc_text.h"

#define HUGE_SIZE_FILE "sys/kernel/mm/transparent_hugepage/hpage_pmd_size"

size_t
conc_memory_page_size(void)
{
    return (size_t)sysconf(_SC_PAGESIZE);
}

size_t
conc_memory_huge_page_size(void)
{
    uint64_t size = 0;
    char text[32];
    int root = conc_root_open("/");
    if (root >= 0) {
        ssize_t n = conc_file_read(root, HUGE_SIZE_FILE, text, sizeof(text));
        if (n <= 0 || conc_proc_number(text, (size_t)n, &size) != 0 || size > SIZE_MAX)
            size = 0;
        conc_root_close(root);
    }
    size_t page = conc_memory_page_size();
    return size > page ? (size_t)size : page;
}

int
conc_memory_map(size_t size, size_t alignment, void **memory)
{
    size_t guard = conc_memory_page_size();
    if (size == 0 || size % guard != 0 || alignment < guard || (alignment & (alignment - 1)) != 0)
        return -EINVAL;
    if (size > SIZE_MAX / 2 - alignment)
        return -ENOMEM;
    size_t reserved = size + alignment + 2 * guard;
    char *start = mmap(NULL, reserved, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (start == MAP_FAILED)
        return -errno;
    uintptr_t first = ((uintptr_t)start + guard + alignment - 1) & ~(uintptr_t)(alignment - 1);
    char *base = (char *)first;
    char *end = start + reserved, *keep_end = base + size + guard;
    if (base - guard > start)
        munmap(start, (size_t)(base - guard - start));
    if (end > keep_end)
        munmap(keep_end, (size_t)(end - keep_end));
    if (mprotect(base, size, PROT_READ | PROT_WRITE) != 0) {
        int err = -errno;
        conc_memory_unmap(base, size);
        return err;
    }
    *memory = base;
    return 0;
}

void
conc_memory_unmap(void *memory, size_t size)
{
    size_t guard = conc_memory_page_size();
    munmap((char *)memory - guard, size + 2 * guard);
}

int
conc_memory_advise_huge(void *memory, size_t size, bool huge)
{
    return madvise(memory, size, huge ? MADV_HUGEPAGE : MADV_NOHUGEPAGE) == 0 ? 0 : -errno;
}

int
conc_memory_huge_bytes(const void *memory, size_t size, size_t *bytes)
{
    FILE *smaps = fopen("/proc/self/smaps", "re");
    if (smaps == NULL)
        return -errno;
    uintptr_t first = (uintptr_t)memory, last = first + size;
    bool inside = false, seen = false;
    size_t sum = 0, kib;
    uintptr_t start, end;
    char line[512];
    while (fgets(line, sizeof(line), smaps) != NULL) {
        if (sscanf(line, "%" SCNxPTR "-%" SCNxPTR " ", &start, &end) == 2) {
            inside = start >= first && end <= last;
            seen |= inside;
        }
        else if (inside && sscanf(line, "AnonHugePages: %zu kB", &kib) == 1) {
            sum += kib * 1024;
        }
    }
    fclose(smaps);
    if (!seen)
        return -ENODATA;
    *bytes = sum;
    return 0;
}

int
conc_memory_bind(void *memory, size_t size, unsigned node)
{
    struct conc_node_mask mask;
    int err = conc_node_mask_of(node, &mask);
    if (err != 0)
        return err;
    long rc = syscall(SYS_mbind, memory, size, MPOL_BIND, mask.words, CONC_NODE_MASK_BITS, MPOL_MF_STRICT);
    return rc == 0 ? 0 : -errno;
}

int
conc_memory_nodes_of(void **pages, size_t count, int *nodes)
{
    return syscall(SYS_move_pages, 0, count, pages, NULL, nodes, 0) < 0 ? -errno : 0;
}

int
conc_memory_node_at(void *page)
{
    int node;
    if (syscall(SYS_get_mempolicy, &node, NULL, 0, page, MPOL_F_NODE | MPOL_F_ADDR) != 0)
        return -errno;
    return node;
}
