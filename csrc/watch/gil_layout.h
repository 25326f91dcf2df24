/* SPDX-License-Identifier: Apache-2.0 */
/* watch/gil_layout.h - where a CPython keeps its GILs: in which structures, at which offsets.
 *
 * CPython 3.13 and later begin `_PyRuntime` with a table of such offsets, made for debuggers and profilers
 * (Include/internal/pycore_debug_offsets.h, struct _Py_DebugOffsets). For 3.11 and 3.12 the offsets are a table of our
 * own, the same for all their releases, release and debug builds alike. All of it holds for 64-bit systems alone.
 */
#ifndef CONC_WATCH_GIL_LAYOUT_H
#define CONC_WATCH_GIL_LAYOUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* How many bytes from the start of `_PyRuntime` conc_gil_layout_find() looks at. */
#define CONC_GIL_HEAD_BYTES 256

/* Offsets are in bytes. */
struct conc_gil_layout {
    uint64_t runtime;               /* address of _PyRuntime in the watched process; 0: the structures are not known */
    uint64_t learned_begin;         /* where threads were seen to wait for the GIL of `learned_interpreter`; both 0: not */
    uint64_t learned_end;           /* learned. The end is exclusive */
    int64_t  learned_interpreter;
    uint32_t version;               /* PY_VERSION_HEX of the watched interpreter */
    uint32_t runtime_interpreters;  /* in _PyRuntime: pointer to the newest interpreter */
    uint32_t runtime_gil;           /* in _PyRuntime: the one GIL of all interpreters (3.11); 0: they point to theirs */
    uint32_t interpreter_next;      /* in an interpreter: pointer to the next older one */
    uint32_t interpreter_id;        /* int64_t */
    uint32_t interpreter_gil;       /* pointer to its GIL, its own or a shared one */
    uint32_t gil_enabled;           /* in a GIL, where can_be_off: int, 0: it is off */
    uint32_t gil_holder;            /* pointer to the thread state that has it, or had it last */
    uint32_t gil_locked;            /* int, 1: somebody has it */
    uint32_t gil_switches;          /* unsigned long, how often it went to another thread state */
    uint32_t gil_waits;             /* from here to gil_bytes: what threads wait on, two conditions and two mutexes */
    uint32_t gil_bytes;
    uint32_t thread_native_id;      /* in a thread state: unsigned long, gettid() */
    bool     can_be_off;            /* a free-threaded build */
};

/* The layout of CPython `version` (a PY_VERSION_HEX) whose `_PyRuntime` stands at `runtime` and begins with the `size`
 * bytes of `head`, which may be anything. `waits_bytes`: size of two pthread_cond_t and two pthread_mutex_t of its C
 * library. 0; -ENOTSUP: this version's is not known; -EBADMSG: `head` is not what this version has there. */
int conc_gil_layout_find(struct conc_gil_layout *layout, uint64_t runtime, uint32_t version, uint32_t waits_bytes,
                         const void *head, size_t size);

#endif
