"""A sandbox: a seccomp filter that answers some system calls of this thread, and of what it starts, with an error."""

import ctypes
import os
import struct

PR_SET_SECCOMP, PR_SET_NO_NEW_PRIVS, SECCOMP_MODE_FILTER = 22, 38, 2
LOAD, EQUAL, RETURN = 0x20, 0x15, 0x06  # linux/bpf_common.h: BPF_LD | BPF_W | BPF_ABS, BPF_JMP | BPF_JEQ, BPF_RET
ALLOW, ERROR = 0x7FFF0000, 0x00050000  # linux/seccomp.h: SECCOMP_RET_ALLOW, SECCOMP_RET_ERRNO

NUMBERS = {
    "x86_64": {"openat": 257, "process_vm_readv": 310, "clock_gettime": 228, "clone": 56, "clone3": 435},
    "aarch64": {"openat": 56, "process_vm_readv": 270, "clock_gettime": 113, "clone": 220, "clone3": 435},
}


def refuse(error: int, *calls: str) -> None:
    """From now on each of these system calls fails with `error`. There is no way back."""
    libc = ctypes.CDLL(None, use_errno=True)
    number_of = NUMBERS[os.uname().machine]
    program = [(LOAD, 0, 0, 0)]  # the number is the first word of struct seccomp_data
    for call in calls:
        program += [(EQUAL, 0, 1, number_of[call]), (RETURN, 0, 0, ERROR | error)]
    program.append((RETURN, 0, 0, ALLOW))
    code = ctypes.create_string_buffer(b"".join(struct.pack("=HBBI", *line) for line in program))
    header = ctypes.create_string_buffer(struct.pack("@HP", len(program), ctypes.addressof(code)))
    for arguments in ((PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), (PR_SET_SECCOMP, SECCOMP_MODE_FILTER, header, 0, 0)):
        if libc.prctl(*arguments) != 0:
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
