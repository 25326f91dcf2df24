"""What the first watch of a process imports: beside threads that want the GIL each module costs a wait for it, or some.

What looks at its results is imported when they are asked for.
"""

# stdout: _core watching watching.api watching.locked watching.names watching.own watching.timeline
# stdout: none of the standard library's
# stdout: records when asked for

import sys
import threading  # which a program has that has threads

import conc

before = set(sys.modules)
with conc.watch() as watched:
    threading.Thread(target=int).start()
new = set(sys.modules) - before
ours = {name for name in new if name.startswith("conc.")}
print(*sorted(name.removeprefix("conc.") for name in ours))
files = {name for name in new - ours if getattr(sys.modules[name], "__file__", None)}
print(*sorted(files) or ["none of the standard library's"])
watched.raw.threads  # noqa: B018  (asking is what imports them)
print("records when asked for" if "conc.watching.records" in sys.modules else "not even then")
