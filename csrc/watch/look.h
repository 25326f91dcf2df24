/* SPDX-License-Identifier: Apache-2.0 */
/* watch/look.h - what one thread does at this moment, from the files that the system grants. */
#ifndef CONC_WATCH_LOOK_H
#define CONC_WATCH_LOOK_H

#include <stdbool.h>
#include <stdint.h>

#include "watch/gils.h"
#include "watch/watched.h"

/* 0 and *doing, or -ESRCH: the thread is gone. Where the system does not tell, what it does is not known either, and
 * `files` says why. */
int conc_watch_look(struct conc_watch_files *files, const struct conc_watch_gils *gils, struct conc_watched *watched,
                    struct conc_doing *doing);

/* CPU time so far by the thread's own clock. -ESRCH: it is gone; other errors: there are no clocks to be had, neither of another
 * process's threads nor where the system refuses them, after which they are not asked again. */
int conc_watch_look_clock(struct conc_watch_files *files, const struct conc_watched *watched, int64_t *cpu_ns);

/* How long it waited for a CPU so far: into now.run_delay_ns, and given; false: not known. */
bool conc_watch_look_delay(struct conc_watch_files *files, struct conc_watched *watched, int64_t *delay_ns);

/* CPU time and run delay at once, where there is no clock: the first may be behind. -ESRCH: the thread is gone; other errors: not
 * known. */
int conc_watch_look_times(struct conc_watch_files *files, struct conc_watched *watched, int64_t *cpu_ns,
                          int64_t *delay_ns);

/* The CPU that it runs on, and who it is: false when it is gone, or when another thread has got its id. */
bool conc_watch_look_place(struct conc_watch_files *files, struct conc_watched *watched);

/* Its name, which a new thread has from its starter until it has one of its own. */
void conc_watch_look_name(struct conc_watch_files *files, struct conc_watched *watched);

/* Its name, its switches and the run delay. */
void conc_watch_look_closely(struct conc_watch_files *files, struct conc_watched *watched);

#endif
