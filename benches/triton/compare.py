#!/usr/bin/env python3
"""Hippocamp beside the real tritonserver: CPU time per inference, start to ready, memory at rest.

    .venv/bin/python benches/triton/compare.py [--rounds N] [--seconds S] [--concurrency N] [--same-library BACKEND]

Run `make build` first, and let nothing else use the machine. Every server serves the model `simple` (sum and difference
of two [16] INT32 tensors) and stays up throughout; perf_analyzer asks one at a time, in turns, so that a change of the
machine's mood falls on all of them alike. What counts is the CPU time of the server's processes over a window in
the middle of the load, divided by the inferences that the server's own statistics counted in it: it depends little on
what else runs and on how fast the client is. Prints Markdown.

With --same-library, both servers load one and the same libtriton_<BACKEND>.so, so that only the servers differ; Hippocamp
with the backend linked in stands beside them.
"""

import argparse
import contextlib
import dataclasses
import datetime
import os
import pathlib
import platform
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator

import peer

sys.path.insert(0, str(peer.ROOT / "tests" / "python"))
import perf_analyzer  # noqa: E402 (the tests have it already)

BUILT = peer.ROOT / "target" / "release"
GOLDEN_SIMPLE = peer.ROOT / "tests" / "golden" / "model_repository" / "simple"
PROTOCOLS = ("http", "grpc")
# Load before the window opens: connections are made, threads are awake.
SETTLE_S = 0.5
LOAD_START_S = 30
STARTS = 3
# After a start: memory at rest is read when what starting left behind is done.
REST_S = 1.0


@dataclasses.dataclass
class Subject:
    """One server under comparison, and what was found about it."""

    name: str
    # Starts the server with `simple`, or in explicit mode over an empty repository.
    start: Callable[[bool], peer.Server]
    # CPU seconds per inference, a value per round: of the server's process, and with its children.
    alone: dict[str, list[float]] = dataclasses.field(default_factory=lambda: {protocol: [] for protocol in PROTOCOLS})
    family: dict[str, list[float]] = dataclasses.field(default_factory=lambda: {protocol: [] for protocol in PROTOCOLS})
    # Inferences per second, a value per round.
    rate: dict[str, list[float]] = dataclasses.field(default_factory=lambda: {protocol: [] for protocol in PROTOCOLS})
    # With `simple` (True) or nothing loaded (False): seconds to ready, and MiB of the process and of the family.
    ready_s: dict[bool, list[float]] = dataclasses.field(default_factory=lambda: {True: [], False: []})
    rss: dict[bool, list[tuple[float, float]]] = dataclasses.field(default_factory=lambda: {True: [], False: []})


def main() -> None:
    """Measures and prints."""
    options = arguments()
    if sys.version_info >= (3, 13):
        raise peer.PeerError("Triton's Python backend needs Python 3.11 or 3.12: use one of those")
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="compare-") as scratch:
        if options.same_library:
            subjects, left_out = same_library(pathlib.Path(scratch), options.same_library), []
        else:
            subjects, left_out = candidates(pathlib.Path(scratch))
        for number in range(STARTS):
            for with_simple in (False, True):
                for subject in turns(subjects, number):
                    measure_start(subject, with_simple)
        with contextlib.ExitStack() as running:
            servers = {subject.name: running.enter_context(subject.start(True)) for subject in subjects}
            for server in servers.values():
                check_answer(server, options.same_library != "identity")
            for number in range(options.rounds):
                for protocol in PROTOCOLS:
                    for subject in turns(subjects, number):
                        note(f"round {number + 1} of {options.rounds}: {subject.name}, {protocol}")
                        measure_load(subject, servers[subject.name], protocol, options)
    print(report(subjects, left_out, options, time.monotonic() - began))


def arguments() -> argparse.Namespace:
    """The command line, checked."""
    parser = argparse.ArgumentParser(
        description=__doc__.splitlines()[0], formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=5, help="turns of each server on each protocol")
    parser.add_argument("--seconds", type=float, default=2.5, help="length of a measured window")
    parser.add_argument("--concurrency", type=int, default=16, help="requests in flight")
    parser.add_argument("--same-library", choices=("identity", "tract"), help="the one library that both servers load")
    options = parser.parse_args()
    if options.rounds < 1 or options.concurrency < 1 or not 0.5 <= options.seconds <= 60:
        parser.error("rounds and concurrency must be at least 1, seconds between 0.5 and 60")
    return options


