"""The table of docs/protocol.md, and the probes that hold its rows: each function that is marked `works`, `differs` or
`not_offered` with the names of rows is called once per row, with the bench and the name, and fails if what it sees is not what
the row says. Used by test_protocol_table.py."""

import re
from typing import Callable, NamedTuple

from hippocamp_server import ROOT

PAGE = ROOT / "docs" / "protocol.md"
STATES = ("works", "differs", "no effect", "not offered")


class Row(NamedTuple):
    """A line of the table."""

    name: str
    state: str
    note: str


class Probe(NamedTuple):
    """What holds a row."""

    state: str
    check: Callable


PROBES: dict[str, Probe] = {}


def rows() -> list[Row]:
    """Every row of every table of the page with three columns, the middle one a state."""
    found = []
    for line in PAGE.read_text().splitlines():
        cells = [cell.strip().replace("\\|", "|") for cell in re.split(r"(?<!\\)\|", line.strip())[1:-1]]
        if len(cells) == 3 and cells[0] not in ("what", "flag", "---"):
            found.append(Row(*cells))
    return found


def _mark(state: str, names: tuple[str, ...]):
    def add(check):
        for name in names:
            assert name not in PROBES, f"two probes for {name!r}"
            PROBES[name] = Probe(state, check)
        return check

    return add


def works(*names: str):
    """The row does what Triton's documentation says."""
    return _mark("works", names)


def differs(*names: str):
    """The row does what its note says, where Triton does something else."""
    return _mark("differs", names)


def no_effect(*names: str):
    """The row is taken, with a warning, and does nothing."""
    return _mark("no effect", names)


def not_offered(*names: str):
    """The row is refused, as its note says."""
    return _mark("not offered", names)
