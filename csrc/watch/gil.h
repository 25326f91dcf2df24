/* SPDX-License-Identifier: Apache-2.0 */
/* watch/gil.h - who holds the GIL, read from memory, of our own process or another one's, without taking the GIL.
 *
 * Reading what may be freed is guarded (os/process_memory.h): an interpreter or a thread state that is gone gives "not known"
 * and never a crash. What is said is a sample: it was so at some moment during the call.
 *
 * A reader is used by one thread at a time. It holds no lock, and nothing is allocated after conc_gil_reader_open(). One of
 * our own process does not survive a fork: in the child only conc_gil_reader_close() may be called.
 */
#ifndef CONC_WATCH_GIL_H
#define CONC_WATCH_GIL_H

#include <stdbool.h>
#include <stdint.h>

#include "watch/gil_layout.h"

/* The most GILs that a reader looks at. Of more, it looks at the newest interpreters' and the main one's. */
#define CONC_GIL_LOCKS 64

struct conc_gil_reader;

/* One GIL: interpreters that share one are one sample. */
struct conc_gil_sample {
    int64_t  interpreter;       /* id of the oldest interpreter that uses it */
    bool     enabled;           /* false: a free-threaded build with the GIL off. Nobody has it, nobody waits for it */
    bool     locked;            /* somebody has it */
    int      holder_tid;        /* gettid() of who has it (as its own pid namespace counts); 0: nobody; -1: not known */
    uint64_t switches;          /* unchanged: no other thread had it in between */
};

/* *reader [owned], with the interpreters that there are now. `pid` 0: our own process.
 *
 * 0; -ENOMEM; -ESRCH: no such process; -EPERM, -EACCES: reading it takes the right to trace it (ptrace(2)); -EFAULT: there
 * is no _PyRuntime at that address; -EBADMSG: offsets that no CPython has; -ENOSYS: this platform has no such reading. A
 * layout without structures, learned or empty, opens too: it has no GIL to read, and conc_gil_reader_is_gil_address()
 * knows what was learned. */
int conc_gil_reader_open(struct conc_gil_reader **reader, int pid, const struct conc_gil_layout *layout);

/* Looks anew which interpreters there are: to be called now and then. conc_gil_reader_read() does it by itself when one
 * of those that it knows is gone. 0 or an error as above; what was known before then stays. */
int conc_gil_reader_refresh(struct conc_gil_reader *reader);

/* Reads all GILs into samples[0..size), oldest interpreter first; with one system call when the holders are those of the
 * last call. Returns how many, at most `size`, 0 for a layout without structures; or an error as above. */
int conc_gil_reader_read(struct conc_gil_reader *reader, struct conc_gil_sample *samples, int size);

/* The same, and without any system call where that can be: for GILs of our own process that are there as long as CPython is
 * loaded, when the same thread states have them as at the last call. One that has ended since, with another thread's in its
 * place that took the GIL right after it, may still be named for CONC_GIL_GLANCES calls. */
int conc_gil_reader_glance(struct conc_gil_reader *reader, struct conc_gil_sample *samples, int size);

/* Of so many calls one asks who the holder is although nothing has changed. */
#define CONC_GIL_GLANCES 16

/* Whether a thread that waits at this address (futex(2)'s first argument) waits for a GIL: for its turn, or, having given
 * it up on request, for the other thread to take it. *interpreter then is conc_gil_sample's. Reads no memory. */
bool conc_gil_reader_is_gil_address(const struct conc_gil_reader *reader, uint64_t futex, int64_t *interpreter);

/* NULL is allowed. */
void conc_gil_reader_close(struct conc_gil_reader *reader);

#endif