def candidates(scratch: pathlib.Path) -> tuple[list[Subject], list[str]]:
    """The servers, Hippocamp first, and why any of them is left out."""
    installation = peer.Installation()
    environment = installation.environment()
    models, empty, python, tract = (scratch / name for name in ("models", "empty", "python", "tract"))
    for directory in (models, empty, python, tract):
        directory.mkdir()
    shutil.copytree(GOLDEN_SIMPLE, models / "simple")
    installation.python_backend(python)
    # Golden `simple` asks for ONNX Runtime's backend, whose place ours takes in both servers.
    peer.library_backend(tract, "onnxruntime", BUILT / "libtriton_tract.so")
    binary = BUILT / "hippocamp"
    if not binary.exists():
        raise peer.PeerError(f"{binary} is missing: run `make build` first")

    def starter(binary: pathlib.Path, repository: pathlib.Path, *flags: str, environment=None):
        def start(with_simple: bool) -> peer.Server:
            if with_simple:
                return peer.Server(binary, repository, *flags, environment=environment)
            return peer.Server(binary, empty, "--model-control-mode=explicit", *flags, environment=environment)

        return start

    def triton(repository: pathlib.Path, backends: pathlib.Path):
        return starter(installation.binary, repository, f"--backend-directory={backends}", environment=environment)

    subjects = [
        Subject("Hippocamp", starter(binary, models)),
        Subject("tritonserver, Python backend", triton(peer.HERE / "model_repository", python)),
        Subject("tritonserver, libtriton_tract.so", triton(models, tract)),
    ]
    # Ours in tritonserver is a row more, not a condition of the others.
    try:
        subjects[-1].start(True).stop()
    except peer.PeerError as error:
        note(str(error))
        return subjects[:-1], [f"{subjects[-1].name}: {str(error).partition('; its log')[0]}"]
    return subjects, []


def same_library(scratch: pathlib.Path, backend: str) -> list[Subject]:
    """Both servers with one library, and ours with the backend linked in. `simple` is its model in each."""
    installation = peer.Installation()
    models, empty, backends = (scratch / name for name in ("models", "empty", "backends"))
    for directory in (models, empty, backends):
        directory.mkdir()
    shutil.copytree(GOLDEN_SIMPLE, models / "simple")
    config = models / "simple" / "config.pbtxt"
    text = config.read_text()
    config.chmod(0o644)
    config.write_text(re.sub(r'platform: "[^"]*"', f'backend: "{backend}"', text))
    if f'backend: "{backend}"' not in config.read_text():
        raise peer.PeerError(f"the golden configuration of simple names no platform:\n{text}")
    peer.library_backend(backends, backend, BUILT / f"libtriton_{backend}.so")
    binary = BUILT / "hippocamp"

    def starter(binary: pathlib.Path, *flags: str, environment=None):
        def start(with_simple: bool) -> peer.Server:
            explicit = () if with_simple else ("--model-control-mode=explicit",)
            return peer.Server(binary, models if with_simple else empty, *explicit, *flags, environment=environment)

        return start

    flag = f"--backend-directory={backends}"
    return [
        Subject("Hippocamp, the library", starter(binary, flag)),
        Subject("tritonserver, the library", starter(installation.binary, flag, environment=installation.environment())),
        Subject("Hippocamp, linked in", starter(binary)),
    ]


def turns(subjects: list[Subject], number: int) -> Iterator[Subject]:
    """The subjects, another one first each time."""
    first = number % len(subjects)
    yield from subjects[first:] + subjects[:first]


def measure_start(subject: Subject, with_simple: bool) -> None:
    """Starts and stops the server once."""
    note(f"start: {subject.name}, {'simple' if with_simple else 'nothing'} loaded")
    with subject.start(with_simple) as server:
        time.sleep(REST_S)
        subject.ready_s[with_simple].append(server.ready_s)
        rss = [peer.rss_mib(pid) for pid in server.pids()]
        subject.rss[with_simple].append((rss[0], sum(rss)))


def measure_load(subject: Subject, server: peer.Server, protocol: str, options: argparse.Namespace) -> None:
    """One window under load."""
    # It is stopped when the window is over, long before it would end by itself.
    command = [perf_analyzer.binary(), "-m", "simple", "-i", protocol, "-u", getattr(server, protocol)]
    command += ["--concurrency-range", f"{options.concurrency}", "--stability-percentage", "999"]
    command += ["--measurement-interval", f"{int(1000 * (options.seconds + LOAD_START_S))}", "--max-trials", "3"]
    with tempfile.TemporaryFile("w+") as output:
        load = subprocess.Popen(
            command, env=perf_analyzer.environment(), stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT
        )
        try:
            before, _ = counts(server)
            peer.wait_until(
                lambda: counts(server)[0] > before or load.poll() is not None,
                LOAD_START_S,
                f"perf_analyzer's load on {subject.name}",
            )
            time.sleep(SETTLE_S)
            family = server.pids()
            opened = sample(server, family)
            time.sleep(options.seconds)
            closed = sample(server, family)
            if load.poll() is not None:
                output.seek(0)
                raise peer.PeerError(f"perf_analyzer ended with status {load.returncode}:\n{output.read()}")
        finally:
            load.kill()
            load.wait()
    seconds, alone, all_of_it, inferences, failures = (end - start for start, end in zip(opened, closed, strict=True))
    if inferences == 0 or failures:
        raise peer.PeerError(f"{subject.name}, {protocol}: {inferences} inferences, {failures} failures in the window")
    subject.alone[protocol].append(alone / inferences)
    subject.family[protocol].append(all_of_it / inferences)
    subject.rate[protocol].append(inferences / seconds)


