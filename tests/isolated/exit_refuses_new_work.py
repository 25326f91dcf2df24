"""In an atexit function, once threads have been waited for, no pool takes work, as in the standard library."""

# cases: old-pool new-pool map kernel-map
# stdout: cannot schedule new futures after interpreter shutdown

import atexit
import sys

import conc

pool = conc.ThreadPoolExecutor(1)
assert pool.submit(pow, 2, 3).result() == 8


@atexit.register
def ask() -> None:
    try:
        match sys.argv[1]:
            case "old-pool":
                pool.submit(int)
            case "new-pool":
                conc.ThreadPoolExecutor(1).submit(conc.kernels.prime_factors, 12)
            case "map":
                pool.map(int, ["1"])
            case "kernel-map":
                pool.map(conc.kernels.prime_factors, [12])
    except RuntimeError as error:
        print(error, flush=True)
