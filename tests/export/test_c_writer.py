"""model.bin: the header's fields, each layout by hand, and every table read back to the bit."""

import dataclasses
import re
import struct
from pathlib import Path

import numpy as np
import pytest
from exports import make_graph, random_tables
from fixtures.make_golden import golden_bytes, golden_path

from recpress_edge.artifacts.bundle import SINGLE_USER
from recpress_edge.artifacts.fold_in import FoldIn, history_contract, quantize_history
from recpress_edge.artifacts.formats import FORMATS, check_recipe
from recpress_edge.artifacts.model_file import check_model_file
from recpress_edge.artifacts.quantize import quantize
from recpress_edge.artifacts.recipes import RECIPES
from recpress_edge.core.errors import ArtifactError, ConfigError
from recpress_edge.core.rng import stream
from recpress_edge.device.c import model_bin, tables
from recpress_edge.device.c.model_bin import BLOCK, HALF, Header, read_header
from recpress_edge.device.tables import read_tables
from recpress_export.c import layout, order
from recpress_export.c.writer import LAYOUT_KEY, ORDER_KEY, to_c
from recpress_export.graph import describe, describe_int8, with_history
from recpress_export.inspect import read_contents

HEADER = Path(model_bin.__file__).with_name("recpress.h").read_text()
SHAPES = [(5, 70, 9), (3, 64, 10), (4, 33, 12), (1, 1, 1), (2, 100, 2), (6, 31, 3)]


def written(recipe, shape=(5, 70, 9), **metadata):
    graph = make_graph(recipe, *random_tables(*shape), "c")
    return graph, to_c(graph, metadata)


def read_back(tmp_path, graph, data):
    path = tmp_path / "model.bin"
    path.write_bytes(data)
    check_model_file(path, "c")
    return read_tables(path, graph.contract)


def test_the_header_is_that_of_recpress_h():
    """Names and order of the fields, codes and sizes; the struct has no padding."""
    body = re.search(r"typedef struct \{(.*?)\} rp_header;", HEADER, re.DOTALL)[1]
    body = re.sub(r"/\*.*?\*/", "", body, flags=re.DOTALL)
    declared = re.findall(r"(\w+)\s+((?:\w+(?:\[\d+\])?(?:,\s*)?)+);", body)
    names = [re.sub(r"\[.*", "", n.strip()) for _, group in declared for n in group.split(",")]
    assert names == [field.name for field in dataclasses.fields(Header)]
    assert len(Header(recipe=0, profile=0, n_users=1, n_items=1, dim=1).to_bytes()) == 128
    codes = dict(re.findall(r"RP_(\w+) = (-?\d+)", HEADER))
    for known in (model_bin.RECIPES, model_bin.PROFILES, model_bin.ORDERS, model_bin.LAYOUTS):
        assert [int(codes[name.upper().replace("-", "_")]) for name in known] == list(range(len(known)))
    numbers = dict(re.findall(r"#define RP_(\w+) (\w+)", HEADER))
    assert int(numbers["VERSION"].rstrip("u")) == model_bin.VERSION
    assert int(numbers["BLOCK"].rstrip("u")) == BLOCK
    assert int(numbers["MAX_DIM"].rstrip("u")) == model_bin.MAX_DIM
    assert int(numbers["MAX_ITEMS"].rstrip("u"), 0) == model_bin.MAX_ITEMS
    assert int(codes["FITS_16"]) == model_bin.FITS_16
    assert int(codes["ORDER_ONLY"]) == model_bin.ORDER_ONLY


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("recipe", FORMATS["c"].recipes)
def test_tables_come_back_to_the_bit(recipe, shape, tmp_path):
    graph, data = written(recipe, shape)
    found = read_back(tmp_path, graph, data)
    users, items = random_tables(*shape)
    stored = quantize(RECIPES[recipe], users, items)
    wanted = {"user_emb": users, "item_emb": items} if stored is None else {
        "user_emb": stored.user_q, "item_emb": stored.item_q, "user_scale": stored.user_scale,
        **({} if stored.item_row_scale is None else {"item_scale": stored.item_row_scale}),
    }  # fmt: skip
    assert found.keys() == wanted.keys()
    for name, table in wanted.items():
        assert (found[name].dtype, found[name].shape) == (table.dtype, table.shape)
        assert found[name].tobytes() == table.tobytes()


