"""What the soaks that kill the server share: a writer that is cut off where it is, and a server killed while it starts."""

import subprocess
import threading
import time

import report  # noqa: F401 - it knows where the next is
from hippocamp_server import binary


class Writer:
    """Calls `write` again and again on a thread of its own, until it is cut off; `_cut` tells that it is."""

    def __init__(self):
        self._cut = threading.Event()
        self._thread = None

    def start(self) -> None:
        """Goes on writing."""
        self._cut.clear()
        self._thread = threading.Thread(target=self._work, daemon=True)
        self._thread.start()

    def cut(self) -> None:
        """Stops it where it is, as when its machine goes down: what it has begun stays begun."""
        self._cut.set()
        if self._thread:
            self._thread.join()

    def write(self) -> None:
        """One piece of work, left as it is when `_cut` is set meanwhile."""
        raise NotImplementedError

    def _pause_s(self) -> float:
        """Seconds until the next `write`."""
        raise NotImplementedError

    def _work(self) -> None:
        while not self._cut.is_set():
            self.write()
            self._cut.wait(self._pause_s())


def kill_while_it_starts(repository: str, flags: list[str], after_s: float, environment=None) -> None:
    """Starts a server that nobody waits for and kills it, ready or not."""
    endpoints = ("http", "grpc", "metrics")
    addresses = [flag for name in endpoints for flag in (f"--{name}-address=127.0.0.1", f"--{name}-port=0")]
    starting = subprocess.Popen(
        [binary(), f"--model-repository={repository}", *addresses, *flags],
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    time.sleep(after_s)
    starting.kill()
    starting.wait()
