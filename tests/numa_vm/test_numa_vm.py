"""conc on a machine that really has four nodes, one of them without CPUs: a guest (see vm.py), judged from outside.

Run when the guest's parts are in the cache, or with CONC_NUMA_VM=1, which makes them. Figures are not judged: every
node is equally fast in emulation.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest
import vm

sys.path.insert(0, str(vm.ROOT / "tools"))
try:
    import ctest
finally:
    sys.path.pop(0)

pytestmark = pytest.mark.timeout(900)

NODES = [0, 1, 2, 3]
CPU_NODES = [0, 1, 2]


@pytest.fixture(scope="module")
def facts() -> Any:
    try:
        if os.environ.get("CONC_NUMA_VM") == "1":
            vm.setup()
        vm.check_available()
        program = ctest.build(["test_memory_policy"], "none")["test_memory_policy"]
        script = (Path(__file__).parent / "guest.py").read_text()
        outcome = vm.run("4n", script, files=[program], timeout_s=800)
    except vm.Unavailable as reason:
        pytest.skip(str(reason))
    assert outcome.status == 0, outcome.console
    return json.loads(outcome.output)


def test_topology(facts: Any) -> None:
    nodes = facts["topology"]["nodes"]
    assert [node["id"] for node in nodes] == NODES
    assert [node["cpus"] for node in nodes] == [[0, 1], [2], [3], []]
    assert [node["distances"] for node in nodes] == [
        [10, 20, 20, 31],
        [20, 10, 20, 31],
        [20, 20, 10, 31],
        [31, 31, 31, 10],
    ]
    assert all(200 << 20 < node["memory_total_bytes"] <= 256 << 20 for node in nodes)
    assert facts["topology"]["unknown"] == {}


def test_latency_of_every_node_has_its_pages_there(facts: Any) -> None:
    assert [figure["node"] for figure in facts["latencies"]] == [node for node in NODES for _ in range(2)]
    for figure in facts["latencies"]:
        assert figure["placement"]["verified_by"] == "move_pages"
        assert figure["placement"]["shares"] == {str(figure["node"]): 1.0}
        assert figure["median_ns"] > 0


def test_bandwidth_of_every_node_has_its_pages_there(facts: Any) -> None:
    own_cpus = {0: {0, 1}, 1: {2}, 2: {3}, 3: {0, 1, 2, 3}}
    for node, figure in zip(NODES, facts["bandwidths"], strict=True):
        assert figure["node"] == node
        assert set(figure["cpus"]) <= own_cpus[node]
        assert figure["placement"]["shares"] == {str(node): 1.0}
        assert figure["median_gb_s"] > 0


def test_unbound_slices_lie_where_their_threads_run(facts: Any) -> None:
    local = facts["local"]
    assert local["node"] is None
    assert local["cpus"] == [0, 1, 2, 3]
    shares = local["placement"]["shares"]
    assert set(shares) == {"0", "1", "2"}
    assert shares["0"] == pytest.approx(0.5, abs=0.02)
    assert shares["1"] == pytest.approx(0.25, abs=0.02)


def test_latency_without_a_node_takes_the_cpus_own(facts: Any) -> None:
    assert facts["unasked"]["node"] == 2
    assert facts["unasked"]["placement"]["shares"] == {"2": 1.0}


def test_binding_wins_over_the_process_policy(facts: Any) -> None:
    assert facts["against_policy"]["placement"]["shares"] == {"0": 1.0}


def test_a_threads_policy_decides_where_its_pages_come_from(facts: Any) -> None:
    """The program checks every page; these are the nodes that it met."""
    found = facts["policies"]
    assert found["status"] == 0, found["errors"]
    assert found["output"].splitlines() == ["local: 0 1 2", "bind: 0 1 2 3"]


def test_a_thread_on_a_node_has_its_cpus_and_its_memory(facts: Any) -> None:
    """The last node has no CPUs: a thread stays where it is, and its memory is bound there."""
    own_cpus = {0: [0, 1], 1: [2], 2: [3], 3: [0, 1, 2, 3]}
    on_node = facts["threads"]["on_node"]
    assert {int(node): found for node, found in on_node.items()} == {
        node: {"cpus": own_cpus[node], "memory": [node], "node": node} for node in NODES
    }
    assert facts["threads"]["kernel"] == own_cpus[1]


def test_a_thread_on_some_cpus_and_a_node(facts: Any) -> None:
    assert facts["threads"]["on_cpu_of_node"] == {"cpus": [1], "memory": [0], "node": 0}
    assert facts["threads"]["on_cpus_elsewhere"] == {"cpus": [3], "memory": [0], "node": 0}
    assert facts["threads"]["unasked"]["node"] is None
    assert facts["threads"]["unasked"]["cpus"] == [0, 1, 2, 3]
    assert set(facts["threads"]["unasked"]["memory"]) <= set(CPU_NODES)


def test_a_thread_that_is_moved_takes_its_memory_along(facts: Any) -> None:
    assert facts["threads"]["moved"] == [
        {"cpus": [2], "memory": [1]},
        {"cpus": [3], "memory": [2]},
        {"cpus": [3], "memory": [3]},  # bound by itself to the node without CPUs
        {"cpus": [0], "node": 3},
    ]


def test_what_cannot_be_had_of_a_thread_is_refused(facts: Any) -> None:
    refused = facts["threads"]["refusals"]
    assert refused["absent"].startswith("ValueError: node must be one of this machine's NUMA nodes (0-3), not 99")
    for what in ("unbind", "bind a running one"):
        assert refused[what].startswith("RuntimeError: only ")
        assert "itself can bind its memory to a node" in refused[what]


def test_refusals_name_what_there_is(facts: Any) -> None:
    assert facts["refusals"]["absent"] == "ValueError: there is no node 99; this machine has nodes 0-3"
    assert "size must be in" in facts["refusals"]["large"]


def test_affinity_is_as_it_was(facts: Any) -> None:
    assert facts["affinity"] == [0, 1, 2, 3]


def test_probe_has_a_row_for_every_node_with_cpus_and_a_column_for_every_node(facts: Any) -> None:
    matrix = facts["report"]["matrix"]
    assert matrix["cpu_nodes"] == CPU_NODES
    assert matrix["memory_nodes"] == NODES
    assert [len(row) for row in matrix["latency"]] == [4, 4, 4]
    measured = [cell for row in matrix["latency"] for cell in row if cell["n"] > 0]
    assert measured
    assert all(cell["placement"]["shares"] == {str(cell["node"]): 1.0} for cell in measured)
    assert "Latency, node by node (median ns)" in facts["text"]
    assert "Read bandwidth, node by node (GB/s)" in facts["text"]


def test_verdict_is_one_that_equal_nodes_allow(facts: Any) -> None:
    """No node is farther than another in emulation; a verdict of NUMA would need figures that rule it in."""
    verdict = facts["report"]["verdict"]
    assert verdict["reasons"]
    if verdict["kind"] == "UMA":
        assert all(cell["n"] >= 6 for row in facts["report"]["matrix"]["latency"] for cell in row)
    elif verdict["kind"] == "NUMA":
        low, high = verdict["interval"]
        assert low > 1.05 or high < 1 / 1.05
    else:
        assert verdict["kind"] == "inconclusive"
