"""What the README promises to work: its commands and its Python examples.

python tools/readme.py HEADING prints the one line of the fenced block below `## HEADING`.
"""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass
from pathlib import Path

README = Path(__file__).resolve().parent.parent / "README.md"


@dataclass(frozen=True)
class Block:
    """A fenced block: under which heading, in which language, what it holds."""

    heading: str
    language: str
    text: str
    line: int


def blocks(text: str) -> list[Block]:
    """The fenced blocks of a Markdown text, in order."""
    found: list[Block] = []
    heading, language, opened, inside = "", "", 0, False
    body: list[str] = []
    for number, line in enumerate(text.splitlines(), 1):
        if inside:
            if line.strip() == "```":
                found.append(Block(heading, language, "\n".join(body), opened))
                inside = False
            else:
                body.append(line)
        elif fence := re.match(r"\s*```\s*(\w*)\s*$", line):
            language, opened, inside, body = fence[1], number, True, []
        elif title := re.match(r"#+\s+(.*?)\s*#*$", line):
            heading = title[1]
    if inside:
        raise ValueError(f"the block opened in line {opened} is never closed")
    return found


def command(heading: str, text: str) -> str:
    """The one line of the one fenced block below `heading`.

    Raises:
        ValueError: there is not exactly one such block, or it is not exactly one line.
    """
    below = [block for block in blocks(text) if block.heading == heading]
    if len(below) != 1:
        raise ValueError(f"under {heading!r} there must be one fenced block, not {len(below)}")
    lines = below[0].text.splitlines()
    if len(lines) != 1 or not lines[0].strip():
        raise ValueError(f"the block under {heading!r} must be one line, not {len(lines)}")
    return lines[0].strip().removeprefix("$ ")


if __name__ == "__main__":
    try:
        print(command(sys.argv[1], README.read_text(encoding="utf-8")))
    except (IndexError, ValueError) as error:
        raise SystemExit(f"readme.py: {error}") from None
