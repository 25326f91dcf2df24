"""A small Linux with a NUMA topology of our choice: qemu under software emulation, no /dev/kvm and no network needed.

    python tests/numa_vm/vm.py setup            make what the guests need, once, in the cache folder
    python tests/numa_vm/vm.py run 4n SCRIPT    run a Python script in a guest and print what it printed

The cache folder is $CONC_CACHE or ~/.cache/conc, then numa_vm: a kernel (Debian's cloud kernel, fetched by apt-get)
and a root image with busybox and a copy of this interpreter. Every node is equally fast in emulation: placement,
parsing and errors can be tested there, figures cannot.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
KERNEL_PACKAGE = "linux-image-cloud-amd64"
TOOLS = {"qemu-system-x86_64": "qemu-system-x86", "busybox": "busybox-static", "mke2fs": "e2fsprogs"}
STDLIB_LEFT_OUT = ("site-packages", "test", "idlelib", "tkinter", "turtledemo", "ensurepip", "lib2to3", "config-*")
KERNEL_OPTIONS = (
    "root=/dev/nvme0n1 rootfstype=ext4 rw init=/init console=ttyS0 quiet loglevel=4 panic=-1 nokaslr mitigations=off "
    "random.trust_cpu=on no_timer_check tsc=reliable lpj=9000000 nopti numa_balancing=disable"
)
INIT = """#!/bin/sh
export PATH=/bin HOME=/ LC_ALL=C.UTF-8 PYTHONDONTWRITEBYTECODE=1 PYTHONPATH=/job/site
mount -t devtmpfs dev /dev; mount -t proc proc /proc; mount -t sysfs sysfs /sys; mount -t tmpfs tmp /tmp
mount -t ext4 -o ro /dev/nvme1n1 /job
stty -F /dev/ttyS1 raw -echo -opost
{python} /job/script.py > /dev/ttyS1 2>/dev/ttyS0 < /dev/null
echo "CONC-STATUS=$?" > /dev/ttyS0
poweroff -f
"""


class Unavailable(Exception):
    """This machine cannot run guests; the message says why."""


@dataclass(frozen=True)
class Outcome:
    """How a script ended in a guest."""

    status: int
    output: str
    console: str


def nodes(memory_mib: list[int], cpus: list[str], distances: dict[tuple[int, int], int]) -> list[str]:
    """qemu's options for nodes with this memory and these CPUs ("" for none)."""
    count = 1 + max(int(part) for text in cpus for part in text.replace("-", ",").split(",") if part)
    options = ["-m", str(sum(memory_mib)), "-smp", str(count)]
    for node, (mib, members) in enumerate(zip(memory_mib, cpus, strict=True)):
        text = f"node,nodeid={node}" + (f",cpus={members}" if members else "")
        if mib:
            options += ["-object", f"memory-backend-ram,id=m{node},size={mib}M"]
            text += f",memdev=m{node}"
        options += ["-numa", text]
    for (source, target), value in distances.items():
        options += ["-numa", f"dist,src={source},dst={target},val={value}"]
    return options


TOPOLOGIES = {
    "2n": nodes([384, 384], ["0-1", "2-3"], {(0, 1): 21}),
    # the last node has memory and no CPUs, as CXL memory does
    "4n": nodes(
        [256, 256, 256, 256],
        ["0-1", "2", "3", ""],
        {(0, 1): 20, (0, 2): 20, (1, 2): 20, (0, 3): 31, (1, 3): 31, (2, 3): 31},
    ),
}


def cache_folder() -> Path:
    """Where the kernel and the root image are kept."""
    base = os.environ.get("CONC_CACHE") or Path.home() / ".cache" / "conc"
    return Path(base) / "numa_vm"


def kernel_image() -> Path:
    return cache_folder() / "vmlinuz"


def root_image() -> Path:
    """Named after the interpreter that is inside."""
    return cache_folder() / f"root-{sys.version_info.major}.{sys.version_info.minor}.{sys.version_info.micro}.ext4"


