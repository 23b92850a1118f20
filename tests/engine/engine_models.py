"""Random models for the C engine: tables that are hard on it, packed by the exporter's own functions."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from recpress_edge.core.arrays import F16, F32, I64
from recpress_edge.device.c import model_bin as mb
from recpress_edge.device.c.model_bin import Header
from recpress_export.c import layout
from recpress_export.c.order import item_places

DIMS: Final = (*range(1, 11), 12, 13, 16, 20, 22, 31, 32, 34, 64, 66, 100, 127, 128, 200, 512, 1000, 1024)
WIDE: Final = 100
"""From this dimension on, catalogues are small: the cost of a case is bounded."""
SIZES: Final = (1, 2, 5, 15, 16, 17, 31, 32, 33, 64, 65, 100, 257, 500, 1000, 1100, 2500, 5000)
MOST_ITEMS: Final = 300
N_USERS: Final = 4
TOP_16: Final = 2**15 - 1
"""The largest score of a model that fits 16 bits."""


@dataclass(frozen=True, slots=True)
class Kind:
    """What a header says beside sizes; what an engine may be compiled for."""

    recipe: int
    profile: int = mb.ALL_USERS
    order: int = mb.CATALOGUE
    layout: int = mb.QUADS
    flags: int = 0
    dim: int | None = None
    """None: any."""

    @property
    def defines(self) -> list[str]:
        """Flags of an engine for such models alone; ``dim`` must be known."""
        return [
            f"-DRP_{field.name.upper()}={getattr(self, field.name)}" for field in dataclasses.fields(self)
        ]


def kinds() -> list[Kind]:
    """Every combination that a file may have."""
    known = [Kind(recipe, profile) for recipe in range(4) for profile in range(3)]
    known += [
        Kind(mb.INT8_DIM, profile, order) for profile in range(3) for order in (mb.LENGTH, mb.NEIGHBOURS)
    ]
    fits = [(order, mb.QUADS) for order in range(3)] + [(mb.CATALOGUE, mb.DIMS)]
    for profile in (mb.ALL_USERS, mb.SINGLE_USER):
        known += [Kind(mb.INT8_DIM, profile, order, how, mb.FITS_16) for order, how in fits]
    known += [Kind(recipe, flags=mb.ORDER_ONLY) for recipe in (mb.INT8_DIM, mb.INT8_ITEM, mb.INT4_ITEM)]
    known += [Kind(mb.INT8_DIM, order=mb.LENGTH, flags=mb.ORDER_ONLY | mb.FITS_16)]
    return known


@dataclass(frozen=True, slots=True)
class Tables:
    """What a model.bin is made of. users (U, D), items (I, D), history (I, D), prior (D,)."""

    items: NDArray[Any]
    users: NDArray[Any]
    user_scale: F32
    item_scale: F16 | None
    history: NDArray[Any] | None
    prior: NDArray[Any] | None
    step: float
    retired: I64
    ages: NDArray[Any] | None = None
    """(N, D), the newest first."""


def random_tables(rng: np.random.Generator, kind: Kind) -> Tables:
    """Ties, repeated rows, extreme rows, rows of zeros, clusters, lengths of all sizes, retired items."""
    dim = kind.dim or int(rng.choice(DIMS))
    n_items = int(rng.choice(SIZES))
    if dim >= WIDE:
        n_items = min(n_items, MOST_ITEMS)
    n_users = (N_USERS, 1, 0)[kind.profile]
    items: NDArray[Any]
    users: NDArray[Any]
    if kind.recipe == mb.FP32:
        items, users = _floats(rng, n_items, dim), _floats(rng, N_USERS, dim)
    else:
        top = 7 if kind.recipe == mb.INT4_ITEM else 127
        items, users = _integers(rng, n_items, dim, top), _integers(rng, N_USERS, dim, 127)
        if rng.random() < 0.4:
            items[0], users[0] = top * _signs(rng, dim), 127 * _signs(rng, dim)
    if kind.order == mb.LENGTH and rng.random() < 0.5:
        items = np.trunc(items * rng.random((n_items, 1)) ** rng.choice([0.2, 1, 3])).astype(np.int8)
    users = _some_rows(rng, users)[: max(n_users, 1)]
    if kind.flags & mb.FITS_16:
        items, users = _fitting(rng, items, users)
    scaled = kind.recipe in (mb.INT8_ITEM, mb.INT4_ITEM)
    sizes = rng.choice([0.25, 0.5, 1.0, 1.5, 6e-5, 1e-6, 60000.0], n_items)
    history = _like(rng, items) if kind.profile == mb.HISTORY else None
    retired = np.sort(rng.permutation(n_items)[: _few(rng, n_items)])
    prior = None if history is None else _like(rng, items[:1])[0] * int(rng.integers(2))
    return Tables(
        items=items,
        users=users[:n_users],
        user_scale=(rng.random(0 if kind.flags & mb.ORDER_ONLY else n_users) + 0.1).astype(np.float32),
        item_scale=sizes.astype(np.float16) if scaled else None,
        history=history,
        prior=prior,
        step=0.01 if history is not None and kind.recipe != mb.FP32 else 0.0,
        retired=retired,
        ages=None if history is None or rng.random() < 0.5 else _ages(rng, history),
    )


def _ages(rng: np.random.Generator, history: NDArray[Any]) -> NDArray[Any]:
    """Weights of as many last items as a case happens to read; floats of which every product is exact."""
    shape = int(rng.choice([1, 2, 7, 30, 400])), history.shape[1]
    if history.dtype == np.float32:
        return rng.choice([0, 0.25, 0.5, 1], shape).astype(np.float32)
    return rng.integers(-127 if rng.random() < 0.2 else 0, 128, shape).astype(np.int8)


def _integers(rng: np.random.Generator, n: int, dim: int, top: int) -> NDArray[np.int8]:
    size = top if rng.random() < 0.5 else int(rng.integers(1, min(top, 5) + 1))
    rows = rng.integers(-size, size + 1, (n, dim))
    match int(rng.integers(6)):
        case 0:  # ties: few rows, many times
            rows = rows[rng.integers(0, max(1, n // 7), n)]
        case 1:  # all below zero, so that what fills up would win
            rows = -np.abs(rows)
        case 2:  # lengths of all sizes
            rows = np.trunc(rows * (rng.random((n, 1)) ** 4))
        case 3:  # clusters, one after the other
            rows = np.trunc(np.sort(rows[:, :1], axis=0) * _signs(rng, dim) * 0.8 + rows * 0.2)
    return rows.astype(np.int8)


def _floats(rng: np.random.Generator, n: int, dim: int) -> F32:
    """Small whole numbers, of which every sum is exact: any order of adding gives the same."""
    rows = _integers(rng, n, dim, 3).astype(np.float32) * np.float32(rng.choice([1.0, 0.25, 1024.0]))
    rows[rng.random((n, dim)) < 0.1] = -0.0
    return rows


def _signs(rng: np.random.Generator, dim: int) -> NDArray[np.int64]:
    return rng.choice([-1, 1], dim) if rng.random() < 0.5 else np.ones(dim, np.int64)


def _some_rows(rng: np.random.Generator, users: NDArray[Any]) -> NDArray[Any]:
    """Users of which one may be all zeros, and one have no value below zero."""
    if rng.random() < 0.3:
        users[-1] = 0
    if rng.random() < 0.3:
        users[0] = np.abs(users[0])
    return users


def _like(rng: np.random.Generator, items: NDArray[Any]) -> NDArray[Any]:
    if items.dtype == np.float32:
        return _floats(rng, len(items), items.shape[1])
    return _integers(rng, len(items), items.shape[1], 127)


def _few(rng: np.random.Generator, n_items: int) -> int:
    return min(n_items - 1, int(rng.choice([0, 0, 0, 1, 3, n_items // 2, n_items - 1])))


def _fitting(
    rng: np.random.Generator, items: NDArray[Any], users: NDArray[Any]
) -> tuple[NDArray[Any], NDArray[Any]]:
    """Rows whose every score fits 16 bits; sometimes one that is the largest that does, or the lowest."""
    if items.shape[1] > 3 and rng.random() < 0.5:
        sign = int(rng.choice([-1, 1]))
        users[0], items[len(items) // 2, :4] = 0, (127 * sign, 127 * sign, 4 * sign, sign)
        users[0, :4] = (127, 127, 127, 1)
    users = users.astype(np.int64)
    while (most := np.abs(users @ items.T.astype(np.int64)).max(axis=1)).max() > TOP_16:
        users[most > TOP_16] = np.trunc(users[most > TOP_16] * 0.7).astype(np.int64)
    return items, users.astype(np.int8)


def packed(kind: Kind, tables: Tables) -> bytes:
    """The model.bin, made of the exporter's own parts."""
    header = Header(
        recipe=kind.recipe,
        profile=kind.profile,
        order=kind.order,
        layout=kind.layout,
        flags=kind.flags,
        n_users=len(tables.users),
        n_items=len(tables.items),
        dim=tables.items.shape[1],
        n_retired=len(tables.retired),
        step=float(np.float32(tables.step)),
        history_length=0 if tables.ages is None else len(tables.ages),
    )
    out = bytearray(mb.HEADER_BYTES)
    at: dict[str, Any] = {}
    for name, data in _sections(kind, tables).items():
        if not data:
            continue
        out += bytes(-len(out) % mb.ALIGNMENT)
        at[name] = len(out)
        out += data
    header = dataclasses.replace(header, file_bytes=len(out), **at)
    out[: mb.HEADER_BYTES] = header.to_bytes()
    mb.check_c(memoryview(out))
    return bytes(out)


