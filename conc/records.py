"""What every result of conc has: plain data out, as a dict or JSON."""

from __future__ import annotations

import dataclasses
import enum
import json
import math
from array import array
from collections.abc import Mapping
from pathlib import Path
from typing import Any


def plain(value: Any) -> Any:
    """`value` as JSON knows it: dataclasses and mappings become dicts, sequences and columns lists, enums their value.

    A float that JSON has no word for (nan, inf) becomes its name as a string.
    """
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, enum.Enum):
        return plain(value.value)
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [plain(item) for item in value]
    if isinstance(value, (memoryview, array)):
        return value.tolist()
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    return repr(value)


class Record:
    """A mixin for frozen dataclasses that are results."""

    __slots__ = ()

    def to_dict(self) -> dict[str, Any]:
        """All fields as plain data, in the order of the class; units stand in the names."""
        data: dict[str, Any] = plain(self)
        return data

    def to_json(self, path: str | Path | None = None) -> str:
        """The same as JSON text, also written to `path` when one is given.

        Raises:
            OSError: the file cannot be written.
        """
        text = json.dumps(self.to_dict(), indent=2)
        if path is not None:
            Path(path).write_text(text + "\n", encoding="utf-8")
        return text
