"""A program that conc runs sees, says and leaves what it does when python runs it."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from conc.watching.script import ScriptError, find_module, find_script

pytestmark = pytest.mark.newest  # Python on top of the C module

OURS = """
import sys
from conc.watching.script import find_module, find_script, run
kind, name, *args = sys.argv[1:]
raise SystemExit(run(find_module(name) if kind == "-m" else find_script(name), args))
"""

SCRIPTS = {
    "argv": "import sys; print(sys.argv, sys.path[0])",
    "names": """
        import sys
        main = sys.modules["__main__"]
        print(__name__, __file__, __package__, __spec__, type(__loader__).__name__, __doc__, main.__dict__ is globals())
    """,
    "docstring": '"said"\nprint(__doc__)',
    "sibling": "import sibling; print(sibling.VALUE)",
    "exit-0": "raise SystemExit",
    "exit-7": "import sys; sys.exit(7)",
    "exit-minus-1": "import sys; sys.exit(-1)",
    "exit-text": "import sys; sys.exit('no luck')",
    "exit-true": "import sys; sys.exit(True)",
    "raises": "def f():\n    raise ValueError('bad')\nf()",
    "raises-from": "try:\n    1 / 0\nexcept ZeroDivisionError as error:\n    raise KeyError(3) from error",
    "raises-group": "raise ExceptionGroup('all', [ValueError(1), TypeError(2)])",
    "syntax-error": "x = (",
    "own-excepthook": "import sys; sys.excepthook = lambda *args: print('hook', args[0].__name__)\n1 / 0",
    "future": "from __future__ import annotations\ndef f(x: nowhere): pass\nprint(f.__annotations__)",
    "no-future": "def f(x: int): pass\nprint(f.__annotations__)",
    "atexit": "import atexit; atexit.register(print, 'at exit', __name__); print('main')",
    "thread-goes-on": """
        import threading, sys
        go_on = threading.Event()
        def later():
            go_on.wait()
            print("later", sys.modules["__main__"].VALUE)
        VALUE = 3
        threading.Thread(target=later).start()
        go_on.set()
    """,
    "pickle": """
        import pickle
        class Own: pass
        print(type(pickle.loads(pickle.dumps(Own()))) is Own)
    """,
    "spawn": """
        import multiprocessing
        def say(): print("child", __name__, flush=True)
        if __name__ == "__main__":
            child = multiprocessing.get_context("spawn").Process(target=say)
            child.start()
            child.join()
            print(child.exitcode)
    """,
    "stdin": "import sys; print(sys.stdin.read())",
    "stderr": "import sys; print('err', file=sys.stderr)",
}


def dedent(text: str) -> str:
    import textwrap

    return textwrap.dedent(text).lstrip("\n")


def outcome(folder: Path, *command: str) -> tuple[int, str, str]:
    done = subprocess.run(
        [sys.executable, *command], cwd=folder, input="in", capture_output=True, text=True, timeout=60, check=False
    )
    return done.returncode, done.stdout, done.stderr


def both(folder: Path, kind: str, name: str, *args: str) -> tuple[tuple[int, str, str], tuple[int, str, str]]:
    """How python ended it, and how we did."""
    python = outcome(folder, *(["-m", name] if kind == "-m" else [name]), *args)
    return python, outcome(folder, "-c", OURS, kind, name, *args)


@pytest.mark.parametrize("name", SCRIPTS)
def test_a_script_is_what_it_is_to_python(tmp_path: Path, name: str) -> None:
    (tmp_path / "script.py").write_text(dedent(SCRIPTS[name]), encoding="utf-8")
    (tmp_path / "sibling.py").write_text("VALUE = 5", encoding="utf-8")
    python, ours = both(tmp_path, "script", str(tmp_path / "script.py"), "one", "--two")
    assert ours == python


def test_its_folder_is_its_own_also_through_a_link_and_from_elsewhere(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "bin").mkdir()
    (tmp_path / "real" / "script.py").write_text("import sibling, sys; print(sys.path[0], __file__)", encoding="utf-8")
    (tmp_path / "real" / "sibling.py").touch()
    (tmp_path / "bin" / "link").symlink_to(tmp_path / "real" / "script.py")
    python, ours = both(tmp_path, "script", str(tmp_path / "bin" / "link"))
    assert ours == python
    assert ours[0] == 0


def test_ctrl_c_is_reported_and_has_its_status(tmp_path: Path) -> None:
    (tmp_path / "script.py").write_text("raise KeyboardInterrupt", encoding="utf-8")
    python, ours = both(tmp_path, "script", str(tmp_path / "script.py"))
    assert ours[2] == python[2]
    assert (python[0], ours[0]) == (-2, 130)  # which a shell makes of both


@pytest.mark.parametrize("args", [(), ("x", "--y")])
def test_a_folder_and_a_zip_file(tmp_path: Path, args: tuple[str, ...]) -> None:
    text = "import sys, sibling; print(__name__, sys.argv[1:], sys.path[0], __package__, sibling.VALUE)"
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "__main__.py").write_text(text, encoding="utf-8")
    (tmp_path / "folder" / "sibling.py").write_text("VALUE = 1", encoding="utf-8")
    with zipfile.ZipFile(tmp_path / "archive.zip", "w") as archive:
        archive.write(tmp_path / "folder" / "__main__.py", "__main__.py")
        archive.write(tmp_path / "folder" / "sibling.py", "sibling.py")
    for name in ("folder", "archive.zip"):
        python, ours = both(tmp_path, "script", name, *args)
        assert ours == python
        assert ours[0] == 0


def test_a_module_and_a_package(tmp_path: Path) -> None:
    text = "import sys; print(sys.argv, __name__, __package__, __spec__.name, __file__, sys.path[0])"
    (tmp_path / "single.py").write_text(text, encoding="utf-8")
    (tmp_path / "many").mkdir()
    for name in ("__init__", "__main__", "part"):
        (tmp_path / "many" / f"{name}.py").write_text(text if name != "__init__" else "", encoding="utf-8")
    for name in ("single", "many", "many.part"):
        python, ours = both(tmp_path, "-m", name, "a", "-b")
        assert ours == python
        assert ours[0] == 0


def test_what_a_module_raises_is_reported_without_our_lines(tmp_path: Path) -> None:
    (tmp_path / "single.py").write_text("def f():\n    raise ValueError('bad')\nf()", encoding="utf-8")
    _, ours = both(tmp_path, "-m", "single")
    assert ours[0] == 1
    assert ours[2].startswith('Traceback (most recent call last):\n  File "')
    assert "/conc/" not in ours[2]
    assert ours[2].endswith("ValueError: bad\n")


@pytest.mark.parametrize(
    ("find", "name", "message"),
    [
        (find_script, "nowhere.py", "can't open file 'nowhere.py': No such file or directory"),
        (find_script, "empty", "can't find '__main__' module in 'empty'"),
        (find_module, "nowhere", "no module named 'nowhere'"),
        (find_module, "nowhere.part", "cannot find module 'nowhere.part': ModuleNotFoundError"),
        (find_module, "broken.part", "cannot find module 'broken.part': ZeroDivisionError"),
        (find_module, "package", "'package' is a package and cannot be directly executed"),
        (find_module, "sys", "no code object available for sys"),
        (find_module, "", "cannot find module ''"),
    ],
)
def test_what_is_not_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, find: object, name: str, message: str
) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "package").mkdir()
    (tmp_path / "package" / "__init__.py").touch()
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "__init__.py").write_text("1 / 0", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    assert callable(find)
    with pytest.raises(ScriptError) as caught:
        find(name)
    assert str(caught.value).startswith(message)
