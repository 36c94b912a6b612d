"""The real tritonserver as a peer of Hippocamp: installs it, starts it, watches it, stops it.

tritonserver 2.51, its Python backend and the libraries of both lie in the PyPI wheel of nvidia-pytriton 0.7.0, which
requirements.txt pins by its SHA-256; it is installed once, under .cache/. Needs Python's standard library and Linux on
x86-64 with glibc 2.35 or later. Used by compare.py and test_identity_in_triton.py.
To fetch ahead of a run: python peer.py
"""

import contextlib
import fcntl
import hashlib
import http.client
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import sysconfig
import tempfile
import time
import venv
from collections.abc import Callable

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
REQUIREMENTS = HERE / "requirements.txt"
CACHE = ROOT / ".cache" / "triton"

INSTALL_S = 600
START_S = 120
STOP_S = 40
REQUEST_S = 10
# Ports are chosen before the server takes them, so another process may be faster.
PORT_ATTEMPTS = 3


class PeerError(Exception):
    """What could not be had or done, and what to do about it."""


class Installation:
    """tritonserver, installed under .cache/triton; made where it is missing or of another version."""

    def __init__(self):
        stamp = CACHE / "installed.txt"
        wanted = f"{sys.version_info.major}.{sys.version_info.minor} {sys.base_prefix} {_digest(REQUIREMENTS)}\n"
        CACHE.mkdir(parents=True, exist_ok=True)
        with (CACHE / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not stamp.exists() or stamp.read_text() != wanted:
                # The stamp comes last, so that an interrupted installation leaves nothing that looks whole.
                stamp.unlink(missing_ok=True)
                _install()
                stamp.write_text(wanted)
        packages = CACHE / "venv" / "lib" / f"python{sys.version_info.major}.{sys.version_info.minor}" / "site-packages"
        self._distribution = packages / "pytriton" / "tritonserver"
        self._libraries = packages / "nvidia_pytriton.libs"
        self.binary = self._distribution / "bin" / "tritonserver"

    def environment(self) -> dict[str, str]:
        """The environment tritonserver runs in: its libraries, libpython, and the Python its backend is to use."""
        environment = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}
        libraries = [str(self._libraries)]
        if libpython := _libpython():
            libraries.append(str(libpython))
        environment["LD_LIBRARY_PATH"] = ":".join(libraries)
        # The Python backend takes its packages from the environment of the first python3 on PATH.
        environment["PATH"] = f"{CACHE / 'venv' / 'bin'}:{environment.get('PATH', os.defpath)}"
        return environment

    def python_backend(self, directory: pathlib.Path) -> None:
        """Puts the Python backend, with the stub for this Python, into the backend directory `directory`."""
        version = f"{sys.version_info.major}.{sys.version_info.minor}"
        stub = self._distribution / "python_backend_stubs" / version / "triton_python_backend_stub"
        if sys.version_info >= (3, 13) or not stub.exists():
            raise PeerError(f"Triton's Python backend needs Python 3.11 or 3.12, this is {version}: use one of those")
        backend = directory / "python"
        backend.mkdir()
        for name in ("libtriton_python.so", "triton_python_backend_utils.py"):
            (backend / name).symlink_to(self._distribution / "backends" / "python" / name)
        shutil.copyfile(stub, backend / stub.name)
        (backend / stub.name).chmod(0o755)


def library_backend(directory: pathlib.Path, name: str, library: pathlib.Path) -> None:
    """Puts the shared library `library` into the backend directory `directory` as the backend `name`."""
    if not library.exists():
        raise PeerError(f"{library} is missing: run `make build` first")
    (directory / name).mkdir()
    (directory / name / f"libtriton_{name}.so").symlink_to(library.resolve())


