"""Which C files make up the core on a platform: the one place that chooses.

A contract is a header under csrc/os/; each platform's folders are searched in order for the file of its name. What
they lack is taken from csrc/os/none/, so that a missing feature is an honest -ENOSYS and never a link error.
"""

from __future__ import annotations

from pathlib import Path

PLATFORM_FOLDERS = {"linux": ["posix", "linux"], "darwin": ["posix", "darwin"], "win32": ["windows"]}


def core_sources(root: Path, platform: str) -> list[Path]:
    """The C files below `root`, relative to it, that conc._core is made of on `platform` (a sys.platform)."""
    os_folder = root / "csrc" / "os"
    sources = [path for path in (root / "csrc").rglob("*.c") if os_folder not in path.parents]
    sources += os_folder.glob("*.c")
    contracts = {path.stem for path in os_folder.glob("*.h")} - {path.stem for path in os_folder.glob("*.c")}
    for folder in [*PLATFORM_FOLDERS.get(platform, []), "none"]:
        for path in sorted((os_folder / folder).glob("*.c")):
            if path.stem in contracts:
                contracts.remove(path.stem)
                sources.append(path)
    return sorted(path.relative_to(root) for path in sources)
