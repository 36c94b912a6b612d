#!/usr/bin/env python3
"""`kill -9` at random moments while generations are written: after each start the last whole one serves, never a torn one.

    .venv/bin/python tests/soak/kill9.py [--kills N] [--writing renamed|in-place|both] [--seed N]

A writer adds generations (generations.py) while the server polls the repository: `renamed`, whole at once, as one should;
or `in-place`, a file after the other in pieces with pauses, as `cp` over a slow network does. At a random moment the server
is killed and the writer stops where it is, as when a machine goes down. Then the server is started again over what lies
there. From its first answer on it must serve a whole generation, and before long the newest of which encoder and index are
whole: what was written only just before the start may wait until it has come to rest. Some kills come while it starts.
"""

import collections
import pathlib
import random
import sys
import tempfile
import time

import kills
import process
import report
from clients import Http
from generations import ENCODER, INDEX, Generations
from hippocamp_server import Server

FLAGS = (
    "--model-control-mode=poll",
    "--repository-settle-secs=0.1",
    # What cannot be loaded is to keep nothing else from serving.
    "--exit-on-error=false",
    "--strict-readiness=false",
)
# The server is killed so long after its writer began, at most.
KILL_WITHIN_S = 1.2
# One start in so many is killed, too, within so long.
KILLED_STARTS, START_WITHIN_S = 5, 0.3
# The newest whole generation serves so long after the start at the latest.
NEWEST_WITHIN_S = 60.0
PIECES = 8
PAUSE_S = 0.04


def main() -> int:
    """Runs, prints, and writes."""
    parser = report.parser(__doc__)
    parser.add_argument("--kills", type=int, default=200, help="how often the server is killed")
    parser.add_argument("--writing", choices=("renamed", "in-place", "both"), default="both", help="how generations come")
    parser.add_argument("--seed", type=int, default=1, help="of the moments")
    parser.add_argument("--suffix", default="_bow", help="of the project's models to take: _bow, or '' for MiniLM")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="soak-") as scratch:
        generations = Generations(pathlib.Path(scratch), options.suffix)
        result = run(generations, options.kills, options.writing, options.seed)
    return report.conclude({"soak": "kill9", "writing": options.writing, "seed": options.seed, **result}, options)


def run(generations, times, writing="both", seed=1, quiet=False):
    """The whole soak; what it found."""
    chance = random.Random(seed)
    generations.add(1)
    writer = Generator(generations, chance, writing)
    outcomes, faults, ready_ms, newest_s = collections.Counter(), [], [], []
    killed_starts = 0
    progress = report.Progress(times, quiet)
    for kill in range(1, times + 1):
        if kill % KILLED_STARTS == 0:
            killed_starts += 1
            kills.kill_while_it_starts(generations.repository, FLAGS, chance.uniform(0, START_WITHIN_S))
        expected, ahead = generations.newest_whole(), versions_ahead(generations)
        start = time.monotonic()
        server = Server(generations.repository, *FLAGS)
        try:
            ready_ms.append(1000 * (time.monotonic() - start))
            outcome, fault = judge(server, expected, newest_s)
            lies = sorted({state for _, _, state in ahead})
            outcomes[f"{outcome}; beside it lies: {', '.join(lies) or 'nothing'}"] += 1
            if fault and len(faults) < 10:
                faults.append(f"start {kill}, beside it {ahead}: {fault}; its log: {server.log()[-1500:]}")
            # Whoever wrote it takes it away, and begins anew.
            for model, version, _ in ahead:
                generations.remove(model, version)
            writer.start()
            time.sleep(chance.uniform(0, KILL_WITHIN_S))
        finally:
            server.kill()
            writer.cut()
        progress.tell(kill, ", ".join(f"{count} {name}" for name, count in outcomes.items()))
    return {
        "kills": times,
        "killed_while_starting": killed_starts,
        "generations_begun": writer.generation,
        "outcomes": dict(outcomes),
        "start_to_ready_ms": {"p50": round(process.percentile(ready_ms, 0.5), 1), "max": round(max(ready_ms), 1)},
        "ready_to_newest_s": {
            "p50": round(process.percentile(newest_s, 0.5), 3),
            "max": round(max(newest_s, default=0), 3),
        },
        "faults": faults,
    }


class Generator(kills.Writer):
    """Adds generation after generation to the directory."""

    def __init__(self, generations: Generations, chance: random.Random, writing: str):
        super().__init__()
        self.generation = 1
        self._generations, self._chance, self._writing = generations, chance, writing

    def write(self) -> None:
        """One generation, or the beginning of it; of those before it two stay."""
        self.generation += 1
        renamed = self._writing == "renamed" or (self._writing == "both" and self._chance.random() < 0.5)
        if renamed:
            self._rename()
        else:
            self._write_in_place()
        for model in (ENCODER, INDEX):
            whole = [v for v in self._generations.versions(model) if v < self.generation]
            for version in whole[:-2]:
                if not self._cut.is_set():
                    self._generations.remove(model, version)

    def _pause_s(self) -> float:
        return self._chance.uniform(0, 0.3)

    def _rename(self) -> None:
        self._generations.stage(self.generation)
        for model in (ENCODER, INDEX):
            # Cut off before the second, one model is ahead of the other.
            if self._cut.is_set():
                break
            self._generations.publish_one(model, self.generation)
        self._generations.unstage()

    def _write_in_place(self) -> None:
        for model in self._chance.sample((ENCODER, INDEX), 2):
            place = self._generations.repository / model / str(self.generation)
            if self._cut.is_set():
                return
            place.mkdir()
            for file in self._chance.sample(self._generations.files(model, self.generation), 2 if model == INDEX else 1):
                with (place / file.name).open("wb", buffering=0) as target:
                    ends = sorted(self._chance.sample(range(1, len(file.content)), PIECES - 1))
                    for start, end in zip([0, *ends], [*ends, len(file.content)], strict=True):
                        if self._cut.is_set():
                            return
                        target.write(file.content[start:end])
                        self._cut.wait(self._chance.uniform(0, PAUSE_S))


def versions_ahead(generations: Generations) -> list[tuple[str, int, str]]:
    """Versions that are newer than the newest whole generation: torn ones, and whole ones whose counterpart is missing."""
    newest = generations.newest_whole()
    return [
        (model, version, "one that is ahead" if generations.is_whole(model, version) else "a torn one")
        for model in (ENCODER, INDEX)
        for version in generations.versions(model)
        if version > newest
    ]


def judge(server: Server, expected: int, newest_s: list[float]) -> tuple[str, str]:
    """What serves after a start, and what is wrong with it; adds the seconds until it was the newest whole generation."""
    client, began, at_first = Http(server), time.monotonic(), ""
    try:
        while True:
            try:
                _, encoder, index = client.ask(0)
            except RuntimeError as error:
                return "nothing serves", f"generation {expected} is whole, but the answer is {error}"
            if index != {encoder}:
                return "MIXED", f"the encoder is of generation {encoder}, the index of {sorted(index)}, {expected} is whole"
            if encoder > expected:
                return "TORN", f"generation {encoder} serves, the newest whole one is {expected}"
            if encoder == expected:
                newest_s.append(time.monotonic() - began)
                return f"{at_first}the newest whole generation serves", ""
            at_first = "an older generation serves at first, then "
            if time.monotonic() - began > NEWEST_WITHIN_S:
                return "an older generation serves", f"generation {encoder} serves, {expected} is whole"
            time.sleep(0.02)
    finally:
        client.close()


if __name__ == "__main__":
    sys.exit(main())
