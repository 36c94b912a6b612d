#!/usr/bin/env python3
"""Where the time of `recommend_by_plot` goes: tritonclient and perf_analyzer at concurrency 1, 4 and 16.

    .venv/bin/python benches/ensemble.py [--seconds S] [--model NAME]

Run `make build models` first, and let nothing else use the machine. Asks the probes of catalogue/probes.jsonl, so that
texts have the lengths of real questions. The server's own statistics give each step's queue and compute time per
request; what remains of the ensemble's time is the way between the steps. The encoder alone, in a loop without a server,
is printed beside it. Prints Markdown.
"""

import argparse
import concurrent.futures
import json
import os
import pathlib
import re
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request

import numpy as np
import tritonclient.grpc
import tritonclient.http

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests" / "python"))
import hippocamp_server  # noqa: E402 (the tests have it already)
import perf_analyzer  # noqa: E402

CONCURRENCIES = (1, 4, 16)
K = 10


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=8, help="per measurement (default 8)")
    parser.add_argument("--model", default="recommend_by_plot", help="the ensemble (default recommend_by_plot)")
    options = parser.parse_args()
    probes = [json.loads(line)["text"] for line in (ROOT / "catalogue" / "probes.jsonl").open()]
    server = hippocamp_server.Server(ROOT / "model_repository", "--exit-on-error=false")
    try:
        members = [
            step["model_name"]
            for step in get(server, f"models/{options.model}/config")["ensemble_scheduling"]["step"]
        ]
        print(bare_loop(options.model), "\n")
        print(f"| client | concurrency | requests/s | p50 / p99 ms | {' | '.join(f'{m}: compute (queue) µs' for m in members)} "
              "| steps around and between, µs | encoder's share | server CPU ms a request |")
        print("|" + "---|" * (7 + len(members)))
        for name, client in (("tritonclient HTTP", run_http), ("tritonclient gRPC", run_grpc)):
            for concurrency in CONCURRENCIES:
                client(server, options.model, probes, concurrency, 1.0)
                report(server, options.model, members, name, concurrency,
                       lambda: client(server, options.model, probes, concurrency, options.seconds))
        for protocol in ("http", "grpc"):
            for concurrency in CONCURRENCIES:
                report(server, options.model, members, f"perf_analyzer {protocol}", concurrency,
                       lambda: run_perf_analyzer(server, options.model, probes, protocol, concurrency, options.seconds))
    finally:
        server.stop()


def report(server, ensemble, members, name, concurrency, run) -> None:
    """One line of the table: what `run` gave, beside what the server's statistics counted meanwhile."""
    before, cpu = statistics_of(server), cpu_seconds(server.pid)
    rate, p50, p99 = run()
    time.sleep(0.2)
    after, cpu = statistics_of(server), cpu_seconds(server.pid) - cpu
    figures = {model: difference(before[model], after[model]) for model in [ensemble, *members]}
    whole = figures[ensemble]["success"]
    compute = {m: sum(figures[m][part] for part in ("compute_input", "compute_infer", "compute_output")) for m in members}
    queue = {m: figures[m]["queue"] for m in members}
    encoder = next(m for m in members if "encoder" in m)
    around = whole - compute[encoder] - queue[encoder]
    cells = " | ".join(f"{compute[m]:.0f} ({queue[m]:.0f})" for m in members)
    share = compute[encoder] / (whole - sum(queue.values()))
    print(f"| {name} | {concurrency} | {rate:.1f} | {p50:.1f} / {p99:.1f} | {cells} | {around:.0f} | {share:.3f} "
          f"| {cpu / max(figures[ensemble]['count'], 1) * 1e3:.2f} |", flush=True)


def bare_loop(ensemble: str) -> str:
    """Tokenizer and encoder in a loop without a server, one text at a time on one thread."""
    suffix = ensemble.removeprefix("recommend_by_plot")
    command = [hippocamp_server.binary().with_name("hippocamp-models"), "pace", f"--suffix={suffix}"]
    return subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout.strip()


