"""Students of sequences that are networks: cells, given and searched, and a narrow transformer."""

import dataclasses
import json
from itertools import pairwise

import numpy as np
import pytest
import torch
from small_data import checkerboard
from test_sequences import plain

from recpress_edge.artifacts.cell import OPERATIONS, Cell, read_cell
from recpress_edge.core.errors import ConfigError
from recpress_edge.data.interactions import Interactions
from recpress_edge.distill.sequences.adarec import CellStudent
from recpress_edge.distill.sequences.hint import hint_loss
from recpress_edge.distill.sequences.sasrec import SASRecStudent, sasrec
from recpress_edge.distill.sequences.search import CellSearch, adarec
from recpress_edge.models.method import TrainingInput
from recpress_edge.models.outputs import StoredNetwork
from recpress_edge.models.sequences.sasrec import SASRec, SASRecMethod
from recpress_edge.models.sequences.settings import AdaRecConfig, SASRecConfig
from recpress_edge.models.sequences.softmax import Response
from recpress_edge.models.sequences.windows import Windows
from recpress_edge.models.teacher import Teacher
from recpress_edge.training.closed import tried
from recpress_edge.training.loop import train_epoch

BOARD = checkerboard(20)
QUICK = AdaRecConfig(
    history_length=5, window=6, batch_places=60, learning_rate=0.02, dropout=0.0, search_epochs=2
)
GIVEN = dataclasses.replace(QUICK, cell="conv3+skip+max3")


@pytest.fixture(scope="module")
def teacher() -> Teacher:
    torch.set_num_threads(1)
    network = SASRec(BOARD.n_items, 8, 1, SASRecConfig(history_length=5, init_std=0.3))
    arrays = {name: value.detach().numpy() for name, value in network.named_parameters()}
    return Teacher("sasrec_dim8", sequence=StoredNetwork({"kind": "sasrec", "heads": 2}, arrays))


def given_of(teacher: Teacher | None = None, epochs: int = 2) -> TrainingInput:
    return TrainingInput(BOARD.train, 4, 0, epochs, teacher)


def test_the_loss_is_the_mixed_one_and_the_share_of_the_layers(teacher):
    method = CellStudent(given_of(teacher), GIVEN)
    targets = method._windows.rows(np.array([0, 1]), BOARD.n_items)
    tokens, real = method._tokens(targets)
    network = SASRec.stored(teacher.sequence)
    taught = [stage[real] for stage in network.stages(tokens)]
    states = [stage[real] for stage in method.network.stages(tokens)]
    response = Response(taught[-1], network.item_emb[:-1], 0.5)
    labels = torch.from_numpy(targets[targets < BOARD.n_items])
    answers = plain(states[-1], method.network.item_emb[:-1], labels, response)
    wanted = answers + 0.5 * method._layers(states, taught)
    found = method._batch_loss(targets, np.random.default_rng(0))
    assert float(found.detach()) == pytest.approx(float(wanted.detach()), rel=1e-5)
    alone = CellStudent(given_of(teacher), dataclasses.replace(GIVEN, layer_weight=0.0))
    assert alone._layers is None
    assert float(alone._batch_loss(targets, np.random.default_rng(0)).detach()) == pytest.approx(
        float(answers.detach()), rel=1e-5
    )


def test_maps_to_the_teacher_s_layers_are_learned_and_not_stored(teacher):
    method = CellStudent(given_of(teacher), GIVEN)
    train_epoch(method, 0)
    train_epoch(method, 1)
    assert all(float(mapping.detach().abs().max()) > 0 for mapping in method._layers.maps)
    assert not any("maps" in name for name in method.parameters())
    assert any("maps" in name for name in method.optimizer.parameters())


def test_weights_of_layers_that_adapt_are_state_of_a_resumed_run(teacher):
    assert CellStudent(given_of(teacher), GIVEN).memory() == {}
    method = CellStudent(given_of(teacher), dataclasses.replace(GIVEN, adaptive=True))
    before = method.memory()["teacher_layers"].clone()
    train_epoch(method, 0)
    assert not torch.equal(method.memory()["teacher_layers"], before)


