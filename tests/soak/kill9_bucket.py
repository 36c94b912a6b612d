#!/usr/bin/env python3
"""`kill -9` at random moments while a server fetches generations from a bucket: its cache is whole after each, whatever came.

    .venv/bin/python tests/soak/kill9_bucket.py [--kills N] [--seed N]

As kill9.py, with a real S3 server in the place of the directory. A writer uploads generations (generations.py), the manifest
last, so that a generation is there or is not. At a random moment the server is killed, and the writer stops where it is.
Every file that the cache has taken in must then be what its name says (its SHA-256), and the next server must serve the
generation of the manifest from its first answer on.
"""

import collections
import hashlib
import pathlib
import random
import subprocess
import sys
import tempfile
import time

import kills
import process
import report
from buckets import BUCKET, S3
from clients import Http
from generations import ENCODER, INDEX, Generations
from hippocamp_server import Server, binary

PREFIX = "models"
MANIFEST = "hippocamp-manifest.json"
FLAGS = (
    "--model-control-mode=poll",
    "--repository-poll-secs=1",
    "--repository-settle-secs=0.1",
    "--exit-on-error=false",
    "--strict-readiness=false",
)
KILL_WITHIN_S = 3.0
# One start in so many begins with an empty cache, and one in so many is killed.
COLD_STARTS, KILLED_STARTS, START_WITHIN_S = 7, 3, 0.6


def main() -> int:
    """Runs, prints, and writes."""
    parser = report.parser(__doc__)
    parser.add_argument("--kills", type=int, default=50, help="how often the server is killed")
    parser.add_argument("--seed", type=int, default=1, help="of the moments")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="soak-") as scratch:
        result = run(pathlib.Path(scratch), options.kills, options.seed)
    return report.conclude({"soak": "kill9_bucket", "seed": options.seed, **result}, options)


def run(scratch, times, seed=1, quiet=False):
    """The whole soak; what it found."""
    chance = random.Random(seed)
    store = S3()
    outcomes, faults, ready_ms, files, killed_starts = collections.Counter(), [], [], 0, 0
    progress = report.Progress(times, quiet)
    try:
        bucket = Uploader(store, Generations(scratch))
        bucket.write()
        url = f"s3://http://{store.address[0]}:{store.address[1]}/{BUCKET}/{PREFIX}"
        number = 0
        for kill in range(1, times + 1):
            if kill % COLD_STARTS == 1:
                number += 1
            cache = scratch / f"cache-{number}"
            flags = [f"--model-cache-directory={cache}", *FLAGS]
            if kill % KILLED_STARTS == 0 or kill % COLD_STARTS == 1:
                killed_starts += 1
                kills.kill_while_it_starts(url, flags, chance.uniform(0, START_WITHIN_S), store.environment)
                more, torn = look_through(cache)
                files += more
                faults += torn
            start = time.monotonic()
            server = Server(url, *flags, environment=store.environment)
            try:
                ready_ms.append(1000 * (time.monotonic() - start))
                outcome = judge(server, bucket.published)
                outcomes[outcome] += 1
                if outcome != SERVES:
                    faults.append(f"start {kill}: {outcome}; its log: {server.log()[-1500:]}")
                bucket.start()
                time.sleep(chance.uniform(0, KILL_WITHIN_S))
            finally:
                server.kill()
                bucket.cut()
            more, torn = look_through(cache)
            files += more
            faults += torn
            progress.tell(kill, ", ".join(f"{count} {name}" for name, count in outcomes.items()))
    finally:
        store.stop()
    return {
        "kills": times,
        "killed_while_starting": killed_starts,
        "generations_published": bucket.published,
        "outcomes": dict(outcomes),
        "files_of_caches_held_against_their_names": files,
        "start_to_ready_ms": {"p50": round(process.percentile(ready_ms, 0.5), 1), "max": round(max(ready_ms), 1)},
        "faults": faults[:10],
    }


SERVES = "the generation of the manifest serves"


def judge(server: Server, expected: int) -> str:
    """What serves at the first answer."""
    client = Http(server)
    try:
        _, encoder, index = client.ask(0)
    except RuntimeError as error:
        return f"nothing serves: {error}"
    finally:
        client.close()
    return SERVES if (encoder, index) == (expected, {expected}) else f"encoder {encoder}, index {index}, manifest {expected}"


def look_through(cache: pathlib.Path) -> tuple[int, list[str]]:
    """How many files of the cache were held against the SHA-256 that is their name, and those that are another's."""
    files = [path for path in cache.glob("blobs/**/*") if path.is_file()]
    return len(files), [
        f"{path.relative_to(cache)} is not what its name says"
        for path in files
        if hashlib.sha256(path.read_bytes()).hexdigest() != path.name
    ]


class Uploader(kills.Writer):
    """Uploads generation after generation, each into a directory of its own, the manifest last."""

    def __init__(self, store: S3, generations: Generations):
        super().__init__()
        self.published = 0
        self._store, self._generations = store, generations
        self._next = 1

    def write(self) -> None:
        """One generation, or the beginning of it."""
        generation, self._next = self._next, self._next + 1
        self._generations.add(generation)
        for model in (ENCODER, INDEX):
            for version in self._generations.versions(model):
                if version < generation:
                    self._generations.remove(model, version)
        prefix, repository = f"generation-{generation}", self._generations.repository
        for path in sorted(repository.rglob("*")):
            if self._cut.is_set():
                return
            if path.is_file():
                self._store.put(f"{PREFIX}/{prefix}/{path.relative_to(repository)}", path.read_bytes())
        manifest = subprocess.run(
            [binary(), "manifest", repository, "--prefix", prefix], check=True, capture_output=True, timeout=60
        ).stdout
        if self._cut.is_set():
            return
        self._store.put(f"{PREFIX}/{MANIFEST}", manifest)
        self.published = generation
        self._forget(generation)

    def _forget(self, generation: int) -> None:
        """Deletes what the manifests before the last one named."""
        listed = self._store.client.list_objects_v2(Bucket=BUCKET, Prefix=f"{PREFIX}/generation-").get("Contents", [])
        for name in (found["Key"] for found in listed):
            if int(name.split("/")[1].removeprefix("generation-")) < generation - 1:
                self._store.client.delete_object(Bucket=BUCKET, Key=name)

    def _pause_s(self) -> float:
        return 0.3


if __name__ == "__main__":
    sys.exit(main())
