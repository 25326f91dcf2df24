"""A folder of their own for the leak tests, and at the end of a run the number of public names that they cover."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture(autouse=True)
def own_temporary_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Temporary files of others are none of ours."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """One line, when the test that counts them has run."""
    for outcome in ("passed", "failed"):
        for report in terminalreporter.getreports(outcome):
            covered = dict(report.user_properties).get("names_covered_by_leak_tests")
            if covered is not None:
                terminalreporter.write_line(f"names covered by leak tests: {covered}")
