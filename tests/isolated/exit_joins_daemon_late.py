"""A finalizer that waits for a daemon, which runs no Python code any more, is told so instead of waiting for ever."""

# stdout: refused

import conc


class Cycle:
    """Goes in the last collection, when no other thread runs Python any more."""

    def __init__(self) -> None:
        self.itself = self
        self.thread = conc.Thread(target=self.spin, daemon=True)
        self.thread.start()

    @staticmethod
    def spin() -> None:
        while True:
            pass

    def __del__(self) -> None:
        said = ""
        try:
            self.thread.join()
        except RuntimeError as error:
            said = str(error)
        if "at Python finalization" in said:
            print("refused", flush=True)


Cycle()
