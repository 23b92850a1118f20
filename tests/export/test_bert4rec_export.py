"""BERT4Rec as a file: the trained network's answers, the mask appended inside, and never recommended."""

import numpy as np
import pytest
import torch
from network_models import LENGTH, N_ITEMS, bert4rec_arrays, read_bert4rec
from test_network_export import GATE, HISTORIES, expected, scores_of, source_of, write_file

from recpress_edge.device.onnx_runtime import OnnxRuntime
from recpress_edge.device.verify import verify_bundle
from recpress_edge.models.sequences.bert4rec import BERT4Rec
from recpress_edge.models.sequences.settings import BERT4RecConfig
from recpress_export.build import build
from recpress_export.networks.modules import BERT4RecOfLength, BERT4RecPadded
from recpress_export.networks.recipes import NETWORK_RECIPES
from recpress_export.networks.student import NetworkStudent
from recpress_export.networks.transformer import bert4rec_reference
from recpress_export.subjects.network import Network, trace


@pytest.fixture(scope="module")
def bert4rec(tmp_path_factory) -> tuple[NetworkStudent, bytes]:
    """Items 10 to 13 are scored alike: their scores tie."""
    torch.set_num_threads(1)
    arrays = bert4rec_arrays()
    arrays["item_emb"][11:14] = arrays["item_emb"][10]
    arrays["item_bias"][11:14] = arrays["item_bias"][10]
    student = read_bert4rec(tmp_path_factory.mktemp("bert4rec"), **arrays)
    return student, trace(student, "onnx")


@pytest.mark.parametrize("history", HISTORIES, ids=lambda h: str(len(h)))
def test_the_reference_is_the_trained_network(bert4rec, history):
    student = bert4rec[0]
    network = BERT4Rec(N_ITEMS, 8, 0, BERT4RecConfig(history_length=LENGTH, widening=2))
    network.load_state_dict({name: torch.from_numpy(array) for name, array in student.arrays.items()})
    tokens = torch.tensor([[*history[-(LENGTH - 1) :], N_ITEMS]])
    states = network.hidden(tokens, torch.tensor([tokens.shape[1]]))
    wanted = network.logits(states[0, -1:]).detach().numpy()[0]
    assert np.allclose(scores_of(bert4rec_reference(student), None, history), wanted, atol=1e-5)


@pytest.mark.parametrize("history", HISTORIES, ids=lambda h: str(len(h)))
def test_modules_of_any_and_of_fixed_length_answer_alike(bert4rec, history):
    student, read = bert4rec[0], list(history)[-(LENGTH - 1) :]
    scores = scores_of(bert4rec_reference(student), None, history)
    tokens = np.array([[N_ITEMS, *read]])
    assert np.allclose(BERT4RecOfLength(student)(torch.from_numpy(tokens)).numpy(), scores, atol=1e-5)
    padded = np.full((1, LENGTH), N_ITEMS)
    padded[0, : tokens.size] = tokens
    wide = BERT4RecPadded(student, N_ITEMS + 4)(torch.from_numpy(padded)).numpy()
    assert np.allclose(wide[:N_ITEMS], scores, atol=1e-5)


def test_a_file_answers_as_numpy_does_and_never_names_the_mask(bert4rec, tmp_path):
    student, traced = bert4rec
    runtime, reference = (
        OnnxRuntime(*write_file(tmp_path, student, "fp32", traced)),
        bert4rec_reference(student),
    )
    for history in HISTORIES:
        items, scores = runtime.recommend(None, history, N_ITEMS)
        wanted, values = expected(scores_of(reference, None, history), np.array(history, int), N_ITEMS)
        assert np.allclose(scores, values, atol=1e-5)
        assert items.tolist() == wanted
        assert set(items.tolist()) == set(range(N_ITEMS)) - set(history)


@pytest.mark.parametrize("recipe", NETWORK_RECIPES)
def test_a_bundle_verifies_itself(bert4rec, tmp_path, recipe):
    student, traced = bert4rec
    subject = Network(source_of(student), traced)
    build(subject, NETWORK_RECIPES[recipe], tmp_path / "out", gate=GATE)
    contract = verify_bundle(tmp_path / "out").bundle.contract
    assert (contract.profile, contract.history_length, contract.n_users) == ("history", LENGTH - 1, 0)
