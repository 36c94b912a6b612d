#!/usr/bin/env python3
"""Reloads of an encoder and its index under load: no request fails, no answer mixes two generations, nothing piles up.

    .venv/bin/python tests/soak/reloads.py [--reloads N] [--suffix _bow] [--mode poll]

Each reload publishes the next generation (generations.py) and waits until an answer tells of it. Meanwhile 32 clients ask
`recommend_by_plot` over HTTP and gRPC and judge each answer (clients.py). After each block of reloads there is a time
without any that is as long, so that the times of answers with and without reloads come from one server and one mood of the
machine; what is asked while this process writes the next files counts apart. Memory is read at rest, before and after.

Modes: `poll`; `explicit`, where the ensemble is loaded by a call, with its members; `explicit-members`, where encoder and
index are first asked for one by one, which must be refused, since the ensemble would not load with one of them alone.
"""

import collections
import contextlib
import http.client
import pathlib
import re
import sys
import tempfile
import time

import process
import report
from clients import Clients
from generations import ENCODER, ENSEMBLE, INDEX, Generations
from hippocamp_server import Server

MODES = {"poll": (), "explicit": (ENSEMBLE,), "explicit-members": (ENCODER, INDEX, ENSEMBLE)}
# Memory is read after each of these times of nothing: the allocator keeps for ten seconds what is freed.
RESTS_S = (5.0, 15.0)
WARM_S = 3.0
SEEN_S = 60.0


# Options of the command line that `run` takes.
TAKEN = ("reloads", "minutes", "mode", "settle", "clients", "interval", "block")


def main() -> int:
    """Runs, prints, and writes."""
    parser = report.parser(__doc__)
    parser.add_argument("--reloads", type=int, default=1000, help="generations to publish")
    parser.add_argument("--minutes", type=float, default=120, help="publish no more after this long")
    parser.add_argument("--suffix", default="_bow", help="of the project's models to take: _bow, or '' for MiniLM")
    parser.add_argument("--mode", choices=MODES, default="poll", help="how the server hears of a generation")
    parser.add_argument("--settle", type=float, default=0.05, help="--repository-settle-secs of the server")
    parser.add_argument("--clients", type=int, default=32, help="clients at once")
    parser.add_argument("--interval", type=float, default=0.2, help="seconds between the requests of a client; 0: none")
    parser.add_argument("--block", type=int, default=20, help="reloads before a time without any")
    parser.add_argument("--one-space", action="store_true", help="all generations are of one embedding space")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="soak-") as scratch:
        generations = Generations(pathlib.Path(scratch), options.suffix, not options.one_space)
        result = run(generations, **{name: getattr(options, name) for name in TAKEN})
    return report.conclude({"soak": "reloads", "suffix": options.suffix, **result}, options)


