"""Models that random ones hardly ever are, each against one mistake of a wrong engine."""

import numpy as np
from engine_cases import Case, Question, expected
from engine_models import Kind, Tables, packed
from numpy.typing import NDArray

from recpress_edge.core.rng import stream
from recpress_edge.device.c import model_bin as mb


def special() -> list[Case]:
    """All of them."""
    orders = (mb.CATALOGUE, mb.LENGTH, mb.NEIGHBOURS)
    return [
        long_history(),
        behind_a_seen_item(),
        nearly_nothing(),
        *(outlier(order, retired) for order in orders for retired in (False, True)),
        *(below_zero(order) for order in orders),
        rounded_lengths(),
        all_alike(),
    ]


def long_history() -> Case:
    """So many seen items that 254 times their sum leaves 32 bits."""
    kind, n_items = Kind(mb.INT8_DIM, mb.HISTORY, dim=3), 140_000
    history = np.full((n_items, 3), 127, np.int8)
    history[:, 1:] = (-100, 31)
    tables = Tables(
        items=stream(0, "long history").integers(-127, 128, (n_items, 3)).astype(np.int8),
        users=np.zeros((0, 3), np.int8),
        user_scale=np.zeros(0, np.float32),
        item_scale=None,
        history=history,
        prior=np.ones(3, np.int8),
        step=0.01,
        retired=np.arange(0, 100, 7),
    )
    return _case("a long history", kind, tables, Question(0, 100, np.arange(1000, n_items, dtype=np.uint32)))


def behind_a_seen_item() -> Case:
    """By length: the one block that beats the bound of the rest does so by a seen item alone.

    Its next item reaches a threshold below that bound, and an item of the rest is better.
    """
    items = np.zeros((512, 2), np.int8)
    items[:, 1] = np.where(np.arange(512) < 256, 100, 90)
    items[0], items[1], items[300] = (100, 0), (83, 55), (85, 29)
    tables = _one_user(items, np.array([127, 0], np.int8))
    kind = Kind(mb.INT8_DIM, order=mb.LENGTH, dim=2)
    return _case("behind a seen item", kind, tables, Question(0, 1, np.zeros(1, np.uint32)))


def nearly_nothing() -> Case:
    """Floats whose products are too small: zeros of both signs, which are one score."""
    items = np.where(np.arange(70) % 3, -1e-30, 1e-30).astype(np.float32)[:, None]
    tables = _one_user(items, np.full(1, 1e-30, np.float32))
    return _case(
        "nearly nothing", Kind(mb.FP32, dim=1), tables, Question(0, 40, np.arange(5, 9, dtype=np.uint32))
    )


def outlier(order: int, retired: bool) -> Case:
    """One item far above all others, and it is excluded: a threshold that counts it leaves none."""
    items = stream(0, "outlier").integers(-2, 3, (1000, 4)).astype(np.int8)
    items[500] = 127
    excluded = np.array([500])
    tables = _one_user(items, np.full(4, 127, np.int8), excluded if retired else excluded[:0])
    seen = excluded[:0] if retired else excluded
    kind = Kind(mb.INT8_DIM, order=order, dim=4)
    return _case("an excluded outlier", kind, tables, Question(0, 1, seen.astype(np.uint32)))


def below_zero(order: int) -> Case:
    """Every score is below that of the zeros that fill up the last block."""
    tables = _one_user(np.full((641, 1), -100, np.int8), np.full(1, 127, np.int8))
    return _case(
        "below zero", Kind(mb.INT8_DIM, order=order, dim=1), tables, Question(0, 1, np.zeros(0, np.uint32))
    )


def rounded_lengths() -> Case:
    """A row and items of length sqrt 3: bounds of lengths that are rounded down miss the better half."""
    items = np.ones((512, 3), np.int8)
    items[256:] = (3, 0, 0)
    tables = _one_user(items, np.ones(3, np.int8))
    kind = Kind(mb.INT8_DIM, order=mb.LENGTH, dim=3)
    return _case("rounded lengths", kind, tables, Question(0, 1, np.zeros(0, np.uint32)))


def all_alike() -> Case:
    """Every box is as promising as every other: more of them than are scored first."""
    tables = _one_user(np.full((6400, 2), 7, np.int8), np.array([3, -1], np.int8))
    kind = Kind(mb.INT8_DIM, order=mb.NEIGHBOURS, dim=2)
    return _case("all alike", kind, tables, Question(0, 50, np.arange(0, 90, 3, dtype=np.uint32)))


def _one_user(
    items: NDArray[np.int8] | NDArray[np.float32],
    row: NDArray[np.int8] | NDArray[np.float32],
    retired: NDArray[np.int64] | None = None,
) -> Tables:
    return Tables(
        items=items,
        users=row[None],
        user_scale=np.ones(1, np.float32),
        item_scale=None,
        history=None,
        prior=None,
        step=0.0,
        retired=np.zeros(0, np.int64) if retired is None else retired,
    )


def _case(words: str, kind: Kind, tables: Tables, question: Question) -> Case:
    return Case(f"{words}: {kind}", packed(kind, tables), (question,), (expected(kind, tables, question),))
