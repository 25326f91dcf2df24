"""Namespaces of this process's own (root's right), in which nobody else mounts, or takes ids of processes."""

import ctypes
import os
import sys

CLONE_NEWNS, CLONE_NEWPID, MS_REC, MS_PRIVATE, MNT_DETACH = 0x20000, 0x20000000, 0x4000, 1 << 18, 2
libc = ctypes.CDLL(None, use_errno=True)


def checked(result: int) -> None:
    if result != 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def own_mounts() -> None:
    """What is mounted from now on is mounted for this process alone."""
    checked(libc.unshare(CLONE_NEWNS))
    checked(libc.mount(b"none", b"/", None, MS_REC | MS_PRIVATE, None))


def go_on_as_first_process() -> None:
    """From here on this is process 1 of a namespace of its own, whose /proc is mounted; its status is the script's."""
    own_mounts()
    checked(libc.unshare(CLONE_NEWPID))
    pid = os.fork()
    if pid != 0:
        status = os.waitpid(pid, 0)[1]
        os._exit(os.waitstatus_to_exitcode(status))
    checked(libc.mount(b"proc", b"/proc", b"proc", 0, None))


def give_next(number: int) -> None:
    """The next process or thread of this namespace has this id."""
    with open("/proc/sys/kernel/ns_last_pid", "w", encoding="ascii") as file:
        file.write(str(number - 1))


def leave() -> None:
    """End at once: what belongs to the process before the fork is not to be ended here."""
    sys.stdout.flush()
    os._exit(0)
