"""Graph to model.bin: the C engine's file, the same bytes every time.

The file has no room for what other formats say about themselves beside their tables (student, data set,
versions): bundle.json says it. Order and layout of the items are metadata that the header itself holds.
"""

import dataclasses
from collections.abc import Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from recpress_edge.artifacts.contract import Contract
from recpress_edge.artifacts.integers import unpack_int4
from recpress_edge.artifacts.recipes import recipe_named
from recpress_edge.core.arrays import F32, I64
from recpress_edge.core.errors import ConfigError
from recpress_edge.device.c import model_bin
from recpress_edge.device.c.model_bin import Header
from recpress_edge.device.cores import BY_DIMS
from recpress_export import graph as steps
from recpress_export.c import layout
from recpress_export.c.order import item_places
from recpress_export.exactness import check_scores
from recpress_export.graph import Graph, Step
from recpress_export.profiles import check_recipe_profile

ORDER_KEY: Final = "recpress.order"
LAYOUT_KEY: Final = "recpress.layout"
"""Metadata that say how items are stored; without them in the catalogue's order, as quads."""
_ONE_FILE_BYTES: Final = model_bin.MAX_BYTES


def to_c(graph: Graph, metadata: Mapping[str, str]) -> bytes:
    """The file's bytes. They depend on the graph, and on the order and the layout that the metadata name.

    ConfigError: the graph is a network, has numbers that the engine does not know, or is too large for it.
    """
    tables: dict[str, Any] = {}
    for step in graph.steps:
        tables |= _tables(step)
    header = _header(graph, tables, metadata)
    _check_size(header)
    sections = _sections(header, tables)
    sizes = model_bin.section_bytes(header)
    assert {name: len(data) for name, data in sections.items()} == {n: s for n, s in sizes.items() if s}
    out = bytearray(model_bin.HEADER_BYTES)
    places: dict[str, Any] = {}
    for name, data in sections.items():
        out += bytes(-len(out) % model_bin.ALIGNMENT)
        places[name] = len(out)
        out += data
    if len(out) > _ONE_FILE_BYTES:
        raise _too_large(f"{len(out):,} bytes", f"{_ONE_FILE_BYTES:,}")
    header = dataclasses.replace(header, file_bytes=len(out), **places)
    out[: model_bin.HEADER_BYTES] = header.to_bytes()
    return bytes(out)


def _tables(step: Step) -> dict[str, Any]:
    """What a step adds to the file."""
    match step:
        case steps.LookUp(table):
            return {"users": table}
        case steps.FoldHistory(history_emb, prior, weights):
            ages = (
                {} if weights is None else {"ages": weights[-2::-1]}
            )  # the newest first, without the prior's
            return {"history": history_emb, "prior": prior} | ages
        case steps.FoldTanh():
            raise ConfigError("model.bin holds no tanh of a history. Write --format onnx or tflite.")
        case steps.ScoreAll(table):
            return {"items": table}
        case steps.ScorePacked(table, dim):
            return {"items": unpack_int4(table, dim), "nibbles": True}
        case steps.ScaleItems(scale):
            return {"item_scale": scale}
        case steps.ScaleScores(scale):
            return {"user_scale": scale}
        case steps.KeepScores():
            return {"order_only": True}
        case steps.ScaleByPeak(factor):
            return {"step": float(factor)}
        case steps.ExcludeSeen(_, retired):
            return {"retired": retired}
        case steps.SelectTop():
            return {}
    raise ConfigError("the C engine multiplies tables: a network is not one. Write --format onnx.")


