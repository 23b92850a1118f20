"""What a microcontroller needs of a model, computed: as the writer and the engine have it."""

import ctypes
import subprocess

import pytest
from exports import make_graph, random_tables

from recpress_edge.core.errors import ConfigError
from recpress_edge.device.c import footprint
from recpress_edge.device.c.compiler import find_compiler
from recpress_edge.device.c.library import Library, ModelStruct
from recpress_edge.device.c.model_bin import ORDERS, RECIPES, read_header
from recpress_edge.device.c.source import amalgamated
from recpress_export.c.writer import ORDER_KEY, to_c


@pytest.fixture(scope="module")
def engine(tmp_path_factory):
    """The engine with its plain C kernel, as a microcontroller has it."""
    compiler = find_compiler()
    if compiler is None:
        pytest.skip("no C compiler here")
    path = tmp_path_factory.mktemp("engine") / "plain.so"
    command = [*compiler.command, "-std=c99", "-fPIC", "-shared", "-DRP_PLAIN", "-x", "c", "-", "-o", path]
    subprocess.run(command, input=amalgamated(with_interface=True), text=True, check=True)
    return Library(path)


@pytest.mark.parametrize(
    ("recipe", "order"),
    [(recipe, "catalogue") for recipe in RECIPES] + [("int8-dim", order) for order in ORDERS[1:]],
)
@pytest.mark.parametrize("shape", [(2, 1, 3), (3, 70, 10), (2, 2500, 5)])
def test_file_and_scratch_are_computed_to_the_byte(engine, recipe, order, shape):
    data = to_c(make_graph(recipe, *random_tables(*shape), "c"), {ORDER_KEY: order})
    header = read_header(data)
    assert footprint.file_bytes(header) == len(data)
    held, model = ctypes.create_string_buffer(len(data) + 16), ModelStruct()
    at = ctypes.addressof(held) + -ctypes.addressof(held) % 16
    ctypes.memmove(at, data, len(data))
    assert engine.open(ctypes.addressof(model), at, len(data)) == 0
    for k in {1, 10, 50, header.n_items}:
        said = engine.scratch_bytes(ctypes.addressof(model), k)
        assert footprint.scratch_bytes(header, k) == said, (recipe, order, k)
    sizes = [engine.scratch_bytes(ctypes.addressof(model), k) for k in range(1, header.n_items + 1)]
    assert sizes == sorted(sizes), "room for a long list is room for a short one"


def test_needs_grow_with_the_model_and_are_nobody_else_s():
    artifact = {"format": "c", "recipe": "int8-dim", "profile": "single-user", "n_users": 1}
    artifact |= {"n_items": 2500, "dim": 10, "file_bytes": 25_000}
    needs = footprint.needs_of(artifact, 10)
    assert needs.flash_bytes == footprint.CODE_BYTES + 25_000
    assert footprint.needs_of(artifact | {"n_items": 25_000}, 10).ram_bytes > needs.ram_bytes
    assert footprint.needs_of(artifact | {"recipe": "score16"}, 10) == needs
    assert footprint.needs_of(artifact | {"format": "onnx"}, 10) is None
    assert footprint.file_bytes_within(footprint.CODE_BYTES + 5) == 5
    with pytest.raises(ConfigError, match="hold no model"):
        footprint.file_bytes_within(footprint.CODE_BYTES)


def test_bounds_of_an_order_take_memory():
    artifact = {"format": "c", "recipe": "int8-dim", "profile": "single-user", "n_users": 1}
    artifact |= {"n_items": 2500, "dim": 10, "file_bytes": 25_000}
    orders = ({}, {"order": {"order": "neighbours", "why": "neighbours: asked for"}})
    plain, near = (footprint.needs_of(artifact | {"provenance": facts}, 10) for facts in orders)
    assert near.flash_bytes == plain.flash_bytes
    assert near.ram_bytes - plain.ram_bytes == 4 * (160 + 8 + 96 * 16 - 80)  # halves, groups, seeds; maxima
    assert footprint.needs_of(artifact | {"provenance": {"order": {"order": "backwards"}}}, 10) is None