def check_available() -> None:
    """Raises:
    Unavailable: tools, the kernel or the root image are missing.
    """
    for tool, package in TOOLS.items():
        if shutil.which(tool) is None:
            raise Unavailable(f"{tool} is not on PATH (Debian: apt-get install {package})")
    for path in (kernel_image(), root_image()):
        if not path.exists():
            raise Unavailable(f"{path} is missing; make it with: python {Path(__file__).relative_to(ROOT)} setup")


def setup() -> None:
    """Fetch the kernel and build the root image, unless they are there.

    Raises:
        Unavailable: a tool is missing or a package cannot be fetched.
    """
    cache_folder().mkdir(parents=True, exist_ok=True)
    for tool, package in TOOLS.items():
        if shutil.which(tool) is None:
            raise Unavailable(f"{tool} is not on PATH (Debian: apt-get install {package})")
    if not kernel_image().exists():
        fetch_kernel()
    if not root_image().exists():
        build_root()


def fetch_kernel() -> None:
    """The newest kernel that the metapackage names, from apt's own sources."""
    try:
        depends = run_tool("apt-cache", "depends", KERNEL_PACKAGE)
        package = next(line.split()[-1] for line in depends.splitlines() if "Depends: linux-image" in line)
        with tempfile.TemporaryDirectory(dir=cache_folder()) as folder:
            run_tool("apt-get", "-o", "APT::Sandbox::User=root", "download", "-qq", package, cwd=folder)
            (archive,) = Path(folder).glob("*.deb")
            run_tool("dpkg", "-x", str(archive), folder)
            (image,) = Path(folder).glob("boot/vmlinuz-*")
            image.rename(kernel_image())
    except (OSError, subprocess.CalledProcessError, StopIteration, ValueError) as error:
        raise Unavailable(f"cannot fetch {KERNEL_PACKAGE}: {error}") from error


def build_root() -> None:
    """An ext4 image with busybox, this interpreter and what both need."""
    with tempfile.TemporaryDirectory(dir=cache_folder()) as folder:
        tree = Path(folder) / "tree"
        for name in ("bin", "dev", "proc", "sys", "tmp", "job"):
            (tree / name).mkdir(parents=True)
        busybox = shutil.which("busybox") or ""
        shutil.copy(busybox, tree / "bin/busybox")
        for name in ("sh", "mount", "stty", "poweroff", "echo"):
            (tree / "bin" / name).symlink_to("busybox")
        interpreter = Path(os.path.realpath(sys._base_executable))  # type: ignore[attr-defined]
        stdlib = Path(sysconfig.get_path("stdlib"))
        place(interpreter, tree)
        shutil.copytree(
            stdlib, tree / stdlib.relative_to("/"), ignore=shutil.ignore_patterns(*STDLIB_LEFT_OUT, "*.opt-?.pyc")
        )
        for needed in [interpreter, *stdlib.glob("lib-dynload/*.so")]:
            for library in libraries_of(needed):
                place(library, tree)
        init = tree / "init"
        init.write_text(INIT.format(python=interpreter))
        init.chmod(0o755)
        make_image(tree, root_image(), spare_mib=64)


def place(path: Path, tree: Path) -> None:
    """Copy a file to the same path below `tree`."""
    target = tree / path.relative_to("/")
    target.parent.mkdir(parents=True, exist_ok=True)
    if not target.exists():
        shutil.copy2(path, target)


def libraries_of(path: Path) -> Iterator[Path]:
    """The shared libraries that a program needs, the loader too, where the loader looks for them."""
    for line in run_tool("ldd", str(path)).splitlines():
        words = line.split()
        if len(words) >= 3 and words[1] == "=>" and words[2].startswith("/"):
            yield Path(words[2])
        elif words and words[0].startswith("/lib"):
            yield Path(words[0])


