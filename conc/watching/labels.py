"""Names that others chose, made fit for a page: nothing that cannot be drawn or written, and of bounded length."""

from __future__ import annotations

from collections import Counter

from conc.watching.records import RawTimeline

MOST = 60


def shown(text: str, most: int = MOST) -> str:
    """`text` with what is not printable (control characters, lone surrogates) as U+FFFD, at most `most` characters."""
    clean = "".join(character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in text)
    return clean if len(clean) <= most else clean[: most - 1] + "…"


def labels(raw: RawTimeline, most: int = MOST) -> list[str]:
    """One for each thread: its name, with the id where two share one or where there is none."""
    names = [shown(thread.name, most) for thread in raw.threads]
    count = Counter(names)
    return [
        name if name and count[name] == 1 else f"{name} ({thread.tid})".strip()
        for name, thread in zip(names, raw.threads, strict=True)
    ]