@pytest.mark.parametrize("cell", ["conv3+skip+max3", "attention+skip+none"])
@pytest.mark.parametrize("length", ["none", "one", "all that is read", "one more", "many"])
def test_histories_of_any_length_are_answered_from_what_is_read(cell, length):
    config = dataclasses.replace(QUICK, cell=cell, init_std=1.0)
    n_items, reads = 40, 4 if "attention" in cell else 9
    count = {"none": 0, "one": 1, "all that is read": reads, "one more": reads + 1, "many": 30}[length]
    items = np.random.default_rng(count).permutation(n_items)[:count]
    users, ranks = np.zeros(count, np.int64), np.arange(count)
    histories = Interactions.from_pairs(users, items, 1, n_items, ranks)
    method = CellStudent(TrainingInput(histories, 4, 0, 1), config)
    assert method.cell.items_read(config.history_length) == reads
    tokens = torch.tensor([[n_items, *items[-reads:].tolist()]])
    wanted = method.network.hidden(tokens)[0, -1] @ method.network.item_emb[:-1].T
    assert np.allclose(method.scores(np.array([0]))[0], wanted.detach().numpy(), atol=1e-5)
    if "attention" not in cell and count:  # what is cut off would change nothing
        whole = torch.tensor([[n_items, *items.tolist()]])
        told = method.network.hidden(whole)[0, -1] @ method.network.item_emb[:-1].T
        assert np.allclose(told.detach().numpy(), wanted.detach().numpy(), atol=1e-5)


@pytest.mark.parametrize(("changes", "reads"), [({"window": 4}, 4), ({"history_length": 6}, 5), ({}, None)])
@pytest.mark.parametrize("cell", ["attention+skip+none", ""])
def test_positions_that_no_window_reaches_are_refused(teacher, changes, reads, cell):
    """They would be as they were drawn, and read in every longer history."""
    config = dataclasses.replace(QUICK, cell=cell, **changes)
    if reads is None:
        method = adarec(given_of(teacher), config)
        assert method._windows.counts.max() == len(method.network.position_emb) == 5
        return
    with pytest.raises(ConfigError, match=rf"history_length \d is more than the {reads} places.*Set it to"):
        adarec(given_of(teacher), config)
    adarec(given_of(teacher), dataclasses.replace(config, cell="conv3+skip+max3"))  # it has no positions


def _sequences(windows: Windows) -> list[list[int]]:
    """Of users who have as many items each, one after the other."""
    return windows.items.reshape(-1, BOARD.train.counts()[0]).tolist()


def test_a_search_keeps_some_users_out_of_the_weights(teacher):
    search = CellSearch(given_of(teacher), dataclasses.replace(QUICK, search_share=0.25))
    counts = set(BOARD.train.counts().tolist())
    assert len(counts) == 1
    assert search._held.items.size == 5 * counts.pop()
    held, kept = (sorted(map(tuple, _sequences(w))) for w in (search._held, search._windows))
    everyone = [tuple(BOARD.train.in_order()[a:b]) for a, b in pairwise(BOARD.train.indptr)]
    assert sorted(held + kept) == sorted(everyone)


def test_chances_move_and_the_found_cell_is_trained_from_its_start(teacher):
    search = adarec(given_of(teacher), QUICK)
    seen = []
    method, state = tried(search, 3, None, "balanced", seen.append)
    assert isinstance(method, CellStudent)
    assert str(method.cell) == state.chosen["cell"] == method.config.cell
    assert method.given.epochs == 3
    assert [report.epochs for report in seen] == [5, 5]
    assert state.search["operations"] == list(method.cell.operations)
    assert not torch.allclose(search.chances, torch.full_like(search.chances, 1 / len(OPERATIONS)))
    again = adarec(given_of(teacher, epochs=3), dataclasses.replace(QUICK, cell=state.chosen["cell"]))
    fresh, wanted = method.parameters(), again.parameters()
    assert fresh.keys() == wanted.keys()
    assert all(torch.equal(fresh[name], wanted[name]) for name in fresh)


def test_a_search_is_the_seed_s(teacher):
    found = []
    for seed in (0, 0, 1):
        search = CellSearch(dataclasses.replace(given_of(teacher), seed=seed), QUICK)
        train_epoch(search, 0)
        found.append(search.alpha.detach().clone())
    assert torch.equal(found[0], found[1])
    assert not torch.equal(found[0], found[2])


def test_a_heavy_cost_makes_a_cell_without_costs(teacher):
    config = dataclasses.replace(QUICK, cost_weight=100.0, search_rate=0.3, search_epochs=8)
    method, state = tried(adarec(given_of(teacher), config), 1, None, "balanced", lambda report: None)
    assert method.cell.cost("macs", 4, 6) <= 2 * 3 * 3 * 4  # pools at most
    assert len(state.search["margins"]) == 3
    assert all(0 <= margin <= 1 for margin in state.search["margins"])


