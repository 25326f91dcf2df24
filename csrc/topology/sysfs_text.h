/* SPDX-License-Identifier: Apache-2.0 */
/* topology/sysfs_text.h - what stands in one file of /sys/devices/system, as pure functions of its bytes, which need no
 * terminator. Each takes a whole file and answers 0, or -EBADMSG when it is not in its format: a probe must not guess.
 */
#ifndef CONC_TOPOLOGY_SYSFS_TEXT_H
#define CONC_TOPOLOGY_SYSFS_TEXT_H

#include <stddef.h>
#include <stdint.h>

#include "topology/model.h"

/* One number:   file = [ "-" ] number [ "K" / "M" / "G" ] [ newline ]
 * Some files hold -1 for "not known": whatever is below zero is CONC_UNKNOWN. */
int conc_sysfs_parse_number(const char *text, size_t length, int64_t *value);

/* Bytes in a line "Node 0 MemTotal:  4548812 kB" of a node's meminfo, whose `key` is MemTotal; CONC_UNKNOWN when there
 * is no such line. */
int conc_sysfs_parse_meminfo(const char *text, size_t length, const char *key, int64_t *bytes);

/* Exactly `count` numbers with blanks between, up to INT_MAX each. */
int conc_sysfs_parse_distances(const char *text, size_t length, int64_t *distance, size_t count);

/* "Data", "Instruction" or "Unified". */
int conc_sysfs_parse_cache_type(const char *text, size_t length, enum conc_cache_type *type);

#endif
