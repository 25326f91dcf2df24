"""Your own native functions as kernels: from ctypes, cffi, numba, Cython, SciPy, an address, or a string of C."""

from __future__ import annotations

import ctypes
import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from conc import _core

INT64 = "int64(int64)"
DOUBLE = "double(double)"
RANGE = "void(int64 begin, int64 end, void* data)"

_SIGNATURES = {
    ("int64", ("int64",)): INT64,
    ("double", ("double",)): DOUBLE,
    ("void", ("int64", "int64", "void*")): RANGE,
}

_LONG = "int64" if ctypes.sizeof(ctypes.c_long) == 8 else "int32"

# What the sources of functions call these types.
_SYNONYMS = {
    **dict.fromkeys(("int64", "int64_t", "long long", "long long int", "npy_int64", "__int64"), "int64"),
    **dict.fromkeys(("Py_ssize_t", "ssize_t", "ptrdiff_t", "intptr_t"), "int64" if sys.maxsize > 2**32 else "int32"),
    **dict.fromkeys(("long", "long int"), _LONG),
    **dict.fromkeys(("double", "float64", "npy_double"), "double"),
    **dict.fromkeys(("void", "none"), "void"),
    "void*": "void*",
}


_CTYPES_FUNCTION: Any = type(ctypes.CFUNCTYPE(None)()).__mro__[1]  # the base of all of them


class _Found(NamedTuple):
    """What a Python object says of the native function behind it."""

    address: int
    signature: str | None  # as it stands there; None: it says nothing
    name: str


def _plain_type(text: str) -> str:
    """One of our names for a C type, or the text itself; a parameter's name is dropped."""
    words = re.sub(r"\b(const|restrict|volatile|extern|inline)\b", " ", text).replace("*", " * ").split()
    stars = words.count("*")
    plain = [word for word in words if word != "*"]
    for length in (len(plain), len(plain) - 1):  # with a parameter's name at the end, or without
        known = _SYNONYMS.get(" ".join(plain[:length]))
        if known is not None:
            return known + "*" * stars
    return " ".join(plain) + "*" * stars


def _canonical(text: str) -> str | None:
    """One of the three signatures, or None where `text` is no spelling of any."""
    match = re.fullmatch(r"\s*([\w\s*]+?)\s*(?:\(\s*\*?\s*\)\s*)?\(([^()]*)\)\s*", text)
    if match is None:
        return None
    parameters = [_plain_type(part) for part in match[2].split(",")]
    return _SIGNATURES.get((_plain_type(match[1]), tuple(parameters)))


def _ctypes_name(kind: Any) -> str:
    if kind is None:
        return "void"
    if kind is ctypes.c_void_p or hasattr(kind, "contents"):
        return "void*"
    if kind in (ctypes.c_int64, ctypes.c_longlong):
        return "int64"
    return str(getattr(kind, "__name__", kind)).removeprefix("c_")


def _from_ctypes(function: Any) -> _Found:
    address = ctypes.cast(function, ctypes.c_void_p).value
    assert address is not None
    signature = None
    if function.argtypes is not None:
        parameters = ", ".join(_ctypes_name(kind) for kind in function.argtypes)
        signature = f"{_ctypes_name(function.restype)}({parameters})"
    return _Found(address, signature, getattr(function, "__name__", "function"))


def _from_cffi(function: Any) -> _Found | None:
    backend: Any = sys.modules.get("_cffi_backend")
    if backend is None or not isinstance(function, backend._CDataBase):
        return None
    kind = backend.typeof(function)
    if kind.kind == "pointer":  # ffi.addressof(lib, "f") of some versions
        kind = kind.item
    if kind.kind != "function":
        raise TypeError(f"{function!r} is no function")
    parameters = ", ".join(
        argument.cname.replace(" ", "") if "*" in argument.cname else argument.cname for argument in kind.args
    )
    address = int(backend.cast(backend.new_primitive_type("intptr_t"), function))
    return _Found(address, f"{kind.result.cname}({parameters})", "function")


def _from_capsule(capsule: Any) -> _Found:
    name, address = _core.capsule(capsule)
    return _Found(address, name if name and "(" in name else None, "function")


def _look_at(function: Any) -> _Found:
    """Raises TypeError for what is no native function."""
    if isinstance(function, int) and not isinstance(function, bool):
        return _Found(function, None, f"function at {function:#x}")
    if isinstance(function, _CTYPES_FUNCTION):
        return _from_ctypes(function)
    if type(function).__name__ == "PyCapsule":
        return _from_capsule(function)
    if type(function).__name__ == "LowLevelCallable" and isinstance(function, tuple):
        return _from_capsule(tuple.__getitem__(function, 0))  # SciPy's holds a capsule first, and refuses function[0]
    found = _from_cffi(function)
    if found is not None:
        return found
    if isinstance(getattr(function, "address", None), int) and hasattr(function, "ctypes"):  # numba.cfunc
        return _from_ctypes(function.ctypes)._replace(
            address=function.address, name=getattr(function, "__name__", "function")
        )
    raise TypeError(
        f"{function!r} is no native function: ctypes', cffi's, a numba.cfunc, a capsule of Cython's, "
        f"scipy.LowLevelCallable or an address are"
    )