@pytest.mark.parametrize("name", model_bin.ORDERS)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_tables_come_back_from_every_order(name, shape, tmp_path):
    graph, data = written("int8-dim", shape, **{ORDER_KEY: name})
    found = read_back(tmp_path, graph, data)
    assert found["item_emb"].tobytes() == graph.steps[1].table.tobytes()
    listed = read_contents(tmp_path / "model.bin")
    assert listed.metadata[ORDER_KEY] == name
    assert listed.metadata[LAYOUT_KEY] == "quads"
    assert to_c(graph, listed.metadata) == data


@pytest.mark.parametrize("recipe", ["fp32", "int8-dim", "int4-item"])
def test_history_tables_come_back(recipe, tmp_path):
    item_emb, history_emb = random_tables(40, 40, 5)
    contract = history_contract(make_graph(recipe, item_emb[:1], item_emb, "c").contract)
    fold_in = FoldIn(history_emb, item_emb[3], "", {})
    stored = quantize(RECIPES[recipe], item_emb[:1], item_emb, fold_in.rows)
    if stored is None:
        made = {"history_emb": history_emb, "prior": item_emb[3]}
        graph = describe(contract, item_emb[:1], item_emb)
    else:
        history = quantize_history(fold_in, stored)
        made = {"history_emb": history.history_q, "prior": history.prior_q, "step": np.asarray(history.step)}
        graph = describe_int8(contract, stored)
    found = read_back(tmp_path, graph, to_c(with_history(graph, made), {}))
    for name, table in made.items():
        assert found[name].tobytes() == table.tobytes()
    assert "user_emb" not in found


def test_a_single_user_has_one_row(tmp_path):
    graph = make_graph("int8-dim", *random_tables(1, 50, 4), "c")
    contract = dataclasses.replace(graph.contract, profile=SINGLE_USER, user_input="")
    found = read_back(tmp_path, graph, to_c(dataclasses.replace(graph, contract=contract), {}))
    assert found["user_emb"].shape == (1, 4)


def test_retired_items_are_listed(tmp_path):
    users, items = random_tables(2, 50, 4)
    contract = dataclasses.replace(make_graph("fp32", users, items, "c").contract, retired=(0, 7, 49))
    data = to_c(describe(contract, users, items), {})
    header = read_header(data)
    assert model_bin.words(data, header, "retired_at").tolist() == [0, 7, 49]


@pytest.mark.parametrize("recipe", FORMATS["c"].recipes)
def test_the_bytes_are_those_of_the_golden_file(recipe):
    assert golden_bytes(recipe, "c") == golden_path(recipe, "c").read_bytes()


# ---- Layouts, each by hand


