"""What a running process has: memory, threads, open files, CPU time. Read from /proc; used by every soak."""

import collections
import os
import pathlib
import re
import statistics

PAGE_KIB = os.sysconf("SC_PAGE_SIZE") // 1024
TICKS = os.sysconf("SC_CLK_TCK")
# Of all numbers of smaps_rollup, those that tell whose memory it is.
PARTS = ("Rss", "Pss_Anon", "Pss_File", "Private_Dirty", "Private_Clean", "Anonymous", "LazyFree")


def rss_kib(pid: int) -> int:
    """VmRSS, in KiB."""
    return int(re.search(r"^VmRSS:\s+(\d+)", _read(pid, "status"), flags=re.M)[1])


def parts_kib(pid: int) -> dict[str, int]:
    """The memory by kind, in KiB, from smaps_rollup: exact, unlike VmRSS, which the kernel counts lazily."""
    found = dict(re.findall(r"^(\w+):\s+(\d+) kB", _read(pid, "smaps_rollup"), flags=re.M))
    return {part: int(found[part]) for part in PARTS if part in found}


def largest_mappings_kib(pid: int, count: int = 8) -> list[tuple[str, int]]:
    """Names of mappings with their resident KiB, largest first; what has no name is `anonymous`."""
    resident = collections.Counter()
    name = ""
    for line in _read(pid, "smaps").splitlines():
        if header := re.match(r"[0-9a-f]+-[0-9a-f]+ \S+ \S+ \S+ \d+\s*(.*)", line):
            name = header[1] or "anonymous"
        elif line.startswith("Rss:"):
            resident[name] += int(line.split()[1])
    return resident.most_common(count)


def threads(pid: int) -> int:
    """How many threads it has."""
    return len(os.listdir(f"/proc/{pid}/task"))


def thread_names(pid: int) -> dict[str, int]:
    """How many threads of each name."""
    names = collections.Counter()
    for task in pathlib.Path(f"/proc/{pid}/task").iterdir():
        try:
            names[(task / "comm").read_text().strip()] += 1
        except OSError:
            continue  # it has just ended
    return dict(names)


def files(pid: int) -> int:
    """How many files and sockets it has open."""
    return len(os.listdir(f"/proc/{pid}/fd"))


def cpu_s(pid: int) -> float:
    """CPU time so far, user and system, in seconds."""
    fields = _read(pid, "stat").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def percentile(values: list[float], share: float) -> float:
    """The value below which `share` of them lie; 0 where there is none."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))] if ordered else 0.0


def slope(values: list[float]) -> float:
    """What a value grows by from one to the next, by least squares."""
    if len(values) < 2:
        return 0.0
    return statistics.linear_regression(range(len(values)), values).slope


def _read(pid: int, name: str) -> str:
    return pathlib.Path(f"/proc/{pid}/{name}").read_text()
