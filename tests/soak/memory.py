#!/usr/bin/env python3
"""What stays of a model that was unloaded: memory, threads and open files over many loads and unloads.

    .venv/bin/python tests/soak/memory.py [--cycles N] [--model product|minilm] [--requests N]

In explicit mode, a model with 90 MB of weights is loaded, asked `--requests` times, and unloaded, `--cycles` times. Each
cycle ends when the index says that the version is gone, and a moment more; then /proc tells what the process has. The
allocator keeps what is freed for a while: so after some cycles nothing is done for as long, and what is left then tells a
leak from a store.
"""

import csv
import http.client
import json
import pathlib
import shutil
import sys
import tempfile
import time

import onnx_file
import process
import report
from hippocamp_server import Server

# Columns of the curve.
COLUMNS = ("cycle", "load_s", "rss_loaded_kib", "rss_kib", "anonymous_kib", "lazyfree_kib", "threads", "files", "cpu_s")
# After these cycles, and the last, the server is left alone for so long.
IDLE_AFTER = (1, 10, 50, 100, 200)
IDLE_S = 15.0
CALL_S = 120
WEIGHTS_BYTES = 90_000_000
ROWS = 4096


def main() -> int:
    """Runs, prints, and writes."""
    parser = report.parser(__doc__)
    parser.add_argument("--cycles", type=int, default=200, help="loads and unloads")
    parser.add_argument("--model", choices=("product", "minilm"), default="product", help="one multiplication, or plot_encoder")
    parser.add_argument("--megabytes", type=int, default=WEIGHTS_BYTES // 10**6, help="weights of `product`")
    parser.add_argument("--requests", type=int, default=0, help="requests between a load and its unload")
    parser.add_argument("--settle", type=float, default=0.5, help="seconds between the end of a version and the reading")
    parser.add_argument("--idle", type=float, default=IDLE_S, help=f"seconds of nothing after cycles {IDLE_AFTER} and the last")
    parser.add_argument("--csv", type=pathlib.Path, help="file to write the curve into")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="soak-") as scratch:
        model = prepare(pathlib.Path(scratch), options.model, options.megabytes)
        curve, result = run(pathlib.Path(scratch), model, options.cycles, options.requests, options.settle, options.idle)
    if options.csv:
        options.csv.parent.mkdir(parents=True, exist_ok=True)
        with options.csv.open("w", newline="") as file:
            csv.writer(file).writerows([COLUMNS, *([row[column] for column in COLUMNS] for row in curve)])
    return report.conclude({"soak": "memory", "model": options.model, "requests": options.requests, **result}, options)


