"""A network of cells as a file: it answers as numpy and torch do, and reads its receptive field."""

import numpy as np
import pytest
import torch
from network_models import (
    LENGTH,
    N_ITEMS,
    adarec_architecture,
    adarec_arrays,
    read_adarec,
    write_network,
)
from test_network_export import GATE, HISTORIES, expected, scores_of, source_of, write_file

from recpress_edge.artifacts.cell import Cell
from recpress_edge.core.errors import ArtifactError
from recpress_edge.device.onnx_runtime import OnnxRuntime
from recpress_edge.device.verify import verify_bundle
from recpress_edge.models.sequences.cells import CellNetwork
from recpress_edge.models.sequences.settings import AdaRecConfig
from recpress_export.build import build
from recpress_export.networks.cell_modules import CellsOfLength, CellsPadded
from recpress_export.networks.cells import adarec_reference
from recpress_export.networks.recipes import NETWORK_RECIPES
from recpress_export.networks.student import read_network
from recpress_export.subjects.network import Network, trace

CELLS = ("conv3+skip+max3", "attention+conv5+none", "skip+average3+dilated5", "skip+skip+skip")
READS = dict(zip(CELLS, (9, LENGTH - 1, 17, 1), strict=True))


@pytest.fixture(scope="module", params=CELLS)
def made(request, tmp_path_factory):
    """The cell's text, its student and its traced network."""
    torch.set_num_threads(1)
    student = read_adarec(tmp_path_factory.mktemp("adarec"), request.param)
    return request.param, student, trace(student, "onnx")


@pytest.mark.parametrize("history", HISTORIES, ids=lambda h: str(len(h)))
def test_the_reference_is_the_trained_network(made, history):
    text, student, _ = made
    config = AdaRecConfig(cell=text, history_length=LENGTH)
    network = CellNetwork.of(Cell.named(text, 2, 2), (N_ITEMS, 8), 0, config)
    network.load_state_dict({name: torch.from_numpy(array) for name, array in student.arrays.items()})
    read = history if "attention" not in text else history[-(LENGTH - 1) :]
    tokens = torch.tensor([[N_ITEMS, *read]])
    wanted = (network.hidden(tokens)[0, -1] @ network.item_emb[:-1].T).detach().numpy()
    assert np.allclose(scores_of(adarec_reference(student), None, history), wanted, atol=1e-4)


@pytest.mark.parametrize("history", HISTORIES, ids=lambda h: str(len(h)))
def test_modules_of_any_and_of_fixed_length_answer_alike(made, history):
    _, student, _ = made
    scores = scores_of(adarec_reference(student), None, history)
    tokens = np.array([[N_ITEMS, *history[-student.items_read :]]])
    assert np.allclose(CellsOfLength(student)(torch.from_numpy(tokens)).numpy(), scores, atol=1e-4)
    padded = np.full((1, student.history_length), N_ITEMS)
    padded[0, : tokens.size] = tokens
    wide = CellsPadded(student, N_ITEMS + 4)(torch.from_numpy(padded)).numpy()
    assert np.allclose(wide[:N_ITEMS], scores, atol=1e-4)


def test_a_file_answers_as_numpy_does(made, tmp_path):
    _, student, traced = made
    runtime, reference = (
        OnnxRuntime(*write_file(tmp_path, student, "fp32", traced)),
        adarec_reference(student),
    )
    for history in HISTORIES:
        items, scores = runtime.recommend(None, history, N_ITEMS)
        wanted, values = expected(scores_of(reference, None, history), np.array(history, int), N_ITEMS)
        assert np.allclose(scores, values, atol=1e-4)
        assert items.tolist() == wanted


@pytest.mark.parametrize("recipe", NETWORK_RECIPES)
def test_a_bundle_states_its_receptive_field_and_verifies_itself(made, tmp_path, recipe):
    text, student, traced = made
    subject = Network(source_of(student), traced)
    build(subject, NETWORK_RECIPES[recipe], tmp_path / "out", gate=GATE)
    contract = verify_bundle(tmp_path / "out").bundle.contract
    assert (contract.profile, contract.history_length, contract.n_users) == ("history", READS[text], 0)


def test_what_stands_before_the_receptive_field_is_excluded_and_changes_no_score(made, tmp_path):
    text, student, traced = made
    runtime = OnnxRuntime(*write_file(tmp_path, student, "fp32", traced))
    recent = list(range(READS[text]))
    first, other = ([*range(30, 40), *recent], [*range(39, 29, -1), *recent])
    found = [runtime.recommend(None, seen, N_ITEMS) for seen in (first, other)]
    assert np.array_equal(found[0][0], found[1][0])
    assert np.array_equal(found[0][1], found[1][1])
    assert not set(found[0][0].tolist()) & set(first)


GOOD = adarec_architecture()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"operations": ["conv3", "skip", "conv9"]}, "unknown operation of a cell 'conv9'"),
        ({"operations": "conv3"}, "operations 'conv3', expected a list"),
        ({"nodes": 3}, "a cell of 3 nodes has 6 edges"),
        ({"cells": "2"}, "cells '2', expected a whole number"),
        ({"cells": 1}, "does not hold the parameters of a adarec"),
        ({"operations": ["conv5", "skip", "max3"]}, "does not hold the parameters of a adarec"),
        ({"operations": ["conv3", "skip", "max3"], "history_length": 12}, "its cell reads 10 tokens"),
    ],
)
def test_a_folder_whose_facts_do_not_fit_its_cell_is_refused(tmp_path, changes, message):
    write_network(tmp_path, "adarec", adarec_arrays(), architecture=GOOD | changes)
    with pytest.raises(ArtifactError, match=message):
        read_network(tmp_path)


def test_a_matrix_of_other_taps_is_refused(tmp_path):
    arrays = adarec_arrays()
    for block in range(2):
        arrays[f"blocks.{block}.edges.0.conv3.weight"] = np.ones((8, 16), np.float32)
    write_network(tmp_path, "adarec", arrays, architecture=GOOD)
    with pytest.raises(ArtifactError, match="a matrix of 16 rows or columns, expected 3d with d = 8"):
        read_network(tmp_path)
