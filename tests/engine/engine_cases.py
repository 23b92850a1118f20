"""Questions to the C engine, numpy's answers, and the comparison of both."""

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from engine_models import Kind, Tables, kinds, packed, random_tables
from numpy.typing import NDArray

from recpress_edge.artifacts.integers import rounded_rows
from recpress_edge.core.arrays import F32, I64
from recpress_edge.core.rng import stream
from recpress_edge.device.c import model_bin as mb
from recpress_edge.device.reference import best_unseen

QUESTIONS: Final = 6
"""To each model."""


@dataclass(frozen=True, slots=True)
class Question:
    """seen: uint32, in any order, repeated or not."""

    user: int
    k: int
    seen: NDArray[np.uint32]


@dataclass(frozen=True, slots=True)
class Expected:
    """items (n,), scores (n,), best first."""

    items: I64
    scores: F32


@dataclass(frozen=True, slots=True)
class Case:
    """A model, what it is asked and what it must answer."""

    words: str
    """The model in words, for a finding."""
    model: bytes
    questions: tuple[Question, ...]
    answers: tuple[Expected, ...]


def cases(seed: int, numbers: Sequence[int], only: Kind | None = None) -> Iterator[Case]:
    """The cases of these numbers: every kind in turn, or one; each is the same on every machine."""
    known = kinds()
    for number in numbers:
        kind = only or known[number % len(known)]
        rng = stream(seed, "engine", number)
        tables = random_tables(rng, kind)
        questions = tuple(_question(rng, kind, tables) for _ in range(QUESTIONS))
        answers = tuple(expected(kind, tables, question) for question in questions)
        shape = f"{len(tables.items)} items, dim {tables.items.shape[1]}, {len(tables.retired)} retired"
        yield Case(f"case {number} of seed {seed}: {kind}, {shape}", packed(kind, tables), questions, answers)


def _question(rng: np.random.Generator, kind: Kind, tables: Tables) -> Question:
    n_items = len(tables.items)
    k = min(n_items, int(rng.choice([1, 2, 5, 10, 50, 100, max(1, n_items // 4), n_items])))
    count = int(rng.choice([0, 1, 2, 20, n_items // 2, n_items - 3, n_items - 1, n_items]))
    seen = rng.permutation(n_items)[: max(0, min(n_items, count))]
    if len(seen) and rng.random() < 0.3:
        seen = rng.permutation(np.concatenate([seen, seen[:3], seen[:1]]))
    elif rng.random() < 0.3:  # what a person sees is often close together
        seen = np.sort(seen)[: len(seen) // 2]
    user = int(rng.integers(len(tables.users))) if kind.profile == mb.ALL_USERS else 0
    if tables.history is None and rng.random() < 0.4:  # people have seen what suits them
        scores = tables.items.astype(np.float32) @ tables.users[user].astype(np.float32)
        liked = np.argsort(-scores, kind="stable")[: max(0, min(n_items, count))]
        seen = liked[rng.random(len(liked)) < rng.choice([0.5, 0.9, 1.0])]
    return Question(user, k, seen.astype(np.uint32))


def expected(kind: Kind, tables: Tables, question: Question) -> Expected:
    """As numpy answers: exact sums, one rounding for each scale."""
    row, scale = _row(kind, tables, question)
    scores: NDArray[Any]
    if kind.recipe == mb.FP32:
        scores = tables.items @ row.astype(np.float32)
    elif tables.items.dtype == np.float64:  # exact as well, and faster
        scores = tables.items @ row.astype(np.float64)
    else:
        scores = tables.items.astype(np.int64) @ row.astype(np.int64)
    if tables.item_scale is not None:
        scores = scores.astype(np.float32) * tables.item_scale.astype(np.float32)
    seen = question.seen.astype(np.int64)
    left = len(scores) - len(np.union1d(seen, tables.retired))
    if not left:
        return Expected(np.zeros(0, np.int64), np.zeros(0, np.float32))
    items = best_unseen(scores, seen, tables.retired, min(question.k, left))
    return Expected(items, scores[items].astype(np.float32) * scale)


def _row(kind: Kind, tables: Tables, question: Question) -> tuple[NDArray[Any], np.float32]:
    if tables.history is None or tables.prior is None:
        scale = tables.user_scale[question.user] if _scaled(kind) else np.float32(1)
        return tables.users[question.user], scale
    wide = np.float32 if kind.recipe == mb.FP32 else np.int64
    if tables.ages is None:
        sums = tables.prior.astype(wide) + tables.history[np.unique(question.seen)].sum(axis=0, dtype=wide)
    else:
        read = question.seen[::-1][: len(tables.ages)]
        aged = tables.history[read].astype(wide) * tables.ages[: len(read)].astype(wide)
        unit = 1 if kind.recipe == mb.FP32 else 127
        sums = tables.prior.astype(wide) * unit + aged.sum(axis=0, dtype=wide)
    if kind.recipe == mb.FP32:
        return sums, np.float32(1)
    rows, peaks = rounded_rows(sums[None])
    return rows[0], np.float32(peaks[0]) * np.float32(tables.step)


def to_program(asked: Sequence[Case]) -> bytes:
    """What drive.c reads."""
    parts = [struct.pack("<I", len(asked))]
    for case in asked:
        parts += [struct.pack("<I", len(case.model)), case.model, struct.pack("<I", len(case.questions))]
        for one in case.questions:
            parts += [struct.pack("<3I", one.user, one.k, len(one.seen)), one.seen.astype("<u4").tobytes()]
    return b"".join(parts)


def findings(asked: Sequence[Case], said: bytes) -> list[str]:
    """What a program answered otherwise than numpy, in words; empty where all is equal."""
    found: list[str] = []
    at = 0
    for case in asked:
        for question, wanted in zip(case.questions, case.answers, strict=True):
            if at + 4 > len(said):
                return [*found, f"{case.words}: no answer"]
            (count,) = struct.unpack_from("<i", said, at)
            n = max(count, 0)
            items = np.frombuffer(said[at + 4 : at + 4 + 4 * n], "<u4")
            scores = np.frombuffer(said[at + 4 + 4 * n : at + 4 + 8 * n], "<f4")
            at += 4 + 8 * n
            if not np.array_equal(items, wanted.items) or not np.array_equal(scores, wanted.scores):
                asks = f"user {question.user}, k {question.k}, {len(question.seen)} seen"
                found.append(f"{case.words}, {asks}: answered {count}, expected {len(wanted.items)} items")
    return found if at == len(said) else [*found, "more answers than questions"]


def _scaled(kind: Kind) -> bool:
    return kind.recipe != mb.FP32 and not kind.flags & mb.ORDER_ONLY