def statistics_of(server) -> dict:
    """Cumulated nanoseconds and counts by model."""
    return {model["name"]: model["inference_stats"] for model in get(server, "models/stats")["model_stats"]}


def difference(before: dict, after: dict) -> dict:
    """Microseconds per successful request between two readings, and their count."""
    count = after["success"]["count"] - before["success"]["count"]
    parts = ("success", "queue", "compute_input", "compute_infer", "compute_output")
    result = {part: (after[part]["ns"] - before[part]["ns"]) / max(count, 1) / 1e3 for part in parts}
    return {**result, "count": count}


def run_http(server, model, probes, concurrency, seconds):
    """Asks over HTTP from threads of this process, a connection each."""
    def connect():
        client = tritonclient.http.InferenceServerClient(server.http)
        return lambda text: client.infer(model, inputs(tritonclient.http, text))
    return ask(connect, probes, concurrency, seconds)


def run_grpc(server, model, probes, concurrency, seconds):
    """Asks over gRPC from threads of this process."""
    def connect():
        client = tritonclient.grpc.InferenceServerClient(server.grpc)
        return lambda text: client.infer(model, inputs(tritonclient.grpc, text))
    return ask(connect, probes, concurrency, seconds)


def inputs(module, text):
    """PLOT and K of one request."""
    plot = module.InferInput("PLOT", [1, 1], "BYTES")
    plot.set_data_from_numpy(np.array([[text.encode()]], dtype=np.object_))
    k = module.InferInput("K", [1, 1], "INT32")
    k.set_data_from_numpy(np.array([[K]], dtype=np.int32))
    return [plot, k]


def ask(connect, probes, concurrency, seconds):
    """Requests per second, and median and 99th percentile of their time in ms."""
    times, lock = [], threading.Lock()
    end = time.monotonic() + seconds

    def work(first):
        infer, mine, number = connect(), [], first
        while time.monotonic() < end:
            start = time.perf_counter()
            infer(probes[number % len(probes)])
            mine.append((time.perf_counter() - start) * 1e3)
            number += concurrency
        with lock:
            times.extend(mine)

    with concurrent.futures.ThreadPoolExecutor(concurrency) as pool:
        list(pool.map(work, range(concurrency)))
    times.sort()
    return len(times) / seconds, statistics.median(times), times[len(times) * 99 // 100]


def run_perf_analyzer(server, model, probes, protocol, concurrency, seconds):
    """perf_analyzer over the same texts."""
    with tempfile.TemporaryDirectory() as scratch:
        data = pathlib.Path(scratch) / "data.json"
        data.write_text(json.dumps({"data": [{"PLOT": [text], "K": [K]} for text in probes]}))
        command = [
            perf_analyzer.binary(), "-m", model, "-i", protocol, "-u", getattr(server, protocol), "--input-data", data,
            "--concurrency-range", str(concurrency), "--measurement-interval", str(int(seconds * 1000 / 3)),
            "--stability-percentage", "50", "--percentile", "99",
        ]
        output = subprocess.run(command, env=perf_analyzer.environment(), capture_output=True, text=True, timeout=300)
    rate = re.search(r"Throughput: ([\d.]+) infer/sec", output.stdout)
    if not rate:
        raise SystemExit(f"perf_analyzer failed:\n{output.stdout}\n{output.stderr}")
    percentile = {p: float(us) / 1e3 for p, us in re.findall(r"p(\d+) latency: (\d+) usec", output.stdout)}
    return float(rate[1]), percentile["50"], percentile["99"]


def get(server, path):
    """A JSON answer of the server."""
    with urllib.request.urlopen(f"http://{server.http}/v2/{path}", timeout=10) as answer:
        return json.load(answer)


def cpu_seconds(pid: int) -> float:
    """CPU time of a process so far."""
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


if __name__ == "__main__":
    main()
