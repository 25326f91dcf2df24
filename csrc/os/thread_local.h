/* SPDX-License-Identifier: Apache-2.0 */
/* os/thread_local.h - thread-local variables that cost a thread nothing. */
#ifndef CONC_OS_THREAD_LOCAL_H
#define CONC_OS_THREAD_LOCAL_H

#include <limits.h>             /* tells which C library this is */

/* In static storage, where the C library has room for it in modules that are loaded late: the other kind takes memory from
 * the allocator in each thread that looks, more than all else that a small thread holds. */
#if defined(__GLIBC__)
#define CONC_THREAD_LOCAL _Thread_local __attribute__((tls_model("initial-exec")))
#else
#define CONC_THREAD_LOCAL _Thread_local
#endif

#endif
