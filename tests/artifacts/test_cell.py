"""Cells: what they cost, how far they look back, and the files that hold them."""

import json

import pytest

from recpress_edge.artifacts.cell import (
    CELL_SCHEMA,
    ENDLESS,
    OPERATIONS,
    Cell,
    cell_document,
    cost_of_operation,
    edges_of,
    read_cell,
)
from recpress_edge.core.errors import RecPressError


def test_each_node_reads_the_input_and_all_nodes_before_it():
    assert edges_of(1) == ((1, 0),)
    assert edges_of(3) == ((1, 0), (2, 0), (2, 1), (3, 0), (3, 1), (3, 2))


@pytest.mark.parametrize("unit", ["macs", "bytes"])
def test_costs_rise_with_what_an_operation_does(unit):
    cost = {name: cost_of_operation(name, unit, 32, 50) for name in OPERATIONS}
    assert cost["none"] == cost["skip"] == 0
    assert cost["skip"] <= cost["average3"] == cost["max3"] < cost["conv3"] == cost["dilated3"]
    assert cost["conv3"] < cost["conv5"] == cost["dilated5"]
    for name in OPERATIONS:  # in the width, and of attention in the tokens
        assert cost_of_operation(name, unit, 16, 50) <= cost[name]
    assert cost_of_operation("attention", "macs", 32, 100) > cost["attention"] or unit == "bytes"


def test_costs_are_those_of_the_definitions():
    macs = {name: cost_of_operation(name, "macs", 32, 50) for name in OPERATIONS}
    assert macs["conv5"] == 5 * 32**2
    assert macs["attention"] == 4 * 32**2 + 2 * 50 * 32
    assert macs["max3"] == 3 * 32
    assert cost_of_operation("conv3", "bytes", 32, 50) == 4 * (3 * 32**2 + 32)


def test_the_cost_of_a_cell_is_its_edges_times_its_cells():
    cell = Cell.named("conv3+skip+max3", 2, 4)
    assert cell.cost("macs", 8, 10) == 4 * (3 * 64 + 24)
    dearer = Cell.named("conv3+skip+conv3", 2, 4)
    assert dearer.cost("macs", 8, 10) > cell.cost("macs", 8, 10)


@pytest.mark.parametrize(
    ("text", "nodes", "cells", "tokens"),
    [
        ("skip+skip+skip", 2, 2, 1),
        ("none+none+none", 2, 3, 1),
        ("conv5+conv5+conv5", 2, 2, 17),
        ("conv3+skip+max3", 2, 2, 9),
        ("dilated5+none+dilated3", 2, 1, 13),
        ("none+conv3+dilated5", 2, 1, 3),  # the first node is empty, so what reads it looks at nothing
        ("none+none+conv3", 2, 2, 1),  # a bias alone
        ("none+none+conv3+none+none+conv3", 3, 1, 3),  # taps of a bias: they end where the sequence begins
        ("none+none+skip+none+none+max3", 3, 1, 1),
        ("attention+skip+skip", 2, 2, ENDLESS),
        ("conv3", 1, 4, 9),
    ],
)
def test_the_receptive_field_is_counted_along_the_longest_path(text, nodes, cells, tokens):
    assert Cell.named(text, nodes, cells).receptive_field == tokens


def test_a_cell_s_file_gives_it_back(tmp_path):
    cell, path = Cell.named("conv3+skip+attention", 2, 3), tmp_path / "cell.json"
    path.write_text(json.dumps(cell_document(cell, {"seed": 1})))
    assert read_cell(path) == cell
    assert Cell.named(str(cell), 2, 3) == cell
    assert json.loads(path.read_text())["seed"] == 1


GOOD = {"schema": CELL_SCHEMA, "operations": ["conv3", "skip", "max3"], "nodes": 2, "cells": 2}


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ({"schema": "recpress.model/1"}, "schema 'recpress.model/1', expected 'recpress.cell/1'"),
        (GOOD | {"operations": "conv3"}, "operations must be a list of names, got 'conv3'"),
        (GOOD | {"operations": ["conv3", 1, "max3"]}, "operations must be a list of names"),
        (GOOD | {"operations": ["conv3", "skip", "conv4"]}, "unknown operation of a cell 'conv4'.*conv3"),
        (GOOD | {"nodes": 3}, "a cell of 3 nodes has 6 edges, and 3 operations are given"),
        (GOOD | {"nodes": 2.0}, "nodes and cells must be whole numbers, got 2.0"),
        (GOOD | {"cells": 0}, "stands 1 to 64 times"),
        (GOOD | {"cells": 10**9}, "got 2 nodes and 1000000000 cells"),
        (GOOD | {"nodes": 10**6}, "a cell has 1 to 8 nodes"),  # half a billion edges would fill the memory
        (GOOD | {"cells": True}, "must be whole numbers"),
        ([], "expected a JSON object"),
    ],
)
def test_a_file_that_holds_no_cell_is_refused_by_what_is_wrong(tmp_path, document, message):
    path = tmp_path / "cell.json"
    path.write_text(json.dumps(document))
    with pytest.raises(RecPressError, match=message) as caught:
        read_cell(path)
    assert str(path) in str(caught.value)


def test_a_file_that_is_not_there_or_no_json_is_refused(tmp_path):
    with pytest.raises(RecPressError, match=r"--cell .*no such file"):
        read_cell(tmp_path / "cell.json")
    (tmp_path / "cell.json").write_text("{")
    with pytest.raises(RecPressError, match="is not readable JSON"):
        read_cell(tmp_path / "cell.json")
