"""What a model.bin says of its numbers and its engine believes: a load that verifies finds out a lie."""

import dataclasses
import subprocess

import numpy as np
import pytest
from exports import exported, make_graph, random_tables

from recpress_edge import Recommender
from recpress_edge.artifacts.manifest import write_manifest
from recpress_edge.artifacts.score16 import MOST, largest_scores
from recpress_edge.core.errors import ArtifactError
from recpress_edge.device.c import compiler, light, source
from recpress_edge.device.c.model_bin import DIMS, FITS_16, LAYOUTS, LENGTH, NEIGHBOURS, ORDERS, read_header
from recpress_edge.device.c.runtime import CRuntime
from recpress_edge.device.verify import verify_bundle
from recpress_export.c.layout import dim_blocks, quad_blocks
from recpress_export.c.writer import LAYOUT_KEY, ORDER_KEY, to_c

SHAPES = [(6, 70, 9), (3, 33, 12), (5, 600, 10), (3, 1, 1), (4, 64, 2), (2, 40, 3)]
FORMS = [{}, {LAYOUT_KEY: LAYOUTS[DIMS]}, {ORDER_KEY: ORDERS[LENGTH]}, {ORDER_KEY: ORDERS[NEIGHBOURS]}]


def written(folder, shape, form, recipe="score16"):
    graph = make_graph(recipe, *random_tables(*shape), "c")
    path = folder / "model.bin"
    path.write_bytes(to_c(graph, form))
    return path, graph.contract


def audited(path, contract):
    CRuntime(path, contract).audit()


@pytest.mark.parametrize("form", FORMS, ids=lambda form: "-".join(form.values()) or "plain")
@pytest.mark.parametrize("shape", SHAPES)
def test_what_the_exporter_writes_is_as_it_says(shape, form, tmp_path):
    audited(*written(tmp_path, shape, form))


def forged(folder, user_q, item_q, layout):
    """A file of score16 with these tables, whatever their scores: (U, D), (I, D)"""
    path, contract = written(folder, (len(user_q), *item_q.shape), {LAYOUT_KEY: layout, ORDER_KEY: ORDERS[0]})
    data = bytearray(path.read_bytes())
    header = read_header(data)
    blocks = (dim_blocks if layout == LAYOUTS[DIMS] else quad_blocks)(item_q).tobytes()
    data[header.items_at : header.items_at + len(blocks)] = blocks
    data[header.user_at : header.user_at + user_q.size] = user_q.tobytes()
    path.write_bytes(data)
    return path, contract


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize(("user", "item"), [(0, 0), (4, 69), (2, 33)])
def test_one_score_beyond_16_bits_is_found(user, item, sign, layout, tmp_path):
    users, items = np.zeros((5, 6), np.int8), np.zeros((70, 6), np.int8)
    users[user, 1:4], items[item, 1:4] = (127, 127, 4), (sign * 127, sign * 127, sign * 127)
    items[5] = users[3] = 20
    users[user, 3], items[item, 3] = 4, sign * 127
    assert largest_scores(users, items).max() == 32766
    audited(*forged(tmp_path, users, items, layout))
    users[user, 4], items[item, 4] = 1, sign * 1
    assert largest_scores(users, items).max() == MOST
    audited(*forged(tmp_path, users, items, layout))
    items[item, 4] = sign * 2
    with pytest.raises(ArtifactError, match="does not fit the 16 bits that its header promises"):
        audited(*forged(tmp_path, users, items, layout))


def changed(path, at, by):
    data = bytearray(path.read_bytes())
    data[at] = (data[at] + by) % 256
    path.write_bytes(data)


@pytest.mark.parametrize("recipe", ["score16", "int8-dim"])
def test_every_length_bounds_its_block_and_the_rest(recipe, tmp_path):
    path, contract = written(tmp_path, (5, 200, 9), {ORDER_KEY: ORDERS[LENGTH]}, recipe)
    header = read_header(path.read_bytes())
    for block in range(header.n_blocks):
        at = header.bounds_at + 2 * block
        changed(path, at, 1)
        audited(path, contract)
        changed(path, at, -2)
        with pytest.raises(ArtifactError, match="beyond what bounds its block"):
            audited(path, contract)
        changed(path, at, 1)


