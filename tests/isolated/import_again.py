"""conc can be reloaded and, forgotten by sys.modules, imported anew; what the first import gave goes on working."""

# stdout: [2, 3] [2, 3] [2, 3]

import gc
import importlib
import sys

import conc
from conc import kernels

first = kernels.prime_factors
assert importlib.reload(conc) is conc
again = conc.kernels.prime_factors
for name in [name for name in sys.modules if name.split(".")[0] == "conc"]:
    del sys.modules[name]
import conc as anew  # noqa: E402

assert anew is not conc
third = anew.kernels.prime_factors
del conc, kernels
gc.collect()
print(first(6), again(6), third(6))
