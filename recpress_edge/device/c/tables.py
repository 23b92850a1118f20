"""The tables in a model.bin, as they were before the writer laid them out."""

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from recpress_edge.artifacts.contract import Contract
from recpress_edge.artifacts.integers import INT4_ZERO_POINT
from recpress_edge.core.arrays import I8
from recpress_edge.device.c import model_bin
from recpress_edge.device.c.model_bin import BLOCK, Header
from recpress_edge.device.tables import Tables, oldest_first

_VECTOR: Final = 16
"""Bytes of a vector register."""


def tables_of_c(data: bytes, contract: Contract) -> Tables:
    """The tables of a file to the bit; ValueError where it is damaged or not what the contract says."""
    model_bin.check_c(memoryview(data))
    header = model_bin.read_header(data)
    found = (header.recipe_name, header.n_items, header.dim, header.n_users, header.history_length)
    wanted = (contract.recipe, contract.n_items, contract.dim, contract.n_users, contract.history_length)
    if found != wanted:
        raise ValueError(f"it holds {found}, which is not what its contract says")
    if model_bin.words(data, header, "retired_at").tolist() != list(contract.retired):
        raise ValueError("it retires other items than its contract says")
    blocks = _section(data, header, "items_at", np.dtype(np.uint8)).reshape(header.n_blocks, -1)
    places = _items(header, blocks)[: header.n_items]
    tables: dict[str, NDArray[Any]] = {"item_emb": places}
    if header.order != model_bin.CATALOGUE:
        order = np.asarray(model_bin.words(data, header, "item_of_at"), np.int64)
        tables["item_emb"] = np.empty_like(places)
        tables["item_emb"][order] = places
    if header.recipe in (model_bin.INT8_ITEM, model_bin.INT4_ITEM):
        scales = np.ascontiguousarray(blocks[:, -model_bin.SCALE_BYTES :])
        tables["item_scale"] = scales.view("<f2").reshape(-1)[: header.n_items]
    return tables | _rows(data, header)


def _rows(data: bytes, header: Header) -> dict[str, NDArray[Any]]:
    """Users, or what users' rows are made of."""
    number = np.dtype("<f4") if header.recipe == model_bin.FP32 else np.dtype(np.int8)
    if header.profile == model_bin.HISTORY:
        table = _section(data, header, "history_at", number).reshape(-1, header.dim)
        found = {"history_emb": table, "prior": _section(data, header, "prior_at", number)}
        if header.recipe != model_bin.FP32:
            found["step"] = np.asarray(header.step, np.float32)
        return found | _ages(data, header, number)
    found = {"user_emb": _section(data, header, "user_at", number).reshape(-1, header.dim)}
    if header.has_scales:
        found["user_scale"] = _section(data, header, "user_scale_at", np.dtype("<f4"))
    return found


def _ages(data: bytes, header: Header, number: np.dtype[Any]) -> dict[str, NDArray[Any]]:
    """The weights by age, oldest first, and behind them the prior's: stored newest first, without it."""
    if not header.history_length:
        return {}
    by_age = _section(data, header, "ages_at", number).reshape(-1, header.dim)
    return {"age_weights": oldest_first(by_age)}


def _section(data: bytes, header: Header, name: str, number: np.dtype[Any]) -> NDArray[Any]:
    count = model_bin.section_bytes(header)[name] // number.itemsize
    return np.frombuffer(data, number, count, getattr(header, name))


def _items(header: Header, blocks: NDArray[np.uint8]) -> NDArray[Any]:
    """Blocks (n, bytes) -> the items place after place (32 n, D)."""
    if header.recipe == model_bin.FP32:
        floats = blocks.view("<f4").reshape(-1, header.dim, BLOCK)
        return np.ascontiguousarray(floats.swapaxes(1, 2)).reshape(-1, header.dim)
    values = blocks[:, : header.block_bytes]
    if header.recipe in (model_bin.INT8_ITEM, model_bin.INT4_ITEM):
        values = values[:, : -model_bin.SCALE_BYTES]
    if header.recipe == model_bin.INT4_ITEM:
        levels = unpack_pairs(values).astype(np.int8) - np.int8(INT4_ZERO_POINT)
    else:
        levels = np.ascontiguousarray(values).view(np.int8)
    unpack = unpack_dims if header.layout == model_bin.DIMS else unpack_quads
    return np.ascontiguousarray(unpack(levels, header.even_dim)[:, : header.dim])


def unpack_dims(blocks: I8, dim: int) -> I8:
    """Two dimensions of eight items after the other (n, 32 D) -> (32 n, D); D is even."""
    pairs = blocks.reshape(-1, dim // 2, BLOCK // 8, 2, 8)  # block, pair, eight, dimension, item
    return pairs.transpose(0, 2, 4, 1, 3).reshape(-1, dim)


def unpack_quads(blocks: I8, dim: int) -> I8:
    """Four dimensions of an item together (n, 32 D) -> (32 n, D); D is even."""
    whole = dim - dim % 4
    quads = blocks[:, : BLOCK * whole].reshape(len(blocks), whole // 4, BLOCK, 4)
    parts = [quads.swapaxes(1, 2).reshape(len(blocks) * BLOCK, whole)]
    if dim % 4:  # of eight items, first those with an even half: item 4 h + j at byte 4 j + 2 h
        tail = blocks[:, BLOCK * whole :].reshape(-1, BLOCK // 8, 4, 2, 2)
        parts.append(tail.swapaxes(2, 3).reshape(-1, 2))
    return np.hstack(parts)


def unpack_pairs(packed: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Two vectors of 16 values in 16 bytes, the first in the low halves: (n, bytes) -> (n, 2 bytes)."""
    vectors = packed.reshape(len(packed), -1, 1, _VECTOR)
    return np.concatenate([vectors & 15, vectors >> 4], axis=2).reshape(len(packed), -1)
