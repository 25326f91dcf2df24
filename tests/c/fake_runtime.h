/* SPDX-License-Identifier: Apache-2.0 */
/* fake_runtime.h - what a reader of GILs finds in an interpreter: structures of our own and the layout that tells of them. */
#ifndef CONC_TESTS_FAKE_RUNTIME_H
#define CONC_TESTS_FAKE_RUNTIME_H

#include <stdatomic.h>
#include <stddef.h>

#include "watch/gil.h"

struct fake_thread {
    char other[24];
    _Atomic unsigned long native_id;
};

struct fake_gil {
    atomic_int enabled;
    _Atomic(struct fake_thread *) holder;
    atomic_int locked;
    _Atomic unsigned long switches;
    char waits[176];
};

struct fake_interpreter {
    char other[8];
    _Atomic int64_t id;
    _Atomic(struct fake_gil *) gil;
    _Atomic(struct fake_interpreter *) next;
};

struct fake_runtime {
    char other[16];
    _Atomic(struct fake_interpreter *) newest;
    struct fake_gil gil;
};

static inline struct conc_gil_layout
fake_layout(const struct fake_runtime *runtime)
{
    return (struct conc_gil_layout){
        .runtime = (uint64_t)(uintptr_t)runtime,
        .version = 0x030d00f0,
        .runtime_interpreters = offsetof(struct fake_runtime, newest),
        .interpreter_next = offsetof(struct fake_interpreter, next),
        .interpreter_id = offsetof(struct fake_interpreter, id),
        .interpreter_gil = offsetof(struct fake_interpreter, gil),
        .gil_enabled = offsetof(struct fake_gil, enabled),
        .gil_holder = offsetof(struct fake_gil, holder),
        .gil_locked = offsetof(struct fake_gil, locked),
        .gil_switches = offsetof(struct fake_gil, switches),
        .gil_waits = offsetof(struct fake_gil, waits),
        .gil_bytes = sizeof(struct fake_gil),
        .thread_native_id = offsetof(struct fake_thread, native_id),
        .can_be_off = true,
    };
}

/* As CPython's take_gil() writes it. */
static inline void
fake_take(struct fake_gil *gil, struct fake_thread *thread)
{
    atomic_store_explicit(&gil->locked, 1, memory_order_relaxed);
    if (atomic_load_explicit(&gil->holder, memory_order_relaxed) != thread) {
        atomic_store_explicit(&gil->holder, thread, memory_order_relaxed);
        atomic_fetch_add_explicit(&gil->switches, 1, memory_order_relaxed);
    }
}

static inline void
fake_drop(struct fake_gil *gil)
{
    atomic_store(&gil->locked, 0);
}

#endif
