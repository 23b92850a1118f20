"""A network through litert-torch: the TFLite file answers as numpy does. Skips where that is missing."""

import dataclasses

import numpy as np
import pytest
from network_models import N_ITEMS, N_USERS, neumf_arrays, read_bert4rec, read_neumf, read_sasrec
from test_network_export import HISTORIES, expected, scores_of

from recpress_edge.core.errors import ConfigError
from recpress_export.networks.neumf import neumf_reference
from recpress_export.networks.recipes import NETWORK_RECIPES
from recpress_export.networks.transformer import bert4rec_reference, sasrec_reference

pytest.importorskip("litert_torch", reason="litert-torch is not installed: make test-litert-torch")

from recpress_edge.device.litert import LiteRT
from recpress_export.graph import write_model
from recpress_export.subjects.network import in_recipe, network_contract, network_graph, trace


@pytest.fixture(scope="module", params=[read_neumf, read_sasrec, read_bert4rec], ids=["neumf", "sasrec", "bert4rec"])
def traced(request, tmp_path_factory):
    student = request.param(tmp_path_factory.mktemp("network"))
    return student, trace(student, "tflite")


def asked(student, row):
    """The user, or nobody, and what was seen; and numpy's scores."""
    if student.kind == "neumf":
        return row % N_USERS, np.array([row, row, 59]), scores_of(neumf_reference(student), row % N_USERS)
    reference = sasrec_reference if student.kind == "sasrec" else bert4rec_reference
    return None, HISTORIES[row], scores_of(reference(student), None, HISTORIES[row])


@pytest.mark.parametrize("delegate", [None, "xnnpack"])
@pytest.mark.parametrize("recipe", ["fp32", "int8-dynamic"])
def test_a_tflite_file_answers_as_numpy_does(traced, recipe, delegate, tmp_path):
    student, network = traced
    contract = network_contract(student, NETWORK_RECIPES[recipe], "tflite")
    contract = dataclasses.replace(contract, retired=(4,), seen_capacity=16)
    path = tmp_path / "model.tflite"
    path.write_bytes(write_model(network_graph(contract, in_recipe(network, contract)), {}))
    runtime = LiteRT(path, contract, delegate=delegate)
    shared = []
    for row in range(len(HISTORIES)):
        user, seen, scores = asked(student, row)
        items, found = runtime.recommend(user, seen, 20)
        wanted, values = expected(scores, np.append(seen, 4), 20)
        shared.append(len(set(items.tolist()) & set(wanted)) / 20)
        if recipe == "fp32":
            assert items.tolist() == wanted
            assert np.allclose(found, values, atol=1e-4)
    assert np.mean(shared) > 0.9
    with pytest.raises(ConfigError, match="seen item index outside"):
        runtime.recommend(0 if student.kind == "neumf" else None, [N_ITEMS], 3)


def test_a_catalogue_whose_tables_the_quantiser_puts_behind_the_file(tmp_path, capfd):
    student = read_neumf(tmp_path, **neumf_arrays(n_items=5000))
    contract = network_contract(student, NETWORK_RECIPES["int8-dynamic"], "tflite")
    path, reference = tmp_path / "model.tflite", neumf_reference(student)
    network = in_recipe(trace(student, "tflite"), contract)
    path.write_bytes(write_model(network_graph(contract, network), {}))
    assert capfd.readouterr().out == ""  # stdout belongs to --json
    for delegate in (None, "xnnpack"):
        runtime = LiteRT(path, contract, delegate=delegate)
        for user in range(N_USERS):
            items, wanted = runtime.recommend(user, [], 50)[0], reference.recommend(user, [], 50)[0]
            assert len(set(items.tolist()) & set(wanted.tolist())) >= 40
