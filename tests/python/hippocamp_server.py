"""The server under test: a real process on free ports, started and stopped in bounded time. Used by conftest.py."""

import os
import pathlib
import select
import signal
import socket
import subprocess
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
GOLDEN = ROOT / "tests" / "golden"
START_S = 120
STOP_S = 40


def binary() -> pathlib.Path:
    """The server's executable: $HIPPOCAMP_BIN, or what `make build` made."""
    path = pathlib.Path(os.environ.get("HIPPOCAMP_BIN", ROOT / "target" / "release" / "hippocamp"))
    assert path.exists(), f"{path} is missing: run `make build` first"
    return path


class Reserved:
    """A port that is taken, but not listened on. A server that shares its port may, as often as it likes."""

    def __enter__(self):
        self._socket = socket.socket()
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        self._socket.bind(("127.0.0.1", 0))
        return self._socket.getsockname()[1]

    def __exit__(self, *_):
        self._socket.close()


class Process:
    """A process that tells its addresses in one line, "ready <name>=<host>:<port> ...", once it serves."""

    def start(self, command: list, name: str, environment: dict[str, str] | None = None) -> dict[str, str]:
        """Starts it; its addresses by name."""
        self._log = tempfile.NamedTemporaryFile("w+", prefix=f"{name}-", suffix=".log")
        self._last_log = ""
        self._process = subprocess.Popen(
            command, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=self._log
        )
        try:
            return dict(word.split("=", 1) for word in self._ready_line().split()[1:])
        except BaseException:
            self._process.kill()
            self._close()
            raise

    @property
    def pid(self) -> int:
        """The process id."""
        return self._process.pid

    def log(self) -> str:
        """What it has written to its log so far."""
        if self._log.closed:
            return self._last_log
        return pathlib.Path(self._log.name).read_text(errors="replace")

    def stop(self) -> int:
        """Asks it to drain, waits for its end, and returns its exit status."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
        try:
            return self._process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            raise AssertionError(f"no end within {STOP_S} s of SIGTERM; its log:\n{self.log()}") from None
        finally:
            self._close()

    def is_running(self) -> bool:
        """Whether it has not ended yet."""
        return self._process.poll() is None

    def kill(self) -> None:
        """Ends it as a crash would."""
        self._process.kill()
        self._close()

    def _close(self) -> None:
        self._process.wait()
        self._process.stdout.close()
        self._last_log = self.log()
        self._log.close()

    def _ready_line(self) -> str:
        deadline = time.monotonic() + START_S
        line = b""
        while not line.endswith(b"\n"):
            readable, _, _ = select.select([self._process.stdout], [], [], max(0.0, deadline - time.monotonic()))
            chunk = os.read(self._process.stdout.fileno(), 4096) if readable else b""
            if not chunk:
                why = "ended" if readable else f"was not ready within {START_S} s"
                raise AssertionError(f"it {why}; it printed {line!r}; its log:\n{self.log()}")
            line += chunk
        text = line.decode()
        assert text.startswith("ready ") and text.count("\n") == 1, f"not one ready line: {text!r}"
        return text


class Server(Process):
    """A running server; `http`, `grpc` and `metrics` are its addresses as host:port."""

    def __init__(self, repository: os.PathLike, *arguments: str, environment: dict[str, str] | None = None):
        command = [
            binary(),
            f"--model-repository={repository}",
            *(
                default
                for endpoint in ("http", "grpc", "metrics")
                for default in (f"--{endpoint}-address=127.0.0.1", f"--{endpoint}-port=0")
                if not any(argument.startswith(default.split("=")[0] + "=") for argument in arguments)
            ),
            *arguments,
        ]
        addresses = self.start(command, "hippocamp", environment)
        self.http = addresses.get("http")
        self.grpc = addresses.get("grpc")
        self.metrics = addresses.get("metrics")