def native(function: Any, signature: str | None = None) -> _core.Kernel[..., Any]:
    """A native function of your own as a kernel.

    It is called like a function of Python, runs without the interpreter in ``ThreadPoolExecutor.submit``, ``map``,
    ``map_into`` and ``parallel_for`` and as a target of ``Thread``, and must not touch Python. It cannot be stopped in
    the middle. Several threads may call it at once.

    Args:
        function: a ctypes function, a cffi function or pointer to one, a ``numba.cfunc``, a capsule of Cython's
            ``__pyx_capi__``, a ``scipy.LowLevelCallable``, or the address as an int. It is kept alive.
        signature: "int64(int64)", "double(double)" or "void(int64 begin, int64 end, void* data)", also spelled as in C
            (``int64_t``, ``long``). None: what `function` says itself.

    Returns:
        A Kernel.

    Raises:
        TypeError: `function` is no native function; it says nothing of its signature and none is given; or its
            signature is none of the three, or not the one that is given: both are named.
        ValueError: `signature` is no spelling of the three, or the address is 0.

    Example:
        >>> import ctypes, ctypes.util
        >>> library = ctypes.CDLL(ctypes.util.find_library("m"))
        >>> library.fabs.argtypes, library.fabs.restype = [ctypes.c_double], ctypes.c_double
        >>> native(library.fabs)(-3.0)
        3.0
    """
    asked = None
    if signature is not None:
        asked = _canonical(signature)
        if asked is None:
            raise ValueError(f"signature must be {INT64}, {DOUBLE} or {RANGE}, not {signature!r}")
    found = _look_at(function)
    if found.signature is None:
        if asked is None:
            raise TypeError(f"{function!r} does not say what its signature is: give {INT64}, {DOUBLE} or {RANGE}")
        return _core.native(found.address, asked, found.name, function)
    own = _canonical(found.signature)
    if own is None or (asked is not None and own != asked):
        wanted = asked if asked is not None else f"{INT64}, {DOUBLE} or {RANGE}"
        raise TypeError(f"{function!r} has the signature {found.signature}, not {wanted}")
    return _core.native(found.address, own, found.name, function)


# ---- C from a string -----------------------------------------------------------------------------------------------


class CompileError(ValueError):
    """The C compiler refused the source; the message is its own."""


_DEFINITION = re.compile(
    r"^(?!\s|#|static\b|typedef\b)([A-Za-z_][\w\s*]*?)\b(\w+)\s*\(([^(){};]*)\)\s*\{", re.MULTILINE
)


def _compiler() -> str:
    for name in (os.environ.get("CC"), "cc", "gcc", "clang"):
        path = shutil.which(name) if name else None
        if path is not None:
            return path
    raise FileNotFoundError("no C compiler is here: install gcc or clang (Debian: gcc libc6-dev), or set CC")


def _cache() -> Path:
    base = os.environ.get("CONC_CACHE") or Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "conc"
    return Path(base) / "compiled"


def _build(text: str, flags: Sequence[str]) -> Path:
    """The shared library of `text`, from the cache or made now; a reader never sees half of one."""
    compiler = _compiler()
    command = [compiler, "-std=gnu11", "-O2", "-shared", "-fPIC", *flags, "-x", "c", "-"]
    version = subprocess.run([compiler, "--version"], capture_output=True, text=True, check=False).stdout
    key = hashlib.sha256("\0".join([*command, version, os.uname().machine, text]).encode()).hexdigest()[:32]
    target = _cache() / f"{key}.so"
    if target.exists():
        return target
    target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    with tempfile.TemporaryDirectory(dir=target.parent) as folder:
        made = Path(folder) / target.name
        done = subprocess.run(
            [*command, "-o", str(made), "-lm"], input=text, capture_output=True, text=True, check=False
        )
        if done.returncode != 0:
            raise CompileError(done.stderr.strip() or f"{compiler} ended with status {done.returncode}")
        made.replace(target)
    return target


def compile_c(source: str, name: str | None = None, *, flags: Sequence[str] = ()) -> _core.Kernel[..., Any]:
    """A function from a string of C, compiled by the system's compiler: for notebooks.

    What was compiled is kept in ``$CONC_CACHE`` or ``~/.cache/conc`` and taken from there the next time, as long as
    source, flags and compiler are the same. ``<stdint.h>`` is included already. The compiler is ``$CC``, else cc, gcc
    or clang.

    Args:
        source: C with a function of a signature that ``native`` takes, at the beginning of a line and not static.
        name: which function; None: the last of them.
        flags: more arguments of the compiler, such as "-O3" or "-march=native".

    Returns:
        A Kernel, as of ``native``.

    Raises:
        CompileError: a ValueError with the compiler's own message.
        FileNotFoundError: there is no compiler.
        TypeError: the function's signature is none that ``native`` takes.
        ValueError: there is no such function.

    Example:
        >>> square = compile_c("double square(double x) { return x * x; }")
        >>> square(1.5)
        2.25
    """
    path = _build(f"#include <stdint.h>\n#line 1\n{source}\n", flags)
    found = {match[2]: f"{match[1].strip()}({match[3].strip()})" for match in _DEFINITION.finditer(source)}
    if name is None and found:
        name = list(found)[-1]
    if name is None or name not in found:
        raise ValueError(f"there is no function {name or 'definition'} in the source; there are {sorted(found)}")
    signature = _canonical(found[name])
    if signature is None:
        raise TypeError(f"{name} has the signature {found[name]}, not {INT64}, {DOUBLE} or {RANGE}")
    library = ctypes.CDLL(str(path))
    address = ctypes.cast(getattr(library, name), ctypes.c_void_p).value
    assert address is not None
    return _core.native(address, signature, name, library)