class Server:
    """A running server that knows Triton's flags: tritonserver, or Hippocamp. Leaving the `with` block stops it.

    `http`, `grpc` and `metrics` are addresses as host:port, `pid` is the process, `ready_s` the seconds from its start
    to the first 200 of /v2/health/ready. Raises PeerError when it ends early or is not ready within START_S.
    """

    def __init__(
        self,
        binary: pathlib.Path,
        repository: pathlib.Path,
        *arguments: str,
        environment: dict[str, str] | None = None,
    ):
        self._log = tempfile.NamedTemporaryFile(prefix=f"{binary.name}-", suffix=".log")
        self._process = None
        self._ended = None
        for attempt in range(1, PORT_ATTEMPTS + 1):
            try:
                self._start(binary, repository, arguments, environment)
                return
            except PeerError as error:
                self._end()
                if attempt == PORT_ATTEMPTS or "in use" not in str(error):
                    self._log.close()
                    raise
            except BaseException:
                self._end()
                self._log.close()
                raise

    def _start(self, binary, repository, arguments, environment) -> None:
        self._process = None
        self._log.seek(0)
        self._log.truncate()
        endpoints = ("http", "grpc", "metrics")
        ports = dict(zip(endpoints, _free_ports(len(endpoints)), strict=True))
        self.http, self.grpc, self.metrics = (f"127.0.0.1:{ports[endpoint]}" for endpoint in endpoints)
        command = [str(binary), f"--model-repository={repository}", *arguments]
        for endpoint in endpoints:
            command += [f"--{endpoint}-address=127.0.0.1", f"--{endpoint}-port={ports[endpoint]}"]
        started = time.monotonic()
        self._process = subprocess.Popen(
            command,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=subprocess.STDOUT,
            # Its own process group, which its children share: none of them can be left behind.
            start_new_session=True,
        )
        self.pid = self._process.pid
        while not self._is_ready():
            if (status := self._process.poll()) is not None:
                raise PeerError(f"{binary.name} ended with status {status}; its log:\n{self.log()}")
            if time.monotonic() - started > START_S:
                raise PeerError(f"{binary.name} was not ready within {START_S} s; its log:\n{self.log()}")
            time.sleep(0.001)
        self.ready_s = time.monotonic() - started

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()

    def request(self, method: str, path: str, body: object = None) -> tuple[int, object]:
        """Status and body (decoded JSON, None where empty) of one HTTP request; `body` is sent as JSON."""
        connection = http.client.HTTPConnection(self.http, timeout=REQUEST_S)
        try:
            connection.request(method, path, None if body is None else json.dumps(body))
            response = connection.getresponse()
            content = response.read()
            return response.status, json.loads(content) if content else None
        finally:
            connection.close()

    def pids(self) -> list[int]:
        """The server's process id, then those of its children and theirs."""
        parents = {}
        for entry in pathlib.Path("/proc").iterdir():
            # Processes come and go while they are listed.
            with contextlib.suppress(OSError):
                if entry.name.isdigit():
                    parents[int(entry.name)] = int(_stat(int(entry.name))[1])
        family = [self.pid]
        for pid in family:
            family += [child for child, parent in parents.items() if parent == pid]
        return family

    def log(self) -> str:
        """What the server has written so far."""
        return self._ended[1] if self._ended else pathlib.Path(self._log.name).read_text(errors="replace")

    def stop(self) -> tuple[int, str]:
        """Asks the server to drain, waits for its end; returns its exit status and its whole log, every time."""
        if self._ended is None:
            self._process.send_signal(signal.SIGTERM)
            try:
                status = self._process.wait(STOP_S)
            except subprocess.TimeoutExpired:
                status = None
            self._end()
            self._ended = status, self.log()
            self._log.close()
        status, text = self._ended
        if status is None:
            raise PeerError(f"no end within {STOP_S} s of SIGTERM; its log:\n{text}")
        return status, text

    def _end(self) -> None:
        """Ends what is left of the process and its children."""
        if self._process is None:
            return
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        self._process.wait()

    def _is_ready(self) -> bool:
        try:
            return self.request("GET", "/v2/health/ready")[0] == http.client.OK
        except (OSError, http.client.HTTPException):
            return False


def wait_until(condition: Callable[[], bool], limit_s: float, what: str) -> None:
    """Returns when `condition` holds; raises PeerError when it does not within `limit_s` seconds."""
    deadline = time.monotonic() + limit_s
    while not condition():
        if time.monotonic() > deadline:
            raise PeerError(f"waited {limit_s} s for {what}")
        time.sleep(0.01)


def cpu_s(pid: int) -> float:
    """Seconds of CPU time, user and system, that the process has used."""
    # Fields 14 and 15 of proc_pid_stat(5); [0] is field 3.
    return sum(int(field) for field in _stat(pid)[11:13]) / os.sysconf("SC_CLK_TCK")


def rss_mib(pid: int) -> float:
    """MiB of memory resident in the process; pages that it shares with another count in both."""
    return int(_stat(pid)[21]) * os.sysconf("SC_PAGE_SIZE") / 2**20


def _stat(pid: int) -> list[str]:
    """The fields of /proc/PID/stat from the state on: before it comes a name that may hold anything."""
    return pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()


def _free_ports(count: int) -> list[int]:
    with contextlib.ExitStack() as open_sockets:
        sockets = [open_sockets.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]


def _install() -> None:
    environment = CACHE / "venv"
    venv.create(environment, clear=True, symlinks=True, with_pip=True)
    command = [environment / "bin" / "python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    command += ["--no-input", "--no-deps", "--only-binary=:all:", "--require-hashes", "--requirement", REQUIREMENTS]
    result = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=INSTALL_S)
    if result.returncode != 0:
        raise PeerError(f"pip could not install {REQUIREMENTS} (needs x86-64 Linux, glibc 2.35):\n{result.stdout}")


def _digest(path: pathlib.Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _libpython() -> pathlib.Path | None:
    """The directory of this Python's shared library; None where it is not beside this Python."""
    name = f"libpython{sys.version_info.major}.{sys.version_info.minor}.so.1.0"
    directories = [sysconfig.get_config_var("LIBDIR"), f"{sys.base_prefix}/lib"]
    return next((path for path in map(pathlib.Path, filter(None, directories)) if (path / name).exists()), None)


if __name__ == "__main__":
    print(Installation().binary)
