"""Ready workloads, the classic pair: `calc` is CPU-bound, `download` is I/O-bound. Plain functions, for any lane."""
