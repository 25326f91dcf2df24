/* SPDX-License-Identifier: Apache-2.0 */
/* topology/sysfs.h - reads a machine from /sys/devices/system below a root folder: "/" for this machine, or a recorded
 * tree, which needs nothing but the files (Documentation/ABI/stable/sysfs-devices-node, sysfs-devices-system-cpu). */
#ifndef CONC_TOPOLOGY_SYSFS_H
#define CONC_TOPOLOGY_SYSFS_H

#include "topology/model.h"

#define CONC_SYSFS_PATH 192

/* Fills `topology` [owned by the caller: conc_topology_clear()]. 0 or a negative errno, and then `topology` is empty
 * and `problem` names the file or folder, relative to `root`: -ENOENT no such root, -ENODATA no CPU is listed, -EBADMSG
 * a file is not in its format, or what the read gave. */
int conc_sysfs_read(const char *root, struct conc_topology *topology, char problem[CONC_SYSFS_PATH]);

#endif
