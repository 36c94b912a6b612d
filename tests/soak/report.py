"""What the soaks have in common on the command line: a line of progress, a result file, where the server is."""

import argparse
import datetime
import json
import os
import pathlib
import platform
import re
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
for directory in ("tests/python", "benches/triton"):
    if str(ROOT / directory) not in sys.path:
        sys.path.append(str(ROOT / directory))


def parser(description: str) -> argparse.ArgumentParser:
    """A command line that shows its defaults and takes --result."""
    made = argparse.ArgumentParser(
        description=description.splitlines()[0], formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    made.add_argument("--result", type=pathlib.Path, help="file to write the result into, as JSON")
    return made


class Progress:
    """One line on standard error that is written over; where that is no terminal, a line now and then."""

    def __init__(self, total: int, quiet: bool = False, every_s: float = 10.0):
        self._total, self._quiet, self._began = total, quiet, time.monotonic()
        self._live = sys.stderr.isatty()
        self._every_s = 0.2 if self._live else every_s
        self._told = 0.0

    def tell(self, done: int, text: str) -> None:
        """`done` of the total, and how it goes."""
        now = time.monotonic()
        if self._quiet or (now - self._told < self._every_s and done < self._total):
            return
        self._told = now
        line = f"{done}/{self._total} after {now - self._began:.0f} s: {text}"
        print(f"\r\033[K{line}" if self._live else line, end="" if self._live else "\n", file=sys.stderr, flush=True)
        if self._live and done >= self._total:
            print(file=sys.stderr)


def conclude(result: dict, options: argparse.Namespace) -> int:
    """Prints the result, writes it where the command line says, and gives the exit status: its `faults`, if any."""
    result = {**result, "machine": machine(), "date": f"{datetime.datetime.now(datetime.UTC):%Y-%m-%d %H:%M} UTC"}
    text = json.dumps(result, indent=1)
    print(text)
    if options.result:
        options.result.parent.mkdir(parents=True, exist_ok=True)
        options.result.write_text(text + "\n")
    return 1 if result.get("faults") else 0


def machine() -> str:
    """This machine in words."""
    found = re.search(r"^model name\s*: (.*)$", pathlib.Path("/proc/cpuinfo").read_text(), flags=re.M)
    return f"{found[1] if found else platform.machine()}, {len(os.sched_getaffinity(0))} cores"