def prepare(repository: pathlib.Path, kind: str, megabytes: int) -> tuple[str, dict]:
    """Writes the model into the repository; its name, and a request to it."""
    if kind == "minilm":
        source = report.ROOT / "model_repository" / "plot_encoder"
        if not (source / "1" / "model.onnx").exists():
            sys.exit("plot_encoder has no version 1: run `make models` first, or take --model product")
        shutil.copytree(source, repository / "plot_encoder")
        tokens = [101, *range(2000, 2030), 102]
        values = {"input_ids": tokens, "attention_mask": [1] * len(tokens), "token_type_ids": [0] * len(tokens)}
        return "plot_encoder", request("INT64", values)
    columns = max(1, megabytes * 10**6 // (4 * ROWS))
    (repository / "product" / "1").mkdir(parents=True)
    (repository / "product" / "1" / "model.onnx").write_bytes(onnx_file.product(ROWS, columns))
    (repository / "product" / "config.pbtxt").write_text(
        f"""name: "product"
backend: "tract"
max_batch_size: 8
input {{ name: "x" data_type: TYPE_FP32 dims: [ {ROWS} ] }}
output {{ name: "y" data_type: TYPE_FP32 dims: [ {columns} ] }}
instance_group {{ count: 2 kind: KIND_CPU }}
"""
    )
    return "product", request("FP32", {"x": [0.5] * ROWS})


def request(datatype: str, values: dict[str, list]) -> dict:
    """One row of each input."""
    inputs = [
        {"name": name, "shape": [1, len(data)], "datatype": datatype, "data": data} for name, data in values.items()
    ]
    return {"inputs": inputs}


def run(repository, model, cycles, requests, settle_s, idle_s, quiet=False):
    """The curve, a row a cycle, and what it comes to."""
    name, body = model
    server = Server(repository, "--model-control-mode=explicit")
    progress = report.Progress(cycles, quiet)
    curve, idle = [], {}
    try:
        time.sleep(1)
        pid, fresh = server.pid, process.rss_kib(server.pid)
        began = process.threads(pid), process.files(pid)
        for cycle in range(1, cycles + 1):
            cpu, start = process.cpu_s(pid), time.monotonic()
            call(server, f"/v2/repository/models/{name}/load", {})
            load_s = time.monotonic() - start
            for _ in range(requests):
                call(server, f"/v2/models/{name}/infer", body)
            loaded = process.rss_kib(pid)
            call(server, f"/v2/repository/models/{name}/unload", {})
            wait_until_gone(server, name)
            time.sleep(settle_s)
            parts = process.parts_kib(pid)
            curve.append(
                {
                    "cycle": cycle,
                    "load_s": round(load_s, 3),
                    "rss_loaded_kib": loaded,
                    "rss_kib": process.rss_kib(pid),
                    "anonymous_kib": parts["Anonymous"],
                    "lazyfree_kib": parts["LazyFree"],
                    "threads": process.threads(pid),
                    "threads_by_name": process.thread_names(pid),
                    "files": process.files(pid),
                    "cpu_s": round(process.cpu_s(pid) - cpu, 3),
                }
            )
            last = curve[-1]
            progress.tell(cycle, f"RSS {last['rss_kib']} KiB, threads {last['threads']}, files {last['files']}")
            if cycle in IDLE_AFTER or cycle == cycles:
                idle[cycle] = given_back(pid, idle_s)
        result = summary(curve, fresh, began)
        result["idle_after_cycle"] = idle
        result["threads_by_name"] = process.thread_names(pid)
        result["parts_kib"] = process.parts_kib(pid)
        result["largest_mappings_kib"] = process.largest_mappings_kib(pid)
        return curve, result
    finally:
        server.stop()


def given_back(pid: int, idle_s: float) -> dict:
    """What the process keeps when nothing is asked of it for so long, and when it first had nearly that little."""
    began, readings = time.monotonic(), []
    while (now := time.monotonic() - began) < idle_s:
        readings.append((now, process.rss_kib(pid)))
        time.sleep(min(0.1, idle_s))
    last = process.rss_kib(pid)
    after = next((now for now, rss in readings if rss < last + 1024), idle_s)
    return {"rss_kib": last, "anonymous_kib": process.parts_kib(pid)["Anonymous"], "given_back_after_s": round(after, 1)}


def summary(curve: list[dict], fresh: int, began: tuple[int, int]) -> dict:
    """First, 10th, 100th, 200th and last cycle, and how each number goes on in the second half."""
    rss = [row["rss_kib"] for row in curve]
    half = curve[len(curve) // 2 :]
    chosen = {number: rss[number - 1] for number in (1, 10, 50, 100, 200) if number <= len(rss)}
    return {
        "cycles": len(curve),
        "fresh_rss_kib": fresh,
        "rss_kib_after_cycle": chosen,
        "highest_rss_kib": max(rss),
        "highest_rss_loaded_kib": max(row["rss_loaded_kib"] for row in curve),
        "last_rss_kib": rss[-1],
        "slope_kib_per_cycle": round(process.slope([row["rss_kib"] for row in half]), 2),
        "threads_before_first_last": [began[0], curve[0]["threads"], curve[-1]["threads"]],
        "files_before_first_last": [began[1], curve[0]["files"], curve[-1]["files"]],
        "load_s_median": process.percentile([row["load_s"] for row in curve], 0.5),
        "cpu_s_per_cycle": process.percentile([row["cpu_s"] for row in curve], 0.5),
    }


def call(server: Server, path: str, body: dict):
    """One POST that must succeed; its decoded answer."""
    connection = http.client.HTTPConnection(server.http, timeout=CALL_S)
    try:
        connection.request("POST", path, json.dumps(body), {"Content-Type": "application/json"})
        answer = connection.getresponse()
        content = answer.read()
        assert answer.status == 200, f"{path}: status {answer.status}, {content[:500]!r}"
        return json.loads(content) if content else None
    finally:
        connection.close()


def wait_until_gone(server: Server, name: str) -> None:
    """Until the index says that no version of the model is there any more."""
    deadline = time.monotonic() + CALL_S
    while any(line["name"] == name and line.get("state") not in (None, "UNAVAILABLE") for line in index(server)):
        assert time.monotonic() < deadline, f"{name} was not gone within {CALL_S} s"
        time.sleep(0.005)


def index(server: Server) -> list[dict]:
    """The repository index."""
    return call(server, "/v2/repository/index", {})


if __name__ == "__main__":
    sys.exit(main())