def sample(server: peer.Server, family: list[int]) -> tuple[float, float, float, int, int]:
    """Now in seconds, CPU seconds of the process and of the family, inferences and failures so far."""
    cpu_s = [peer.cpu_s(pid) for pid in family]
    return time.monotonic(), cpu_s[0], sum(cpu_s), *counts(server)


def counts(server: peer.Server) -> tuple[int, int]:
    """Inferences and failed requests of `simple` so far."""
    status, body = server.request("GET", "/v2/models/simple/stats")
    if status != 200:
        raise peer.PeerError(f"statistics of simple: status {status}, {body}")
    [model] = body["model_stats"]
    return model["inference_count"], model["inference_stats"]["fail"]["count"]


def check_answer(server: peer.Server, adds: bool) -> None:
    """What is measured is right: sum and difference if the model `adds`, else its inputs."""
    a, b = list(range(16)), [3] * 16
    inputs = [
        {"name": name, "shape": [1, 16], "datatype": "INT32", "data": data}
        for name, data in (("INPUT0", a), ("INPUT1", b))
    ]
    status, body = server.request("POST", "/v2/models/simple/infer", {"inputs": inputs})
    outputs = {output["name"]: output["data"] for output in body.get("outputs", [])}
    expected = {
        "OUTPUT0": [x + y if adds else x for x, y in zip(a, b, strict=True)],
        "OUTPUT1": [x - y if adds else y for x, y in zip(a, b, strict=True)],
    }
    if status != 200 or outputs != expected:
        raise peer.PeerError(f"simple answers wrong: status {status}, {body}")


def report(subjects: list[Subject], left_out: list[str], options: argparse.Namespace, took_s: float) -> str:
    """The tables."""
    ours = subjects[0]
    lines = [
        f"{machine()}; {datetime.datetime.now(datetime.UTC):%Y-%m-%d %H:%M} UTC. tritonserver 2.51 "
        "(nvidia-pytriton 0.7.0).",
        f"`simple`{f' by libtriton_{options.same_library}.so' if options.same_library else ''}, "
        f"concurrency {options.concurrency}, perf_analyzer; {options.rounds} rounds in turns, windows of "
        f"{options.seconds:g} s, the whole run {took_s:.0f} s. Medians over the rounds.",
        "",
        "| server | protocol | CPU µs per inference (lowest to highest) | the first row takes | inferences/s |",
        "|---|---|---|---|---|",
    ]
    for protocol in PROTOCOLS:
        for subject in subjects:
            rows = [(subject.name, subject.alone[protocol])]
            if subject.family[protocol] != subject.alone[protocol]:
                rows = [(f"{subject.name}, its process alone", subject.alone[protocol])]
                rows += [(f"{subject.name}, with its stub", subject.family[protocol])]
            for name, values in rows:
                micros = [1e6 * value for value in values]
                # Round by round, so that both sides of a quotient saw the same machine.
                quotient = statistics.median(a / b for a, b in zip(ours.alone[protocol], values, strict=True) if b)
                cells = [
                    name,
                    protocol,
                    f"{statistics.median(micros):.1f} ({min(micros):.1f} to {max(micros):.1f})",
                    "" if subject is ours else f"{quotient:.2f} of it",
                    f"{statistics.median(subject.rate[protocol]):.0f}",
                ]
                lines.append(f"| {' | '.join(cells)} |")
    lines += [
        "",
        "Start to ready (process start to the first 200 of `/v2/health/ready`) and resident memory "
        f"{REST_S:g} s later; medians of {STARTS} starts; in brackets with the child processes.",
        "",
        "| server | nothing loaded, ms | with `simple`, ms | nothing loaded, MiB | with `simple`, MiB |",
        "|---|---|---|---|---|",
    ]
    for subject in subjects:
        ready = [f"{1000 * statistics.median(subject.ready_s[with_simple]):.1f}" for with_simple in (False, True)]
        memory = []
        for with_simple in (False, True):
            alone, family = (statistics.median(column) for column in zip(*subject.rss[with_simple], strict=True))
            memory.append(f"{alone:.1f}" + (f" ({family:.1f})" if family != alone else ""))
        lines.append(f"| {' | '.join([subject.name, *ready, *memory])} |")
    lines += [f"\nLeft out: {reason}" for reason in left_out]
    return "\n".join(lines)


def machine() -> str:
    """This machine in words."""
    found = re.search(r"^model name\s*: (.*)$", pathlib.Path("/proc/cpuinfo").read_text(), flags=re.M)
    cpu = found[1] if found else platform.machine()
    return f"{cpu}, {len(os.sched_getaffinity(0))} cores, {platform.system()} {platform.release()}"


def note(text: str) -> None:
    """Progress, apart from the report."""
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    try:
        main()
    except peer.PeerError as error:
        sys.exit(f"compare: {error}")
