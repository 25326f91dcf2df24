"""A sandbox: a seccomp filter that answers some system calls of this thread, and of what it starts, with an error."""

import ctypes
import os
import struct

PR_SET_SECCOMP, PR_SET_NO_NEW_PRIVS, SECCOMP_MODE_FILTER = 22, 38, 2
# linux/bpf_common.h: BPF_LD | BPF_W | BPF_ABS, BPF_JMP | BPF_JEQ, BPF_JMP | BPF_JSET, BPF_RET
LOAD, EQUAL, SET, RETURN = 0x20, 0x15, 0x45, 0x06
ALLOW, ERROR = 0x7FFF0000, 0x00050000  # linux/seccomp.h: SECCOMP_RET_ALLOW, SECCOMP_RET_ERRNO

NUMBERS = {
    "x86_64": {"openat": 257, "process_vm_readv": 310, "clock_gettime": 228, "clone": 56, "clone3": 435},
    "aarch64": {"openat": 56, "process_vm_readv": 270, "clock_gettime": 113, "clone": 220, "clone3": 435},
}


FIRST_ARGUMENT = 16  # its lower half in struct seccomp_data, whose first word is the call's number


def refuse(error: int, *calls: str) -> None:
    """From now on each of these system calls fails with `error`. There is no way back."""
    number_of = NUMBERS[os.uname().machine]
    program = [(LOAD, 0, 0, 0)]
    for call in calls:
        program += [(EQUAL, 0, 1, number_of[call]), (RETURN, 0, 0, ERROR | error)]
    _install([*program, (RETURN, 0, 0, ALLOW)])


def refuse_clocks_of_threads(error: int) -> None:
    """From now on the clocks that the kernel makes of threads' ids, which are negative, fail with `error`."""
    _install(
        [
            (LOAD, 0, 0, 0),
            (EQUAL, 0, 3, NUMBERS[os.uname().machine]["clock_gettime"]),
            (LOAD, 0, 0, FIRST_ARGUMENT),
            (SET, 0, 1, 1 << 31),
            (RETURN, 0, 0, ERROR | error),
            (RETURN, 0, 0, ALLOW),
        ]
    )


def _install(program: list[tuple[int, int, int, int]]) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    code = ctypes.create_string_buffer(b"".join(struct.pack("=HBBI", *line) for line in program))
    header = ctypes.create_string_buffer(struct.pack("@HP", len(program), ctypes.addressof(code)))
    for arguments in ((PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), (PR_SET_SECCOMP, SECCOMP_MODE_FILTER, header, 0, 0)):
        if libc.prctl(*arguments) != 0:
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
