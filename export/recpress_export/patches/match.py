"""How a file is made from another: what it has of it, where, and what is new.

Files of ours are tables, rows of numbers of fixed length, and lists of ids. What a catalogue's change leaves
alone stays in long runs, at other places: behind an item's row, or once a dimension where a table lies
transposed. So runs of WINDOW bytes are looked up at every place of the new file; each is followed as long as
more bytes agree than differ, as bsdiff does (Percival, "Naive differences of executable code", 2003).
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from recpress_edge.artifacts.patch.index import ADD, COPY, STORE, Operations
from recpress_edge.core.arrays import I64, U8

WINDOW: Final = 32
"""Bytes that must agree for a run to be found."""
STEP: Final = 8
"""Every so many bytes of the old file a window starts that can be found."""
LOST: Final = 64
"""So many more bytes that differ than agree end a run."""
EXACT: Final = 1024
"""Bytes of an exact copy that are worth an operation of their own."""
_BLOCK: Final = 2**20
_FACTOR: Final = np.uint64(0x9E3779B97F4A7C15)
U64 = NDArray[np.uint64]


@dataclass(frozen=True, slots=True)
class MatchedRun:
    """Bytes of the new file that are near to some of the old one."""

    start: int
    length: int
    offset: int
    """Into the old file."""


def in_place(old: U8, new: U8) -> list[MatchedRun]:
    """One run: the file lies over the old one, as tables do that were trained again."""
    length = min(old.size, new.size)
    return [MatchedRun(0, length, 0)] if length else []


def found_runs(old: U8, new: U8) -> list[MatchedRun]:
    """Runs in the order of the new file, none over another."""
    if min(old.size, new.size) < WINDOW:
        return []
    known, places = _known(old)
    runs: list[MatchedRun] = []
    cursor, shift = 0, 0
    for start in range(0, new.size - WINDOW + 1, _BLOCK):
        hashes = _hashes(new[start : start + _BLOCK + WINDOW - 1])
        left = np.searchsorted(known, hashes)
        there = np.flatnonzero(known[np.minimum(left, known.size - 1)] == hashes)
        while (at := int(np.searchsorted(there, cursor - start))) < there.size:
            place = start + int(there[at])
            offset = _nearest(known, places, int(left[there[at]]), place + shift)
            run = _followed(old, new, place, offset, cursor)
            if run is None:
                there = there[at + 1 :]
                continue
            runs.append(run)
            cursor, shift = run.start + run.length, run.offset - run.start
    return runs


def operations(runs: list[MatchedRun], old: U8, new: U8) -> tuple[Operations, bytes]:
    """The runs as operations, with the bytes that they need; what no run holds is stored."""
    rows: list[tuple[int, int, int]] = []
    data: list[bytes] = []
    cursor = 0
    for run in [*runs, MatchedRun(new.size, 0, 0)]:
        if run.start > cursor:
            rows.append((STORE, run.start - cursor, 0))
            data.append(new[cursor : run.start].tobytes())
        differ = new[run.start : run.start + run.length] - old[run.offset : run.offset + run.length]
        for kind, first, last in _pieces(differ):
            rows.append((kind, last - first, run.offset + first))
            if kind == ADD:
                data.append(differ[first:last].tobytes())
        cursor = run.start + run.length
    columns = np.array(rows, np.int64).reshape(-1, 3)
    made = Operations(columns[:, 0].astype(np.uint8), columns[:, 1].copy(), columns[:, 2].copy())
    return made, b"".join(data)


def _pieces(differ: U8) -> list[tuple[int, int, int]]:
    """Kind, start and end: long stretches of zeros are copies, the rest is added."""
    if not differ.size:
        return []
    marks = np.flatnonzero(differ)
    edges = np.concatenate([[-1], marks, [differ.size]])
    wide = np.flatnonzero(np.diff(edges) > EXACT)
    found, cursor = [], 0
    for gap in wide.tolist():
        first, last = int(edges[gap]) + 1, int(edges[gap + 1])
        if first > cursor:
            found.append((ADD, cursor, first))
        found.append((COPY, first, last))
        cursor = last
    if cursor < differ.size:
        found.append((ADD, cursor, differ.size))
    return found


def _hashes(data: U8) -> U64:
    """Of each window: Σ byte · factor^(WINDOW − 1 − place) modulo 2^64, by doubling: (n − WINDOW + 1,)."""
    found, length, power = data.astype(np.uint64), 1, _FACTOR
    with np.errstate(over="ignore"):
        while length < WINDOW:
            found = found[:-length] * power + found[length:]
            length, power = 2 * length, power * power
    return found


def _known(old: U8) -> tuple[U64, I64]:
    """Hashes of the old file's windows in order, and where each is; equal ones by their place."""
    parts = [
        _hashes(old[start : start + _BLOCK + WINDOW - 1])[::STEP]
        for start in range(0, old.size - WINDOW + 1, _BLOCK)
    ]
    hashes = np.concatenate(parts)
    order = np.argsort(hashes, kind="stable")
    return hashes[order], order.astype(np.int64) * STEP


def _nearest(known: U64, places: I64, left: int, wanted: int) -> int:
    """Of the windows with one hash, the place that is nearest to the wanted one."""
    right = int(np.searchsorted(known, known[left], side="right"))
    at = left + int(np.searchsorted(places[left:right], wanted))
    around = [int(places[n]) for n in (at - 1, at) if left <= n < right]
    return min(around, key=lambda place: abs(place - wanted))


def _followed(old: U8, new: U8, place: int, offset: int, least: int) -> MatchedRun | None:
    """The run through a window, to both sides; None where the window is another with the same hash."""
    if not np.array_equal(old[offset : offset + WINDOW], new[place : place + WINDOW]):
        return None
    back = _equal_before(old[:offset], new[least:place])
    start, offset = place - back, offset - back
    most = min(new.size - start, old.size - offset)
    return MatchedRun(start, _near_length(old[offset : offset + most], new[start : start + most]), offset)


def _equal_before(old: U8, new: U8) -> int:
    """How many bytes agree, counted from both ends."""
    most, found = min(old.size, new.size), 0
    while found < most:
        size = min(4096, most - found)
        one = old[old.size - found - size : old.size - found][::-1]
        differ = np.flatnonzero(one != new[new.size - found - size : new.size - found][::-1])
        if differ.size:
            return found + int(differ[0])
        found += size
    return found


def _near_length(old: U8, new: U8) -> int:
    """How far to follow: to where bytes that agree lead by most, until they fell LOST behind that."""
    score = best = length = at = 0
    while at < old.size:
        size = min(2**16, old.size - at)
        equal = old[at : at + size] == new[at : at + size]
        scores = score + np.cumsum(np.where(equal, 1, -1))
        peaks = np.maximum.accumulate(np.maximum(scores, best))
        lost = np.flatnonzero(scores < peaks - LOST)
        end = int(lost[0]) if lost.size else size
        if end:
            top = int(np.argmax(scores[:end]))
            if scores[top] > best:
                best, length = int(scores[top]), at + top + 1
        if lost.size:
            break
        score, at = int(scores[-1]), at + size
    return length
