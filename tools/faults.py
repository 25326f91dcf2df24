"""What the linker puts tests/c/faults.c in front of, so that a chosen call can fail (see tests/c/faults.h)."""

from __future__ import annotations

from pathlib import Path

SOURCE = Path("tests/c/faults.c")
ENDED = 78  # FAULTS_ENDED: the program was rightly told that there is no memory

MEMORY = ["conc_alloc", "conc_alloc_array", "conc_alloc_aligned", "conc_realloc", "conc_free"]
SYSTEM = [
    "mmap", "munmap", "mprotect", "pthread_create", "pthread_attr_init", "pthread_atfork", "__clone", "fopen",
    "fdopendir", "open", "openat", "dlopen",
]  # fmt: skip

LINK_FLAGS = [f"-Wl,--wrap={name}" for name in MEMORY + SYSTEM]
