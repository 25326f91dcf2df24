"""What every thread does, seen without touching it: a sampler that needs no GIL, and what its records add up to.

Data flows one way: the sampler (``csrc/watch``) -> `records` -> `summary` -> pictures and exports.
"""
