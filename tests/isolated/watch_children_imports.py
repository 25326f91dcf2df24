"""What is imported when the first child comes: nothing of ours, since beside threads that want the GIL it would take
longer than many a child lives.
"""

# stdout: nothing more of ours

import subprocess
import sys
import time

from looks import samplers

import conc

with conc.watch(children=True):
    begun = set(sys.modules)
    child = subprocess.Popen(["cat"], stdin=subprocess.PIPE)
    while len(samplers()) < 2:
        time.sleep(0.001)
    child.communicate()
    new = {name for name in set(sys.modules) - begun if name.startswith("conc")}
print(*sorted(new) or ["nothing more of ours"])
