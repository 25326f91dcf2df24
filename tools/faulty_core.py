"""Builds a copy of conc._core whose allocations can be made to fail, with the module _faults that does it.

    python tools/faulty_core.py     prints where it is

The sources are the shipped extension's; the linker puts tests/c/faults.c in front of the calls that may fail, so that
the shipped one carries nothing of this.
"""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import ctest
import faults
from sources import core_sources

MODULE = Path("tests/no_memory/faults_module.c")


def build() -> Path:
    """Compile what changed and link; the shared library, for this interpreter."""
    folder = ctest.ROOT / "build" / "ctest" / f"faulty-{sysconfig.get_config_var('SOABI')}"
    folder.mkdir(parents=True, exist_ok=True)
    flags = [*ctest.COMMON_FLAGS, "-O1", "-fPIC", f"-I{sysconfig.get_path('include')}"]
    sources = [*core_sources(ctest.ROOT, sys.platform), faults.SOURCE, MODULE]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        objects = list(pool.map(lambda path: ctest.compile_object(path, folder, flags), sources))
    library = folder / f"faulty{sysconfig.get_config_var('EXT_SUFFIX')}"
    command = [os.environ.get("CC", "gcc"), "-shared", "-pthread", *map(str, objects), *faults.LINK_FLAGS]
    subprocess.run([*command, "-o", str(library), "-ldl", "-lm"], cwd=ctest.ROOT, check=True)
    return library


if __name__ == "__main__":
    print(build())
