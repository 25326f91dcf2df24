"""CPython's own cases for the pool of threads pass with ours in its place (cpython/run_executor_cases.py)."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

FOLDER = Path(__file__).with_name("cpython")
sys.path.insert(0, str(FOLDER))
try:
    from run_executor_cases import EXCLUDED
finally:
    sys.path.pop(0)

SCRIPT = FOLDER / "run_executor_cases.py"

MOST_EXCLUDED = 0.05


@pytest.mark.timeout(200)
@pytest.mark.main_interpreter("processes")
def test_cases_of_test_concurrent_futures(record_property: Callable[[str, object], None]) -> None:
    done = subprocess.run([sys.executable, str(SCRIPT)], capture_output=True, text=True, timeout=180, check=False)
    if done.returncode == 3:
        pytest.skip(done.stdout.strip())
    assert done.returncode == 0, done.stderr
    outcomes = json.loads(done.stdout.splitlines()[-1])
    assert outcomes["bad"] == {}
    count = len(outcomes["passed"]) + len(outcomes["excluded"])
    assert len(outcomes["passed"]) >= 30
    assert len(outcomes["excluded"]) <= MOST_EXCLUDED * count, f"{len(outcomes['excluded'])} of {count}"
    assert set(outcomes["excluded"]) <= set(EXCLUDED)
    record_property(
        "cpython cases", f"{len(outcomes['passed'])} passed, {len(outcomes['excluded'])} excluded of {count}"
    )
