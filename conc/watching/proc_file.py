"""Files of /proc, read so that missing memory is told as what it is."""

from __future__ import annotations


def content(path: str) -> bytes:
    """What the file says now.

    No pathlib, whose paths open() takes for no paths where there is no memory for their text, and no buffer, for whose
    lock there may be none.
    """
    with open(path, "rb", buffering=0) as file:
        return file.readall()