def _header(graph: Graph, tables: Mapping[str, Any], metadata: Mapping[str, str]) -> Header:
    contract, items = graph.contract, tables["items"]
    if items.dtype not in (np.float32, np.int8):
        raise ConfigError(
            f"the C engine does not read {items.dtype} (recipe {contract.recipe}): it would widen "
            "every value in every request. Choose --recipe fp32 or int8-dim, or --format onnx."
        )
    fp32 = items.dtype == np.float32
    scaled = model_bin.INT4_ITEM if "nibbles" in tables else model_bin.INT8_ITEM
    integers = scaled if "item_scale" in tables else model_bin.INT8_DIM
    usual = model_bin.LAYOUTS[model_bin.DIMS if graph.arrangement == BY_DIMS else model_bin.QUADS]
    return Header(
        recipe=model_bin.FP32 if fp32 else integers,
        profile=model_bin.PROFILES.index(contract.profile),
        order=model_bin.ORDERS.index(metadata.get(ORDER_KEY, model_bin.ORDERS[0])),
        layout=model_bin.LAYOUTS.index(metadata.get(LAYOUT_KEY, usual)),
        flags=_flags(contract, tables),
        n_users=len(tables["users"]) if "users" in tables else 0,
        n_items=len(items),
        dim=items.shape[1],
        n_retired=len(tables["retired"]),
        step=tables.get("step", 0.0),
        history_length=len(tables.get("ages", ())),
    )


def _flags(contract: Contract, tables: Mapping[str, Any]) -> int:
    """That scores order alone, and that they fit 16 bits where the recipe says it: else a GateError."""
    recipe, order_only = recipe_named(contract.recipe), "order_only" in tables
    flags = model_bin.ORDER_ONLY if order_only else 0
    if not recipe.bounds_scores:
        return flags
    check_recipe_profile(recipe, contract.profile)
    check_scores(tables["users"], tables["items"])
    return flags | model_bin.FITS_16


def _check_size(header: Header) -> None:
    for what, found, most in (
        ("dim", header.dim, model_bin.MAX_DIM),
        ("items", header.n_items, model_bin.MAX_ITEMS),
        ("history length", header.history_length, model_bin.MAX_HISTORY),
        ("bytes", sum(model_bin.section_bytes(header).values()), _ONE_FILE_BYTES),
    ):
        if found > most:
            raise _too_large(f"{what} {found:,}", f"{most:,}")


def _too_large(found: str, most: str) -> ConfigError:
    return ConfigError(
        f"the model is too large for the C engine's file: {found}, at most {most}. "
        "Write ONNX (--format onnx), or a student of lower dim."
    )


def _sections(header: Header, tables: Mapping[str, Any]) -> dict[str, bytes]:
    """The sections that such a file has, in the order of the header's fields."""
    places = item_places(tables["items"], header.order)
    found: dict[str, bytes] = {}
    if "users" in tables:
        found["user_at"] = _number_bytes(tables["users"])
    if "user_scale" in tables:
        found["user_scale_at"] = _number_bytes(tables["user_scale"])
    found["items_at"] = _items(header, tables, places)
    found |= _bounds(header, tables["items"][places])
    if header.order != model_bin.CATALOGUE:
        found["item_of_at"] = places.astype("<u4").tobytes()
    if header.n_retired:
        found["retired_at"] = np.array(tables["retired"], "<u4").tobytes()
    if "history" in tables:
        found["history_at"] = _number_bytes(tables["history"])
        found["prior_at"] = _number_bytes(tables["prior"])
    if "ages" in tables:
        found["ages_at"] = _number_bytes(tables["ages"])
    return found


def _number_bytes(table: NDArray[Any] | F32) -> bytes:
    return table.astype("<f4" if table.dtype == np.float32 else np.int8).tobytes()


def _items(header: Header, tables: Mapping[str, Any], places: I64) -> bytes:
    items = tables["items"][places]
    if header.recipe == model_bin.FP32:
        return layout.float_blocks(items)
    if header.recipe == model_bin.INT4_ITEM:
        blocks = layout.nibble_blocks(items)
    else:
        pack = layout.dim_blocks if header.layout == model_bin.DIMS else layout.quad_blocks
        blocks = pack(items).view(np.uint8)
    if "item_scale" in tables:
        blocks = np.hstack([blocks, layout.scale_blocks(tables["item_scale"][places])])
    return blocks.tobytes()


def _bounds(header: Header, items: NDArray[np.int8]) -> dict[str, bytes]:
    """items (I, D): as they are stored."""
    if header.order == model_bin.LENGTH:
        return {"bounds_at": layout.length_bounds(items)}
    if header.order == model_bin.NEIGHBOURS:
        return {"bounds_at": layout.quad_blocks(layout.boxes(items)).tobytes()}
    return {}
