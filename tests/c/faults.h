/* SPDX-License-Identifier: Apache-2.0 */
/* faults.h - makes a chosen allocation of the core fail, or a chosen request to the system, and counts what is held.
 *
 * Nothing of it is in csrc/: the linker puts the functions of faults.c in front of those of base/alloc.c and of libc
 * (ld --wrap), for the test programs, which are always linked so, and for the copy of the extension that
 * tests/test_no_memory.py builds. Counting starts with each faults_arm(); forked children count on with their parent.
 *
 * Every access is relaxed, so that counting orders nothing that ThreadSanitizer should see unordered.
 *
 * The environment arms the whole run of a program (tools/ctest.py --fail-allocations):
 *   CONC_FAULTS_AT       "12": the 12th allocation fails; "12+": that and all that follow; "0": none, counted only
 *   CONC_FAULTS_REPORT   a file that begins with two longs, however the program ends: faults_seen(), faults_injected()
 */
#ifndef CONC_TESTS_FAULTS_H
#define CONC_TESTS_FAULTS_H

#include <stdbool.h>
#include <stddef.h>

enum faults_kind {
    FAULTS_MEMORY,      /* conc_alloc(), conc_alloc_array(), conc_alloc_aligned(), conc_realloc() */
    FAULTS_SYSTEM,      /* what else libc or the kernel may refuse: see the list in tools/faults.py */
    FAULTS_PYTHON,      /* the interpreter's allocators: tests/no_memory/faults_module.c */
};

/* From now on the `first`th call of this kind fails (0: none), with `after` all later ones too. Forgets what was armed
 * before and counts anew. */
void faults_arm(enum faults_kind kind, long first, bool after);

/* The same for the calls `first` to `last`. */
void faults_arm_range(enum faults_kind kind, long first, long last);
void faults_disarm(void);

/* Counts a call, and says whether it is to fail. */
bool faults_strike(enum faults_kind kind);

long faults_seen(void);         /* calls of the armed kind */
long faults_injected(void);     /* of those, the ones that were made to fail */

/* In this process, from its beginning on: blocks of base/alloc.h that are not freed, and bytes mapped by mmap(2). */
long faults_live_blocks(void);
long faults_mapped_bytes(void);

/* Ends the program, or the forked child, as one that was rightly told that there is no memory. */
_Noreturn void faults_end(void);

/* The exit status of such an end. */
#define FAULTS_ENDED 78

#endif