def test_quads_and_their_tail():
    """Item i of dimension d holds 10 i + d: whole quads item after item, the tail as the page says."""
    items = (np.arange(32)[:, None] * 3 + np.arange(6)).astype(np.int8)
    block = layout.quad_blocks(items)[0]
    for i in range(32):
        assert block[4 * i : 4 * i + 4].tolist() == items[i, :4].tolist()
        at = 128 + 16 * (i // 8) + 4 * (i % 4) + 2 * ((i // 4) % 2)
        assert block[at : at + 2].tolist() == items[i, 4:].tolist()


def test_an_odd_dimension_gets_a_zero():
    items = np.full((1, 1), 5, np.int8)
    assert np.flatnonzero(layout.quad_blocks(items)).tolist() == [0]
    assert layout.quad_blocks(items).shape == (1, 64)


def test_two_dimensions_of_eight_items_lie_together():
    items = np.arange(96, dtype=np.int8).reshape(32, 3)
    block = layout.dim_blocks(items)[0]
    for i in range(32):
        for d in range(4):
            at = 64 * (d // 2) + 16 * (i // 8) + 8 * (d % 2) + i % 8
            assert block[at] == (items[i, d] if d < 3 else 0)


def test_nibbles_are_pairs_of_vectors():
    items = stream(0, "nibbles").integers(-7, 8, (32, 6)).astype(np.int8)
    quads = layout.quad_blocks(items)[0].astype(int) + 8
    packed = layout.nibble_blocks(items)[0]
    assert packed.size == 16 * 6
    for pair in range(6):
        low, high = quads[32 * pair : 32 * pair + 16], quads[32 * pair + 16 : 32 * pair + 32]
        assert packed[16 * pair : 16 * pair + 16].tolist() == (low | high << 4).tolist()


def test_padding_holds_level_zero():
    packed = layout.nibble_blocks(np.full((1, 1), -3, np.int8))[0]
    assert packed[0] == 5 | 8 << 4
    assert set(packed[1:].tolist()) == {8 | 8 << 4}


def test_scales_follow_the_block():
    graph, data = written("int8-item", (2, 40, 4))
    header = read_header(data)
    scale = graph.steps[2].scale
    second = header.items_at + header.block_bytes
    assert data[second - 64 : second] == scale[:32].tobytes()
    assert data[second + header.block_bytes - 64 :][:16] == scale[32:].tobytes()


def test_float_blocks_are_dimension_first():
    items = random_tables(1, 33, 3)[1]
    found = np.frombuffer(layout.float_blocks(items), np.float32).reshape(2, 3, 32)
    assert found[0].tolist() == items[:32].T.tolist()
    assert found[1, :, 0].tolist() == items[32].tolist()
    assert not found[1, :, 1:].any()


def test_length_bounds_are_rounded_up():
    items = np.zeros((64, 2), np.int8)
    items[3], items[40], items[50] = (3, 4), (1, 1), (0, 1)
    assert np.frombuffer(layout.length_bounds(items), np.uint16).tolist() == [5, 2]
    assert layout._root_up(0) == 0
    assert [layout._root_up(n) for n in (1, 2, 4, 5, 127 * 127)] == [1, 2, 2, 3, 127]


def test_boxes_hold_every_item_of_their_half():
    items = stream(0, "boxes").integers(-127, 128, (41, 5)).astype(np.int8)
    found = layout.boxes(items)
    assert found.shape == (4, 10)
    for half in range(3):
        rows = items[HALF * half : HALF * half + HALF]
        assert found[half].tolist() == [*rows.max(axis=0).tolist(), *rows.min(axis=0).tolist()]
    assert found[3].tolist() == [*items[-1].tolist()] * 2


# ---- Orders


def test_the_longest_come_first_and_equal_ones_by_index():
    items = np.array([[1, 0], [0, 3], [3, 0], [0, -4]], np.int8)
    assert order.item_places(items, model_bin.LENGTH).tolist() == [3, 1, 2, 0]


@pytest.mark.parametrize("count", [1, 16, 17, 40, 1000])
def test_neighbours_are_all_items_once(count):
    items = stream(0, "places").integers(-127, 128, (count, 4)).astype(np.int8)
    places = order.near_together(items)
    assert sorted(places.tolist()) == list(range(count))
    assert places.tolist() == order.near_together(items).tolist()


def test_neighbours_make_small_boxes():
    """Four clouds far apart, shuffled: no box spans two of them."""
    rng = stream(0, "clouds")
    centres = np.array([[-90, -90], [-90, 90], [90, -90], [90, 90]])
    cloud = rng.permutation(np.repeat(np.arange(4), 64))
    items = (centres[cloud] + rng.integers(-9, 10, (256, 2))).astype(np.int8)
    found = layout.boxes(items[order.near_together(items)]).astype(np.int64)
    assert (found[:, :2] - found[:, 2:]).max() <= 18


# ---- What is refused


def test_fp16_is_refused():
    with pytest.raises(ConfigError, match="format c cannot honour recipe fp16"):
        check_recipe(RECIPES["fp16"], "c")
    graph = make_graph("fp16", *random_tables(2, 9, 3), "c")
    with pytest.raises(ConfigError, match=r"does not read float16 \(recipe fp16\)"):
        to_c(graph, {})


def test_what_is_too_large_is_refused():
    with pytest.raises(ConfigError, match=r"dim 1,025, at most 1,024"):
        written("fp32", (1, 2, 1025))
    big = Header(recipe=0, profile=0, n_users=1, n_items=model_bin.MAX_ITEMS, dim=100)
    assert sum(model_bin.section_bytes(big).values()) > model_bin.MAX_BYTES


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"magic": b"RECPRESX"}, "does not start as"),
        ({"version": 2}, "version 2"),
        ({"file_bytes": 64}, "its header says 64"),
        ({"recipe": 4}, "recipe 4 is unknown"),
        ({"profile": 9}, "profile 9 is unknown"),
        ({"flags": 4}, "flags 4 are unknown"),
        ({"flags": 2}, "user_scale_at is"),
        ({"recipe": 0, "flags": 2}, "leave out users' scales"),
        ({"layout": 1}, "laid out by dimensions"),
        ({"recipe": 0, "flags": 1}, "scores of 16 bits"),
        ({"dim": 0}, "dim is 0"),
        ({"dim": 1025}, "dim is 1025"),
        ({"n_items": 0}, "n_items is 0"),
        ({"n_users": 0}, "n_users is 0"),
        ({"n_retired": 70}, "n_retired is 70"),
        ({"step": 1.0}, "step is 1.0"),
        ({"user_at": 100}, "user_at is 100"),
        ({"items_at": 2**31}, "items_at is"),
        ({"history_at": 128}, "without that section"),
        ({"reserved": (0,) * 7 + (1,)}, "reserved"),
    ],
    ids=str,
)
def test_damaged_headers_are_refused(change, says, tmp_path):
    _, data = written("int8-dim")
    header = dataclasses.replace(read_header(data), **change)
    path = tmp_path / "model.bin"
    path.write_bytes(header.to_bytes() + data[128:])
    with pytest.raises(ArtifactError, match=says):
        check_model_file(path, "c")