def _sections(kind: Kind, tables: Tables) -> Mapping[str, bytes]:
    integers = kind.recipe != mb.FP32
    places = item_places(tables.items, kind.order) if integers else np.arange(len(tables.items))
    items = tables.items[places]
    bounds = {mb.LENGTH: layout.length_bounds, mb.NEIGHBOURS: _boxes}.get(kind.order)
    known = tables.history is None
    return {
        "user_at": tables.users.tobytes(),
        "user_scale_at": tables.user_scale.tobytes() if integers and known else b"",
        "items_at": _blocks(kind, items, tables.item_scale),
        "bounds_at": bounds(items) if bounds else b"",
        "item_of_at": places.astype("<u4").tobytes() if bounds else b"",
        "retired_at": tables.retired.astype("<u4").tobytes(),
        "history_at": b"" if tables.history is None else tables.history.tobytes(),
        "prior_at": b"" if tables.prior is None else tables.prior.tobytes(),
        "ages_at": b"" if tables.ages is None else tables.ages.tobytes(),
    }


def _boxes(items: NDArray[np.int8]) -> bytes:
    return layout.quad_blocks(layout.boxes(items)).tobytes()


def _blocks(kind: Kind, items: NDArray[Any], scale: F16 | None) -> bytes:
    if kind.recipe == mb.FP32:
        return layout.float_blocks(items)
    pack = layout.dim_blocks if kind.layout == mb.DIMS else layout.quad_blocks
    blocks = layout.nibble_blocks(items) if kind.recipe == mb.INT4_ITEM else pack(items).view(np.uint8)
    return (blocks if scale is None else np.hstack([blocks, layout.scale_blocks(scale)])).tobytes()
