"""conc is imported, and works, in several interpreters at the same time, each in a thread of its own."""

# cases: own-gil shared-gil
# needs: subinterpreters
# needs[own-gil]: python3.12
# needs[shared-gil]: python3.12
# stdout: [8, 8, 8, 8]

import os
import sys
import threading

from interpreter import Interpreter

COUNT = 4
WORK = """
import os
import conc
with conc.ThreadPoolExecutor(2) as pool:
    futures = [pool.submit(pow, 2, 3) for _ in range(50)]
    assert list(pool.map(conc.kernels.prime_factors, [12] * 50)) == [[2, 2, 3]] * 50
    assert {future.result() for future in futures} == {8}
thread = conc.Thread(target=pow, args=(2, 3))
thread.start()
os.write(%d, bytes([thread.result()]))
"""
begin = threading.Barrier(COUNT)
reader, writer = os.pipe()
failures: list[BaseException] = []


def use_one() -> None:
    interpreter = Interpreter(own_gil=sys.argv[1] == "own-gil")
    try:
        begin.wait()
        interpreter.run(WORK % writer)
    except BaseException as error:
        failures.append(error)
    finally:
        interpreter.destroy()


threads = [threading.Thread(target=use_one) for _ in range(COUNT)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
if failures:
    raise failures[0]
print(list(os.read(reader, 100)))
