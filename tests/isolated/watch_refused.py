"""A watch of what may not be looked into: processes of others, protected, hidden; and where there is no /proc."""

# cases: another-user undumpable changed-user hidden half-hidden no-proc
# needs: root
# needs[hidden]: namespaces
# needs[half-hidden]: namespaces
# needs[no-proc]: namespaces
# stdout[another-user]: PermissionError: runs as user, and this one as user, CAP_SYS_PTRACE
# stdout[undumpable]: PermissionError: was made undumpable, CAP_SYS_PTRACE
# stdout[changed-user]: seen: RUNNING, and why system calls are not told
# stdout[hidden]: ProcessLookupError: is hidden, hidepid
# stdout[half-hidden]: PermissionError: may not be read, hidepid
# stdout[no-proc]: ProcessLookupError: is not mounted

import os
import sys
import time

from namespaces import MNT_DETACH, checked, libc, own_mounts

import conc.watching.other  # noqa: F401  (by which another process is watched)
from conc.watching.api import watch
from conc.watching.records import State

NOBODY = 65534
PR_SET_DUMPABLE = 4


def become_nobody() -> None:
    os.setgroups([])  # hidepid hides nothing from root's group
    os.setgid(NOBODY)
    os.setuid(NOBODY)


def target(protected: bool = False, user: int | None = None) -> int:
    """A process that waits, as this user's or another one's."""
    reading, writing = os.pipe()
    held, holds = os.pipe()  # its other end is closed when this process ends
    pid = os.fork()
    if pid == 0:
        os.close(holds)
        if user is not None:
            os.setuid(user)
            checked(libc.prctl(PR_SET_DUMPABLE, 1, 0, 0, 0))  # which a change of the user takes away
        if protected:
            checked(libc.prctl(PR_SET_DUMPABLE, 0, 0, 0, 0))
        os.write(writing, b"x")
        os.read(held, 1)
        os._exit(0)
    os.read(reading, 1)
    return pid


def told(pid: int, *words: str) -> None:
    """Try to watch it, and say what came of it, and which of the words the error has."""
    try:
        with watch(pid):
            print("watched")
    except OSError as error:
        print(f"{type(error).__name__}: {', '.join(word for word in words if word in str(error))}")


def main(case: str) -> None:
    if case == "another-user":
        pid = target()
        become_nobody()
        told(pid, "runs as user", "and this one as user", "CAP_SYS_PTRACE")
    elif case == "undumpable":
        pid = target(protected=True, user=NOBODY)
        become_nobody()
        told(pid, "was made undumpable", "CAP_SYS_PTRACE")
    elif case == "changed-user":
        become_nobody()
        with watch() as seen:
            end = time.monotonic() + 0.05
            while time.monotonic() < end:
                pass
        raw = seen.raw
        states = {State(state).name for state in raw.totals.state}
        print(f"seen: {'RUNNING' if 'RUNNING' in states else states}, and why system calls are not told")
        assert "EACCES" in raw.unknown["syscall"] or "EPERM" in raw.unknown["syscall"], raw.unknown
    elif case in ("hidden", "half-hidden"):
        pid = target()
        own_mounts()
        checked(
            libc.mount(b"proc", b"/proc", b"proc", 0, b"hidepid=2" if case == "hidden" else b"hidepid=1")
        )  # its own (Linux 5.8)
        become_nobody()
        told(pid, "is hidden", "may not be read", "hidepid")
    elif case == "no-proc":
        pid = target()
        own_mounts()
        checked(libc.umount2(b"/proc", MNT_DETACH))
        told(pid, "is not mounted")


if __name__ == "__main__":
    with watch() as first:
        pass
    first.raw  # noqa: B018  (all that it needs is imported: another user may not be able to read it)
    del first
    main(sys.argv[1])
