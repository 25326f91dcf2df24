"""CPython from Debian's packages, unpacked into a folder: nothing is installed and no root is needed.

apt works on a root of its own (its lists, its empty status), so that the machine's sources stay as they are. What it
brings, with every library down to the C library, is unpacked side by side, and the interpreter's program is made to
load the libraries beside it. It then runs on this machine as any other program does, and builds extensions with the
machine's own compiler.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

from records import NotHad, Wanted

SUITES = ("bookworm", "trixie", "sid")
KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
PATCHELF = "patchelf/bookworm"  # the one in sid leaves programs that die as they start
NEWEST_WITH_DEBUG = 14  # the youngest version of which Debian has a debug build
SOURCES = ("python3.14/sid", "python3.13/sid", "python3.13/trixie")
"""Source packages that a free-threaded build is made from, tried in this order."""


def run(command: list[str], cwd: Path | None = None) -> str:
    """The command's output.

    Raises:
        NotHad: it failed; the message holds its last words.
    """
    done = subprocess.run(command, cwd=cwd, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    if done.returncode != 0:
        words = [line for line in done.stdout.splitlines() if line.strip()]
        raise NotHad(f"{command[0]} failed: {without_hosts(words[-1] if words else 'no output')}")
    return done.stdout


def without_hosts(text: str) -> str:
    """`text` with addresses shortened to their last part: a mirror's name tells a reader nothing."""
    return re.sub(r"\w+://\S*/", ".../", text)


class Apt:
    """apt on a root of its own below `folder`, with the mirror that this machine uses."""

    def __init__(self, folder: Path) -> None:
        if shutil.which("apt-get") is None or shutil.which("dpkg-deb") is None:
            raise NotHad("no apt-get here: only what is installed can be used")
        if not KEYRING.exists():
            raise NotHad(f"{KEYRING} is missing (package debian-archive-keyring)")
        self.folder = folder
        for name in ("lists/partial", "archives/partial"):
            (folder / name).mkdir(parents=True, exist_ok=True)
        (folder / "status").write_text("")
        mirror = self._mirror()
        signed = f"[signed-by={KEYRING}]"
        (folder / "sources.list").write_text(
            "".join(f"{kind} {signed} {mirror} {suite} main\n" for suite in SUITES for kind in ("deb", "deb-src"))
        )
        self._updated = False

    @staticmethod
    def _mirror() -> str:
        told = run(["apt-get", "indextargets", "--format", "$(ORIGIN) $(LABEL) $(REPO_URI)", "Created-By: Packages"])
        for line in told.splitlines():
            if line.startswith("Debian Debian "):
                return line.split()[2]
        raise NotHad("apt knows no Debian mirror here (run apt-get update first)")

    def _command(self, *arguments: str) -> list[str]:
        options = {
            "Dir::State": self.folder,
            "Dir::State::lists": self.folder / "lists",
            "Dir::State::status": self.folder / "status",
            "Dir::Cache": self.folder,
            "Dir::Cache::archives": self.folder / "archives",
            "Dir::Etc::sourcelist": self.folder / "sources.list",
            "Dir::Etc::sourceparts": "/dev/null",
            "Dir::Etc::preferencesparts": "/dev/null",
            "APT::Sandbox::User": "root",
        }
        return ["apt-get", "-q", *(f"-o{key}={value}" for key, value in options.items()), *arguments]

    def update(self) -> None:
        """Fetch the lists, once."""
        if not self._updated:
            run(self._command("update"))
            self._updated = True

    def packages(self, names: list[str]) -> list[Path]:
        """The .deb files of `names`, of everything that they need, and of patchelf."""
        self.update()
        for old in (self.folder / "archives").glob("*.deb"):
            old.unlink()
        run(self._command("install", "-y", "--download-only", "--no-install-recommends", *names))
        run(self._command("download", PATCHELF), cwd=self.folder / "archives")
        return sorted((self.folder / "archives").glob("*.deb"))

    def source(self, spec: str, folder: Path) -> Path:
        """The original tar ball of a source package, as `package/suite`, fetched into `folder`."""
        self.update()
        run(self._command("source", "--download-only", "--only-source", spec), cwd=folder)
        return next(folder.glob("*.orig.tar.*z"))


def packages_of(wanted: Wanted) -> tuple[int, list[str]]:
    """(minor version, the packages that make up what is wanted)."""
    minor = wanted.minor if wanted.minor is not None else NEWEST_WITH_DEBUG
    python = f"python3.{minor}"
    names = [python, f"{python}-dev", f"{python}-venv", f"lib{python}-testsuite", "libstdc++6"]
    return minor, [*names, f"{python}-dbg"] if wanted.debug else names


def unpack(wanted: Wanted, apt: Apt, tree: Path) -> Path:
    """Unpack what is wanted into `tree`; the path of its interpreter.

    Raises:
        NotHad: Debian does not have it, or it cannot be fetched.
    """
    minor, names = packages_of(wanted)
    for package in apt.packages(names):
        run(["dpkg-deb", "-x", str(package), str(tree)])
    program = tree / "usr" / "bin" / (f"python3.{minor}d" if wanted.debug else f"python3.{minor}")
    load_libraries_beside(program, tree)
    join_headers(tree)
    return program


def load_libraries_beside(program: Path, tree: Path) -> None:
    """Make `program` start with the tree's dynamic loader and search the tree's libraries before the machine's."""
    loader = next((tree / "usr" / "lib").glob("*/ld-linux-*.so.*"))
    patchelf = [str(loader), "--library-path", str(loader.parent), str(tree / "usr" / "bin" / "patchelf")]
    run([*patchelf, "--set-interpreter", str(loader), "--force-rpath", "--set-rpath", str(loader.parent), str(program)])


def join_headers(tree: Path) -> None:
    """Debian's pyconfig.h lies apart, by machine type, and is found there through /usr/include alone."""
    include = tree / "usr" / "include"
    for apart in include.glob("*-linux-*/python3.*"):
        kind = apart.parent.name
        headers = include / apart.name
        (headers / kind).mkdir(exist_ok=True)
        link = headers / kind / apart.name
        if not link.exists():
            link.symlink_to(Path("..", "..", kind, apart.name))


def bundled_pip(tree: Path) -> Path | None:
    """The wheel of pip among the unpacked packages; Debian's ensurepip looks for it in /usr alone."""
    return next((tree / "usr" / "share" / "python-wheels").glob("pip-*.whl"), None)
