"""Builds conc._core; everything else is declared in pyproject.toml, and tools/sources.py says what it is made of."""

import os
import shutil
import sys
import sysconfig
from pathlib import Path

from setuptools import Extension, setup

sys.path.insert(0, str(Path(__file__).resolve().parent / "tools"))
from sources import core_sources

ROOT = Path(__file__).resolve().parent


def missing_part() -> str | None:
    """One line that names what the build lacks on this machine, or None."""
    include = Path(sysconfig.get_path("include"))
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    if not (include / "Python.h").exists():
        return (
            f"conc needs CPython's headers: {include}/Python.h is missing (Debian: apt-get install python3-dev; "
            f"Fedora: python3-devel; for Python {version})"
        )
    compiler = (os.environ.get("CC") or sysconfig.get_config_var("CC") or "cc").split()[0]
    if shutil.which(compiler) is None:
        return f"conc needs a C compiler: {compiler!r} is not on PATH (Debian: apt-get install gcc libc6-dev)"
    return None


BUILD_COMMANDS = {"build", "build_ext", "bdist_wheel", "develop", "editable_wheel", "install"}
if BUILD_COMMANDS & set(sys.argv) and (problem := missing_part()) is not None:
    raise SystemExit(problem)

WARNINGS = ["-Wall", "-Wextra", "-Wshadow", "-Wstrict-prototypes", "-Wmissing-prototypes", "-Wvla"]

setup(
    ext_modules=[
        Extension(
            "conc._core",
            sources=[str(path) for path in core_sources(ROOT, sys.platform)],
            depends=[str(path.relative_to(ROOT)) for path in (ROOT / "csrc").rglob("*.h")],
            include_dirs=["csrc"],
            define_macros=[("_GNU_SOURCE", "1")],
            extra_compile_args=[
                "-std=c11",
                "-O2",
                "-fvisibility=hidden",
                "-pthread",
                *WARNINGS,
                *(["-Werror"] if os.environ.get("CONC_WERROR") else []),
            ],
            extra_link_args=["-pthread"],
        )
    ]
)
