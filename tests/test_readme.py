"""The README keeps what it promises: what conc is for comes first, two commands, and examples that run, here and in
docs/."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.newest  # Python on top of the C module

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tools"))
try:
    from readme import Block, blocks, command
finally:
    sys.path.pop(0)

TEXT = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = blocks(TEXT)
PYTHON_BLOCKS = [block for block in BLOCKS if block.language in ("python", "py", "pycon")]
EXAMPLES = [("README.md", block) for block in PYTHON_BLOCKS] + [
    (f"docs/{path.name}", block)
    for path in sorted((ROOT / "docs").glob("*.md"))
    for block in blocks(path.read_text(encoding="utf-8"))
    if block.language == "python"
]
SHELL = ("sh", "bash", "shell", "console")


def first_screen() -> str:
    return "\n".join(TEXT.splitlines()[:24])


def test_the_first_screen_says_what_conc_is_for() -> None:
    words = first_screen().lower()
    assert TEXT.startswith("# conc")
    for word in ("threads", "processes", "which", "python"):
        assert word in words, word


@pytest.mark.once
@pytest.mark.parametrize("heading", ["Run it", "Test it"])
def test_a_set_up_command_is_one_line(heading: str) -> None:
    line = command(heading, TEXT)
    assert f"\n## {heading}\n" in TEXT
    words = shlex.split(line)
    assert "venv" in words
    assert "install" in words


def test_there_are_exactly_two_set_up_commands() -> None:
    setting_up = [
        block for block in BLOCKS if block.language in ("", *SHELL) and re.search(r"\bpip install|-m venv", block.text)
    ]
    assert [block.heading for block in setting_up] == ["Run it", "Test it"]
    assert "conc compare calc" in command("Run it", TEXT)
    assert "pytest" in command("Test it", TEXT)


def test_there_are_examples() -> None:
    assert PYTHON_BLOCKS != []


@pytest.mark.parametrize(("page", "block"), EXAMPLES, ids=[f"{page}:{block.line}" for page, block in EXAMPLES])
def test_an_example_runs(page: str, block: Block, tmp_path: Path) -> None:
    """As a script of its own, away from the source tree, with warnings as errors."""
    script = tmp_path / "example.py"
    script.write_text(block.text, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-W", "error", str(script)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == 0, f"{page} line {block.line}:\n{done.stdout}{done.stderr}"


def test_the_reader_of_blocks() -> None:
    text = "# conc\n\n## Run it\n\n```sh\n$ one line\n```\n\n## Two\n\n```\na\nb\n```\n\n```python\nx = 1\n```\n"
    assert [(block.heading, block.language, block.line) for block in blocks(text)] == [
        ("Run it", "sh", 5),
        ("Two", "", 11),
        ("Two", "python", 16),
    ]
    assert command("Run it", text) == "one line"
    with pytest.raises(ValueError, match="one fenced block, not 2"):
        command("Two", text)
    with pytest.raises(ValueError, match="not 0"):
        command("Three", text)
    with pytest.raises(ValueError, match="one line, not 2"):
        command("Two", text.replace("```python\nx = 1\n```\n", ""))
    with pytest.raises(ValueError, match="never closed"):
        blocks("```\nopen")
