"""What the application costs over the bare ensemble: users who ask POST /predict, or the server itself, one question after
another, each on a connection of their own. Prints a table; needs a server and an application that run (`make run`), and psutil.

    python benches/app/predict.py --app 127.0.0.1:8080 --server 127.0.0.1:8000 --users 16 --seconds 20
"""

import argparse
import http.client
import json
import pathlib
import statistics
import threading
import time

import psutil

PROBES = pathlib.Path(__file__).resolve().parents[2] / "catalogue" / "probes.jsonl"
PARTS = ["score", "score_plot", "score_genres", "score_people", "score_year"]
WARM_UP_S = 2.0


def questions():
    """What people ask: the probes of the catalogue."""
    return [json.loads(line)["text"] for line in PROBES.read_text().splitlines()]


def to_app(plot, technique):
    return "/predict", {"plot": plot, "k": 10, "technique": technique}


def to_server(plot, technique):
    """The same question, with the outputs that the application asks for."""
    model = "recommend_by_plot" + ("_bow" if technique == "bow" else "")
    inputs = [
        {"name": "PLOT", "shape": [1, 1], "datatype": "BYTES", "data": [plot]},
        {"name": "K", "shape": [1, 1], "datatype": "INT32", "data": [10]},
    ]
    return f"/v2/models/{model}/infer", {"inputs": inputs, "outputs": [{"name": name} for name in ["id", *PARTS]]}


def process_of(address):
    """Who listens there."""
    port = int(address.rsplit(":", 1)[1])
    pids = {found.pid for found in psutil.net_connections("tcp") if found.status == "LISTEN" and found.laddr.port == port}
    return psutil.Process(pids.pop())


def cpu_s(process):
    times = process.cpu_times()
    return times.user + times.system


def measure(address, ask, technique, users, seconds, processes):
    """Latencies in milliseconds, requests a second, and processor milliseconds a request of each process."""
    asked = questions()
    latencies, failures = [[] for _ in range(users)], []
    begin = time.monotonic() + WARM_UP_S
    end = begin + seconds

    def user(number):
        connection = http.client.HTTPConnection(address, timeout=60)
        turn = number * 7
        while (started := time.monotonic()) < end:
            path, body = ask(asked[turn % len(asked)], technique)
            connection.request("POST", path, json.dumps(body), {"content-type": "application/json"})
            answer = connection.getresponse()
            text = answer.read()
            if answer.status != 200:
                failures.append(text[:200])
                return
            if started >= begin:
                latencies[number].append((time.monotonic() - started) * 1e3)
            turn += 1

    threads = [threading.Thread(target=user, args=(number,)) for number in range(users)]
    for thread in threads:
        thread.start()
    time.sleep(max(0.0, begin - time.monotonic()))
    before = [cpu_s(process) for process in processes]
    time.sleep(max(0.0, end - time.monotonic()))
    spent = [cpu_s(process) - was for process, was in zip(processes, before)]
    for thread in threads:
        thread.join()
    assert not failures, failures[0]
    times = sorted(time for own in latencies for time in own)
    cuts = statistics.quantiles(times, n=100)
    return cuts[49], cuts[98], len(times) / seconds, [cpu * 1e3 / len(times) for cpu in spent]


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--app", default="127.0.0.1:8080")
    arguments.add_argument("--server", default="127.0.0.1:8000")
    arguments.add_argument("--users", type=int, default=16)
    arguments.add_argument("--seconds", type=float, default=20)
    given = arguments.parse_args()
    server, app = process_of(given.server), process_of(given.app)
    print(f"{given.users} users, {given.seconds:g} s each, on {psutil.cpu_count()} cores with the load generator")
    print("| technique | asked | p50 ms | p99 ms | requests/s | server CPU ms/request | application CPU ms/request |")
    print("|---|---|---|---|---|---|---|")
    for technique in ("minilm", "bow"):
        for name, address, ask in (("ensemble", given.server, to_server), ("application", given.app, to_app)):
            p50, p99, rate, cpu = measure(address, ask, technique, given.users, given.seconds, [server, app])
            print(f"| {technique} | {name} | {p50:.1f} | {p99:.1f} | {rate:.0f} | {cpu[0]:.2f} | {cpu[1]:.2f} |", flush=True)


if __name__ == "__main__":
    main()
