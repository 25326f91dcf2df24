/* SPDX-License-Identifier: Apache-2.0 */
/* test_process_memory.c - os/process_memory.h: our own memory, a child's, and what is not there. */
#include "os/process_memory.h"

#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>

#include "crew.h"

#define MANY 150        /* more than one system call reads */

/* Two pages, of which the second is not there. */
static char *
half_mapped(size_t page)
{
    char *memory = mmap(NULL, 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(memory != MAP_FAILED);
    CHECK_EQ(munmap(memory + page, page), 0);
    return memory;
}

static struct conc_memory_piece
piece(const void *address, void *into, size_t bytes)
{
    return (struct conc_memory_piece){(uint64_t)(uintptr_t)address, into, bytes};
}

static void
reads_in_order(const struct conc_process_memory *memory)
{
    static int there[MANY], here[MANY];
    struct conc_memory_piece pieces[MANY];
    for (int i = 0; i < MANY; i++) {
        there[i] = i * i + 1;
        here[i] = 0;
        pieces[i] = piece(&there[i], &here[i], sizeof(int));
    }
    CHECK_EQ(conc_process_memory_read(memory, pieces, MANY), MANY);
    CHECK(memcmp(there, here, sizeof(there)) == 0);
    CHECK_EQ(conc_process_memory_read(memory, pieces, 0), 0);
}

static void
stops_at_what_is_not_there(const struct conc_process_memory *memory)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    char *edge = half_mapped(page);
    strcpy(edge, "whole");
    strcpy(edge + page - 4, "abc");
    char text[3][8];
    struct conc_memory_piece pieces[MANY];
    for (int i = 0; i < MANY; i++)
        pieces[i] = piece(edge, text[0], 6);
    CHECK_EQ(conc_process_memory_read(memory, pieces, MANY), MANY);
    CHECK(strcmp(text[0], "whole") == 0);
    pieces[1] = piece(edge + page - 4, text[1], 8);         /* half of it */
    CHECK_EQ(conc_process_memory_read(memory, pieces, MANY), 1);
    CHECK_EQ(conc_process_memory_read(memory, pieces + 1, 1), -EFAULT);
    pieces[1] = piece(edge + page - 4, text[1], 4);
    pieces[100] = piece(edge + page, text[2], 1);
    CHECK_EQ(conc_process_memory_read(memory, pieces, MANY), 100);
    CHECK_EQ(conc_process_memory_read(memory, pieces + 100, 2), -EFAULT);
    static const uint64_t nowhere[] = {0, 8, UINT64_C(1) << 47, UINT64_C(1) << 63, UINT64_MAX - 4096, UINT64_MAX - 8,
                                       UINT64_MAX - 7, UINT64_MAX};
    for (size_t i = 0; i < sizeof(nowhere) / sizeof(*nowhere); i++) {
        pieces[1].address = nowhere[i];
        pieces[1].bytes = 8;
        CHECK_EQ(conc_process_memory_read(memory, pieces, MANY), 1);
        CHECK_EQ(conc_process_memory_read(memory, pieces + 1, 1), -EFAULT);
    }
    CHECK_EQ(munmap(edge, page), 0);
}

static void
child_of_ours(void)
{
    static volatile int value = 1;
    int say[2], hear[2];
    CHECK_EQ(pipe(say), 0);
    CHECK_EQ(pipe(hear), 0);
    pid_t pid = fork();
    CHECK(pid >= 0);
    if (pid == 0) {
        char byte = 0;
        value = 2;
        (void)!write(hear[1], &byte, 1);
        (void)!read(say[0], &byte, 1);
        _exit(0);
    }
    char byte;
    int seen = 0, status;
    CHECK_EQ(read(hear[0], &byte, 1), 1);
    struct conc_process_memory memory;
    CHECK_EQ(conc_process_memory_open(&memory, pid), 0);
    struct conc_memory_piece there = piece((const void *)&value, &seen, sizeof(seen));
    CHECK_EQ(conc_process_memory_read(&memory, &there, 1), 1);
    CHECK_EQ(seen, 2);
    CHECK_EQ(value, 1);
    CHECK_EQ(write(say[1], &byte, 1), 1);
    CHECK_EQ(waitpid(pid, &status, 0), pid);
    CHECK_EQ(conc_process_memory_read(&memory, &there, 1), -ESRCH);
    conc_process_memory_close(&memory);
    CHECK_EQ(conc_process_memory_open(&memory, pid), -ESRCH);
    for (int i = 0; i < 2; i++) {
        close(say[i]);
        close(hear[i]);
    }
}

/* What a sandbox leaves that forbids the system call. */
static void
by_file(void)
{
    struct conc_process_memory memory = {.pid = (int)getpid(), .fd = open("/proc/self/mem", O_RDONLY | O_CLOEXEC)};
    CHECK(memory.fd >= 0);
    reads_in_order(&memory);
    stops_at_what_is_not_there(&memory);
    conc_process_memory_close(&memory);
    CHECK_EQ(memory.fd, -1);
    conc_process_memory_close(&memory);
}

int
main(void)
{
    struct conc_process_memory memory;
    CHECK_EQ(conc_process_memory_open(&memory, 0), 0);
    CHECK_EQ(memory.pid, getpid());
    reads_in_order(&memory);
    stops_at_what_is_not_there(&memory);
    conc_process_memory_close(&memory);
    by_file();
    child_of_ours();
    return 0;
}
