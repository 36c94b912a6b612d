#!/usr/bin/env python3
"""From start to ready, and memory at rest, with 0, 10 and 200 small models; beside the real tritonserver.

    .venv/bin/python tests/soak/startup.py [--runs N] [--models 0 10 200] [--triton]

Models are half `identity`, half `simple` (sum and difference, ONNX). A run starts the server on a fresh process, waits
for the first 200 of /v2/health/ready, and reads memory two seconds later. Servers and numbers take turns, so that a change
of the machine's mood falls on all alike; medians count. tritonserver (benches/triton/peer.py) has a Python backend alone:
it serves `identity` and `simple` by our own libraries, and once more by that backend, which starts a process a model.
"""

import pathlib
import re
import shutil
import statistics
import sys
import tempfile
import time

import process
import report

import peer

GOLDEN = report.ROOT / "tests" / "golden" / "model_repository"
BUILT = report.ROOT / "target" / "release"
REST_S = 2.0

PYTHON_MODEL = '''import triton_python_backend_utils as pb_utils


class TritonPythonModel:
    def execute(self, requests):
        tensors = [pb_utils.get_input_tensor_by_name(request, "INPUT0").as_numpy() for request in requests]
        return [pb_utils.InferenceResponse([pb_utils.Tensor("OUTPUT0", tensor)]) for tensor in tensors]
'''


def main() -> int:
    """Runs, prints, and writes."""
    parser = report.parser(__doc__)
    parser.add_argument("--runs", type=int, default=10, help="starts of each")
    parser.add_argument("--models", type=int, nargs="+", default=[0, 10, 200], help="how many models")
    parser.add_argument("--triton", action="store_true", help="tritonserver, too (fetched once)")
    parser.add_argument("--triton-models", type=int, nargs="+", default=[0, 10], help="how many models for tritonserver")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="soak-") as scratch:
        result = run(pathlib.Path(scratch), options.runs, options.models, options.triton_models if options.triton else [])
    return report.conclude({"soak": "startup", **result}, options)


def run(scratch, runs, counts, triton_counts, quiet=False, rest_s=REST_S):
    """Medians by server and number of models."""
    subjects = [(f"hippocamp, {count} models", ours(scratch, count)) for count in counts]
    if triton_counts:
        subjects += [subject for count in triton_counts for subject in triton(scratch, count)]
    found = {name: [] for name, _ in subjects}
    progress = report.Progress(runs * len(subjects), quiet)
    done = 0
    for number in range(runs):
        first = number % len(subjects)
        for name, start in subjects[first:] + subjects[:first]:
            with start() as server:
                cpu = sum(peer.cpu_s(pid) for pid in server.pids())
                time.sleep(rest_s)
                family = server.pids()
                found[name].append(
                    {
                        "ready_ms": 1000 * server.ready_s,
                        "cpu_to_ready_ms": 1000 * cpu,
                        "rss_kib": process.rss_kib(server.pid),
                        "rss_family_kib": sum(process.rss_kib(pid) for pid in family),
                        "anonymous_kib": process.parts_kib(server.pid)["Anonymous"],
                        "threads": process.threads(server.pid),
                        "processes": len(family),
                    }
                )
                done += 1
                progress.tell(done, f"{name}: ready after {found[name][-1]['ready_ms']:.1f} ms")
    return {"runs": runs, "servers": {name: medians(rows) for name, rows in found.items()}}


def medians(rows: list[dict]) -> dict:
    """The median of each number, and the range of the time."""
    result = {key: round(statistics.median(row[key] for row in rows), 1) for key in rows[0]}
    times = [row["ready_ms"] for row in rows]
    return {**result, "ready_ms_range": [round(min(times), 1), round(max(times), 1)]}


def ours(scratch: pathlib.Path, count: int):
    """A way to start Hippocamp over so many models."""
    repository = scratch / f"models_{count}"
    write(repository, count)
    return lambda: peer.Server(BUILT / "hippocamp", repository)


def triton(scratch: pathlib.Path, count: int):
    """Ways to start tritonserver over so many models: by our libraries, and by its Python backend."""
    installation = peer.Installation()
    environment = installation.environment()
    libraries, python = scratch / f"libraries_{count}", scratch / f"python_{count}"
    models, python_models = scratch / f"library_models_{count}", scratch / f"python_models_{count}"
    for directory in (libraries, python):
        directory.mkdir()
    write(models, count)
    for name in ("identity", "tract"):
        peer.library_backend(libraries, name, BUILT / f"libtriton_{name}.so")

    def start(repository, backends):
        flags = [f"--backend-directory={backends}"]
        return lambda: peer.Server(installation.binary, repository, *flags, environment=environment)

    yield f"tritonserver, {count} models, our libraries", start(models, libraries)
    if count:
        installation.python_backend(python)
        for number in range(count):
            version = python_models / f"model_{number}" / "1"
            version.mkdir(parents=True)
            (version / "model.py").write_text(PYTHON_MODEL)
            (version.parent / "config.pbtxt").write_text(identity(f"model_{number}", "python"))
        yield f"tritonserver, {count} models, Python backend", start(python_models, python)


def write(repository: pathlib.Path, count: int) -> None:
    """So many small models, in turns of `identity` and `simple`."""
    repository.mkdir()
    text = (GOLDEN / "simple" / "config.pbtxt").read_text()
    for number in range(count):
        name = f"model_{number}"
        (repository / name / "1").mkdir(parents=True)
        config = identity(name, "identity")
        if number % 2:
            config = re.sub(r'platform: "[^"]*"', 'backend: "tract"', re.sub(r'name: "simple"', f'name: "{name}"', text))
            shutil.copyfile(GOLDEN / "simple" / "1" / "model.onnx", repository / name / "1" / "model.onnx")
        (repository / name / "config.pbtxt").write_text(config)


def identity(name: str, backend: str) -> str:
    """The configuration of a model that gives back what it gets."""
    return f"""name: "{name}"
backend: "{backend}"
max_batch_size: 8
input {{ name: "INPUT0" data_type: TYPE_FP32 dims: [ -1 ] }}
output {{ name: "OUTPUT0" data_type: TYPE_FP32 dims: [ -1 ] }}
instance_group {{ count: 1 kind: KIND_CPU }}
"""


if __name__ == "__main__":
    sys.exit(main())