def run(
    generations,
    reloads,
    minutes=120.0,
    mode="poll",
    settle=0.05,
    clients=32,
    interval=0.2,
    block=20,
    quiet=False,
    rests_s=RESTS_S,
    seen_s=SEEN_S,
):
    """The whole soak; what it found."""
    generations.add(1)
    flags = ["--model-control-mode=poll", f"--repository-settle-secs={settle}"]
    if mode != "poll":
        flags = ["--model-control-mode=explicit", f"--load-model={ENSEMBLE}"]
    server = Server(generations.repository, *flags)
    faults, calls, waits_s = [], {}, []
    # Seconds, and the server's CPU seconds, of each phase.
    spent = {"writing": [0.0, 0.0], "reloads": [0.0, 0.0], "quiet": [0.0, 0.0]}
    progress = report.Progress(reloads, quiet)
    try:
        asking = Clients(server, clients, interval)
        time.sleep(min(WARM_S, rests_s[-1]))
        asking.stop()
        before = at_rest(server.pid, rests_s)
        asking = Clients(server, clients, interval)
        began, generation = time.monotonic(), 1
        while generation <= reloads and not faults and time.monotonic() - began < 60 * minutes:
            took = 0.0
            for _ in range(min(block, reloads + 1 - generation)):
                generation += 1
                with counted(asking, "writing", spent, server.pid):
                    generations.stage(generation)
                with counted(asking, "reloads", spent, server.pid) as mark:
                    generations.publish(generation)
                    for model in MODES[mode]:
                        answer = f"{model}: {load(server, model)[:200]}"
                        calls[answer] = calls.get(answer, 0) + 1
                    seen = asking.wait_for(generation, seen_s)
                if not seen:
                    faults.append(f"no answer of generation {generation} within {seen_s:g} s; the newest is {asking.newest}")
                    break
                waits_s.append(time.monotonic() - mark)
                took += waits_s[-1]
                wrong = asking.mixed + asking.older + asking.other_films
                progress.tell(generation - 1, f"{asking.sent} requests, {asking.failures} failed, {wrong} wrong")
            with counted(asking, "quiet", spent, server.pid):
                time.sleep(took)
        asking.stop()
        after = at_rest(server.pid, rests_s)
        log = server.log()
    finally:
        status = server.stop()
    if status:
        faults.append(f"the server ended with status {status}")
    faults += asking.faults()
    return {
        "mode": mode,
        "reloads": len(waits_s),
        "seconds_to_first_answer": quantiles(waits_s, 3),
        "clients": clients,
        "sent": asking.sent,
        "failed": asking.failures,
        "wrong": {"mixed generations": asking.mixed, "older than known": asking.older, "other films": asking.other_films},
        "phases": {name: phase(asking.times_ms[name], *spent[name]) for name in spent},
        "memory_before": before,
        "memory_after": after,
        "load_calls": calls,
        "errors_in_log": errors(log),
        "faults": faults,
    }


@contextlib.contextmanager
def counted(asking: Clients, phase: str, spent: dict[str, list[float]], pid: int):
    """What is sent within belongs to the phase, and so do the seconds and the server's CPU time. Gives the time it began."""
    asking.phase = phase
    began, cpu_s = time.monotonic(), process.cpu_s(pid)
    yield began
    spent[phase][0] += time.monotonic() - began
    spent[phase][1] += process.cpu_s(pid) - cpu_s


def phase(times_ms: list[float], seconds: float, cpu_s: float) -> dict:
    """What answers took in one of the phases."""
    return {
        "seconds": round(seconds, 1),
        "answers": len(times_ms),
        "server_cpu_share": round(cpu_s / seconds, 3) if seconds else 0,
        "ms": quantiles(times_ms, 2),
    }


def errors(log: str) -> dict[str, int]:
    """Errors that the server logged, generations left out, with how often."""
    texts = re.findall(r"^E\d{4} \S+ (.*)", log, flags=re.M)
    return dict(collections.Counter(re.sub(r"[0-9a-f]{16}|\d+", "N", text) for text in texts).most_common(10))


def quantiles(values: list[float], digits: int) -> dict:
    """Median, 99th and 99.9th percentile, and the most."""
    named = {"p50": 0.5, "p99": 0.99, "p99.9": 0.999}
    return {**{name: round(process.percentile(values, share), digits) for name, share in named.items()},
            "max": round(max(values, default=0), digits)}


def at_rest(pid: int, rests_s: tuple[float, ...]) -> dict:
    """What the process has after each of these seconds of nothing."""
    found, began = {}, time.monotonic()
    for rest_s in rests_s:
        time.sleep(max(0.0, began + rest_s - time.monotonic()))
        found[f"after {rest_s:g} s"] = {
            "rss_kib": process.rss_kib(pid),
            "anonymous_kib": process.parts_kib(pid)["Anonymous"],
            "threads": process.threads(pid),
            "files": process.files(pid),
        }
    return found


def load(server, model: str) -> str:
    """One load call; "200", or what it said."""
    connection = http.client.HTTPConnection(server.http, timeout=SEEN_S)
    try:
        connection.request("POST", f"/v2/repository/models/{model}/load", "{}")
        answer = connection.getresponse()
        content = answer.read().decode(errors="replace")
        return str(answer.status) if answer.status == 200 else f"{answer.status} {content}"
    finally:
        connection.close()


if __name__ == "__main__":
    sys.exit(main())
