/* SPDX-License-Identifier: Apache-2.0 */
/* topology/cpulist.h - the kernel's list format: "0-3,8", for CPUs and for nodes (cpuset(7), "List format"). */
#ifndef CONC_TOPOLOGY_CPULIST_H
#define CONC_TOPOLOGY_CPULIST_H

#include <stddef.h>

#include "base/bitset.h"

/* Ids are below this: the kernel's NR_CPUS is at most 8192 today. It bounds what garbage can make us allocate. */
#define CONC_CPU_LIMIT 65536

/* Adds the members of the `length` bytes at `text` to `set` (an empty set of the caller, who clears it).
 *
 *   list  = [ item *( "," item ) ] [ newline ]        item = number [ "-" number ]        number = 1*digit
 *
 * An empty line is the empty set: a node without CPUs. Items may come in any order and overlap. Anything else, a
 * range that goes down, and an id at or above CONC_CPU_LIMIT is -EBADMSG, and `set` then holds what came before. */
int conc_cpulist_parse(const char *text, size_t length, struct conc_bitset *set);

#endif
