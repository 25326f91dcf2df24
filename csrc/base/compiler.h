/* SPDX-License-Identifier: Apache-2.0 */
/* base/compiler.h - what the core needs from the compiler and the CPU architecture. */
#ifndef CONC_BASE_COMPILER_H
#define CONC_BASE_COMPILER_H

/* Two lines: on x86 the adjacent-line prefetcher fetches pairs. */
#define CONC_CACHE_LINE 64
#define CONC_FALSE_SHARING 128

#define CONC_LIKELY(x) __builtin_expect(!!(x), 1)
#define CONC_UNLIKELY(x) __builtin_expect(!!(x), 0)
#define CONC_NOINLINE __attribute__((noinline))

/* For code that runs where no sanitizer can: a vfork child on its own stack. */
#define CONC_NO_SANITIZE \
    __attribute__((no_sanitize_address, no_sanitize_thread, no_sanitize_undefined))

/* Tells the CPU that this is a spin loop. */
static inline void
conc_cpu_relax(void)
{
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__) || defined(__arm__)
    __asm__ volatile("yield" ::: "memory");
#else
    __asm__ volatile("" ::: "memory");
#endif
}

#endif
