"""Interpreter exit does not wait for a daemon in a kernel that would run for an hour."""

# stdout: main is done

import conc

for kernel in (conc.kernels.sleep, conc.kernels.spin):
    thread = conc.Thread(target=kernel, args=(3600.0,), daemon=True)
    thread.start()
    assert thread.is_alive()
print("main is done", flush=True)