def test_an_order_that_is_none_is_refused(tmp_path):
    _, data = written("int8-dim", **{ORDER_KEY: "length"})
    at = read_header(data).item_of_at
    damaged = bytearray(data)
    damaged[at : at + 4] = damaged[at + 4 : at + 8]
    (tmp_path / "model.bin").write_bytes(damaged)
    with pytest.raises(ArtifactError, match="an item is missing or twice there"):
        check_model_file(tmp_path / "model.bin", "c")
    damaged[at : at + 4] = struct.pack("<I", 70)
    (tmp_path / "model.bin").write_bytes(damaged)
    with pytest.raises(ArtifactError, match="an item is missing or twice there"):
        check_model_file(tmp_path / "model.bin", "c")


def test_tables_of_another_contract_are_refused(tmp_path):
    graph, data = written("int8-dim")
    (tmp_path / "model.bin").write_bytes(data)
    with pytest.raises(ArtifactError, match="is not what its contract says"):
        read_tables(tmp_path / "model.bin", dataclasses.replace(graph.contract, dim=8))


def test_every_unpacking_undoes_its_packing():
    for dim in range(1, 14):
        items = stream(dim, "packing").integers(-7, 8, (BLOCK, dim)).astype(np.int8)
        even = layout.even_rows(items)
        for pack, unpack in (
            (layout.quad_blocks, tables.unpack_quads),
            (layout.dim_blocks, tables.unpack_dims),
        ):
            assert unpack(pack(items), even.shape[1]).tolist() == even.tolist()
        nibbles = tables.unpack_pairs(layout.nibble_blocks(items)).astype(np.int8) - 8
        assert tables.unpack_quads(nibbles.astype(np.int8), even.shape[1]).tolist() == even.tolist()
