/* SPDX-License-Identifier: Apache-2.0 */
/* os/loaded.h - what the program and its libraries have in memory. */
#ifndef CONC_OS_LOADED_H
#define CONC_OS_LOADED_H

/* Whether one and the same of them has both addresses, its variables among them: both are there as long as it is loaded. 1, 0, or
 * -ENOSYS: not told by this platform. */
int conc_loaded_together(const void *first, const void *second);

#endif