def test_a_search_that_is_decided_ends_and_one_that_is_not_says_so(teacher):
    search = CellSearch(given_of(teacher), dataclasses.replace(QUICK, decided=0.0))
    _, state = tried(search, 1, None, "balanced", lambda report: None)
    assert state.search["epochs"] == 0
    assert state.search["decided"] is True
    search = CellSearch(given_of(teacher), QUICK)
    _, state = tried(search, 1, None, "balanced", lambda report: None)
    assert (state.search["epochs"], state.search["decided"]) == (2, False)
    with torch.no_grad():
        search.alpha[:, 3] = 9.0
    assert search.is_decided()
    assert search.best() == Cell(("max3",) * 3, 2, 2)


def test_the_document_of_a_cell_is_read_again(teacher, tmp_path):
    method = CellStudent(given_of(teacher), GIVEN)
    (document,) = method.documents({}).values()
    path = tmp_path / "cell.json"
    path.write_text(json.dumps(document))
    assert read_cell(path) == method.cell
    assert document["receptive_field"] == 9
    assert document["macs_per_token"] == 2 * (3 * 16 + 12)
    assert document["search"] is None


def test_a_search_needs_two_users():
    lonely = Interactions.from_pairs(np.zeros(3, np.int64), np.arange(3), 1, 5, np.arange(3))
    with pytest.raises(ConfigError, match=r"some are kept out, and 1 have a sequence.*method\.cell"):
        CellSearch(TrainingInput(lonely, 4, 0, 1), QUICK)


NARROW = SASRecConfig(history_length=5, layers=1, batch_users=10, dropout=0.0, learning_rate=0.01)


def test_a_narrow_transformer_learns_its_teacher_s_answers_over_the_same_windows(teacher):
    method = sasrec(given_of(teacher), dataclasses.replace(NARROW, hint_weight=0.5))
    assert isinstance(method, SASRecStudent)
    assert method._windows.counts.max() <= 5
    targets = method._windows.rows(np.array([0, 1]), BOARD.n_items)
    tokens, real = method._tokens(targets)
    network = SASRec.stored(teacher.sequence)
    taught, states = network.hidden(tokens)[real], method.network.hidden(tokens)[real]
    labels = torch.from_numpy(targets[targets < BOARD.n_items])
    response = Response(taught, network.item_emb[:-1], 0.7)
    wanted = plain(states, method.network.item_emb[:-1], labels, response)
    wanted = wanted + 0.5 * hint_loss(states, torch.zeros(8, 4), taught)
    found = method._batch_loss(targets, np.random.default_rng(0))
    assert float(found.detach()) == pytest.approx(float(wanted.detach()), rel=1e-5)
    train_epoch(method, 0)
    assert method.parameters().keys() == SASRecMethod(given_of(), NARROW).parameters().keys()


def test_it_comes_nearer_to_its_teacher(teacher):
    wanted = SASRec.stored(teacher.sequence)
    method = sasrec(given_of(teacher, 30), dataclasses.replace(NARROW, teacher_weight=1.0))
    tokens, real = method._tokens(method._windows.rows(np.arange(8), BOARD.n_items))

    def divergence() -> float:
        with torch.no_grad():
            taught = (wanted.hidden(tokens)[real] @ wanted.item_emb[:-1].T).log_softmax(dim=1)
            own = (method.network.hidden(tokens)[real] @ method.network.item_emb[:-1].T).log_softmax(dim=1)
            return float((taught.exp() * (taught - own)).sum(dim=1).mean())

    before = divergence()
    for epoch in range(30):
        train_epoch(method, epoch)
    assert divergence() < 0.7 * before


def test_without_a_teacher_it_is_the_model_that_it_was():
    method = sasrec(given_of(), NARROW)
    assert type(method) is SASRecMethod


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"loss": "bce"}, r"method\.loss bce is of a model without a teacher"),
        ({"history_length": 6}, "history_length 6 is more than the 5 tokens that the teacher reads"),
        ({"heads": 3}, "heads 3 does not divide the embedding size 4"),
    ],
)
def test_settings_that_do_not_fit_a_teacher_are_refused(teacher, changes, message):
    with pytest.raises(ConfigError, match=message):
        sasrec(given_of(teacher), dataclasses.replace(NARROW, **changes))


def test_a_hint_needs_a_teacher():
    with pytest.raises(ConfigError, match="hint_weight needs a teacher"):
        sasrec(given_of(), dataclasses.replace(NARROW, hint_weight=1.0))
