"""The comparison of lanes: workload -> lanes -> runner -> verdict -> report; data flows in that order, one way."""
