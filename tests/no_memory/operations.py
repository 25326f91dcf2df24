"""The operations that tests/no_memory/driver.py runs with failing allocations: all of operations_*.py.

Each is a generator: it prepares, yields the call that is to meet the failure, is sent what came of it, and checks: the
error is a documented one, what was accepted comes to its end, and what was used works afterwards.
"""

from __future__ import annotations

import operations_machine  # noqa: F401 - importing one registers what is in it
import operations_pools  # noqa: F401
import operations_processes  # noqa: F401
import operations_threads  # noqa: F401
import operations_watching  # noqa: F401
