/* SPDX-License-Identifier: Apache-2.0 */
/* os/linux/newer_calls.h - the headers that we are compiled with may be older than the kernel that we run on. Since Linux
 * 5.1 new calls have one number on all the architectures that we run on. */
#ifndef CONC_OS_LINUX_NEWER_CALLS_H
#define CONC_OS_LINUX_NEWER_CALLS_H

#include <sys/syscall.h>

#ifndef SYS_io_uring_enter
#define SYS_io_uring_enter 426
#endif
#ifndef SYS_clone3
#define SYS_clone3 435
#endif
#ifndef SYS_openat2
#define SYS_openat2 437
#endif
#ifndef SYS_epoll_pwait2
#define SYS_epoll_pwait2 441
#endif
#ifndef SYS_futex_waitv
#define SYS_futex_waitv 449
#endif
#ifndef SYS_futex_wait
#define SYS_futex_wait 455
#endif

#endif
