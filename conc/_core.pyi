"""The native core. Each section belongs to one file under csrc/python/."""