def make_image(tree: Path, image: Path, *, spare_mib: int) -> None:
    """An ext4 image of a folder; it appears under its name only when it is whole."""
    used = sum(path.lstat().st_size for path in tree.rglob("*")) >> 20
    partial = image.with_suffix(".partial")
    partial.unlink(missing_ok=True)
    options = ("-q", "-t", "ext4", "-O", "^has_journal,^metadata_csum", "-m", "0", "-N", "20000")
    run_tool("mke2fs", *options, "-d", str(tree), str(partial), f"{used * 5 // 4 + spare_mib}M")
    partial.rename(image)


def run_tool(*command: str, cwd: str | None = None) -> str:
    """A command's output; its error text is in the exception's notes."""
    try:
        return subprocess.run(command, cwd=cwd, check=True, capture_output=True, text=True).stdout
    except subprocess.CalledProcessError as error:
        error.add_note(error.stderr)
        raise


def run(topology: str, script: str, *, files: Sequence[Path] = (), timeout_s: float = 180.0) -> Outcome:
    """Run Python source in a guest that has the conc package of this checkout.

    Args:
        topology: a name in TOPOLOGIES.
        script: Python source; what it prints is the output.
        files: what the script finds beside it, in /job, by their names.
        timeout_s: for the whole guest.

    Raises:
        Unavailable: see check_available().
        RuntimeError: the guest did not come to an end; the message holds its console.
    """
    check_available()
    with tempfile.TemporaryDirectory(prefix="conc-numa-vm-") as folder:
        job = Path(folder) / "job"
        shutil.copytree(ROOT / "conc", job / "site" / "conc", ignore=shutil.ignore_patterns("__pycache__"))
        (job / "script.py").write_text(script)
        for file in files:
            shutil.copy2(file, job)
        make_image(job, Path(folder) / "job.ext4", spare_mib=16)
        console, output = Path(folder) / "console", Path(folder) / "output"
        command = [
            *("qemu-system-x86_64", "-machine", "q35", "-accel", "tcg,thread=multi", "-cpu", "max"),
            *TOPOLOGIES[topology],
            *("-display", "none", "-nodefaults", "-no-user-config", "-no-reboot"),
            *("-kernel", str(kernel_image()), "-append", KERNEL_OPTIONS),
            *(
                "-drive",
                f"file={root_image()},if=none,id=d0,format=raw,snapshot=on",
                "-device",
                "nvme,drive=d0,serial=root",
            ),
            *("-drive", f"file={folder}/job.ext4,if=none,id=d1,format=raw", "-device", "nvme,drive=d1,serial=job"),
            *("-serial", f"file:{console}", "-serial", f"file:{output}"),
        ]
        try:
            subprocess.run(
                command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=True, timeout=timeout_s
            )
        except subprocess.TimeoutExpired:
            said = console.read_text(errors="replace") if console.exists() else ""
            raise RuntimeError(f"the guest did not end within {timeout_s} s; its console:\n{said}") from None
        except subprocess.CalledProcessError as error:
            raise RuntimeError(f"qemu failed: {error.stderr}") from None
        said = console.read_text(errors="replace")
        status = next((line for line in said.splitlines() if line.startswith("CONC-STATUS=")), None)
        if status is None:
            raise RuntimeError(f"the guest ended without its script; its console:\n{said}")
        return Outcome(int(status.partition("=")[2]), output.read_text(), said)


def main(arguments: list[str]) -> int:
    """The command line."""
    try:
        if arguments == ["setup"]:
            setup()
            print(cache_folder())
            return 0
        if len(arguments) == 3 and arguments[0] == "run" and arguments[1] in TOPOLOGIES:
            outcome = run(arguments[1], Path(arguments[2]).read_text())
            print(outcome.output, end="")
            print(outcome.console, end="", file=sys.stderr)
            return outcome.status
    except Unavailable as error:
        print(error, file=sys.stderr)
        return 1
    print(__doc__, file=sys.stderr)
    return 2


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
