"""Who made a film, taken from a text that says so: names after `directed by`, and in clauses that tell of the cast.

A stand-in for the directors and cast that the catalogue has and plain plot files lack. Encyclopaedic texts name them, others do not: a
film without names shares none.
"""

import re

import numpy as np

FIRST = r"[A-Z][\w'’.-]*"
NAME = re.compile(rf"\b{FIRST}(?:\s+(?:de|van|von|der|da|del|la|le|{FIRST}))*\s+[A-Z][\w'’-]+")
CREW = r"(?:,? (?:and |co-)*(?:written|produced|edited|scored|photographed))*"
DIRECTORS = re.compile(rf"directed{CREW} by ([^.;]*(?:\b[A-Z]\.[^.;]*)*)")
CAST = re.compile(r"\b(?:stars|starring|starred|features|featuring|cast (?:includes|of))\b([^.;]*(?:\b[A-Z]\.[^.;]*)*)", re.I)


def people(text: str) -> set[str]:
    """The names, as written."""
    clauses = [clause for pattern in (DIRECTORS, CAST) for clause in pattern.findall(text)]
    return {re.sub(r"\s+", " ", name) for clause in clauses for name in NAME.findall(clause)}


def jaccard(sets: list[set[str]]) -> np.ndarray:
    """FP32 [sets, sets]: what two share of what either has; 0 where neither has any."""
    place = {name: i for i, name in enumerate(sorted(set().union(*sets)))}
    has = np.zeros((len(sets), max(1, len(place))), np.float32)
    for line, names in zip(has, sets):
        line[[place[name] for name in names]] = 1
    return jaccard_of(has)


def jaccard_of(has: np.ndarray) -> np.ndarray:
    """The same for lines of zeros and ones."""
    both, count = has @ has.T, has.sum(1)
    return both / np.maximum(count[:, None] + count - both, 1)