def test_every_box_holds_its_items(tmp_path):
    path, contract = written(tmp_path, (5, 600, 3), {ORDER_KEY: ORDERS[NEIGHBOURS]}, "int8-dim")
    header = read_header(path.read_bytes())
    halves = -(-header.n_items // 16)
    for half in (0, 1, 31, 32, halves - 1):
        for dimension, too_small in (
            (0, -1),
            (2, -1),
            (3, 1),
            (5, 1),
        ):  # the largest values, then the smallest
            group = (
                header.bounds_at + half // 32 * 32 * 6
            )  # of 6 values: quads of the first four, pairs of the rest
            i = half % 32
            place = 4 * i + dimension if dimension < 4 else 128 + i // 8 * 16 + i % 4 * 4 + i // 4 % 2 * 2 + 1
            changed(path, group + place, too_small)
            with pytest.raises(ArtifactError, match="beyond what bounds its block"):
                audited(path, contract)
            changed(path, group + place, -too_small)
    audited(path, contract)


def test_of_a_large_model_some_users_are_looked_at(tmp_path, monkeypatch):
    users, items = np.full((50, 6), 127, np.int8), np.full((70, 6), 127, np.int8)
    path, contract = forged(tmp_path, users, items, LAYOUTS[0])
    engine = tmp_path / "few.so"
    command = [
        "gcc",
        "-O1",
        "-std=c99",
        *compiler.SHARED,
        "-DMOST_PRODUCTS=3000",
        "-x",
        "c",
        "-",
        "-o",
        engine,
    ]
    subprocess.run(command, input=source.amalgamated(with_interface=True), text=True, check=True)
    monkeypatch.setenv(light.CHOICE, str(engine))
    with pytest.raises(ArtifactError, match="16 bits"):
        audited(path, contract)
    data = bytearray(path.read_bytes())
    header = read_header(data)
    looked_at = [0, 6, 12, 18, 25, 31, 37, 43]  # 3,000 products are those of 8 users and a part
    for user in looked_at:
        data[header.user_at + 6 * user : header.user_at + 6 * user + 6] = bytes(6)
    path.write_bytes(data)
    audited(path, contract)


def test_plain_python_believes_nothing(tmp_path, monkeypatch):
    users, items = np.full((5, 6), 127, np.int8), np.full((70, 6), 127, np.int8)
    monkeypatch.setenv(light.CHOICE, light.PLAIN)
    audited(*forged(tmp_path, users, items, LAYOUTS[0]))


def lying(folder):
    """A bundle of int8-dim that says it is one of score16, with digests of its own."""
    bundle = exported(folder, "int8-dim", "c")
    data = bytearray(bundle.model_path.read_bytes())
    header = read_header(data)
    data[: len(header.to_bytes())] = dataclasses.replace(header, flags=FITS_16).to_bytes()
    data[header.user_at : header.user_at + header.dim] = bytes([127] * header.dim)
    items = np.full((header.n_items, header.dim), 127, np.int8)
    data[header.items_at : header.items_at + 32 * header.even_dim * header.n_blocks] = quad_blocks(
        items
    ).tobytes()
    bundle.model_path.write_bytes(data)
    contract = dataclasses.replace(bundle.contract, recipe="score16")
    write_manifest(folder, bundle.name, contract, bundle.provenance, bundle.quality)
    return folder


def test_a_load_that_verifies_refuses_a_bundle_that_lies(tmp_path):
    folder = lying(tmp_path / "bundle")
    Recommender.load(folder, verify=False).recommend("user 3", k=5)
    with pytest.raises(ArtifactError, match="16 bits"):
        Recommender.load(folder)
    with pytest.raises(ArtifactError, match="16 bits"):
        verify_bundle(folder)


@pytest.mark.parametrize("number", [np.nan, np.inf, -np.inf])
def test_a_user_scale_that_is_no_number_is_refused(number, tmp_path):
    path, contract = written(tmp_path, (5, 40, 6), {}, "int8-dim")
    data = bytearray(path.read_bytes())
    at = read_header(data).user_scale_at + 4 * 3
    data[at : at + 4] = np.float32(number).tobytes()
    path.write_bytes(data)
    with pytest.raises(ArtifactError, match="user scale"):
        CRuntime(path, contract)
