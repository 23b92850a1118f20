"""The second stage as it is learned: it begins as the first, and its loss is the one that it states."""

import numpy as np
import torch

from recpress_edge.artifacts.clicks.fields import FeatureField
from recpress_edge.artifacts.two_stages.weights import read_second
from recpress_edge.models.two_stages.lists import CandidateLists, ListFields, ListInput, fitted_unit
from recpress_edge.models.two_stages.method import Rerank, list_loss, places_drawn
from recpress_edge.models.two_stages.settings import RerankConfig

ASKED = (
    FeatureField("user", "user", "categorical", ("a", "b", "c")),
    FeatureField("moods", "context", "many", ("x", "y"), capacity=2),
)
ITEMS = (
    FeatureField("item", "item", "categorical", tuple(map(str, range(30)))),
    FeatureField("tags", "item", "many", ("p", "q"), capacity=2),
)


def given(n=50, width=12):
    """Lists in which the candidate at place (user + 1) was taken."""
    rng = np.random.default_rng(0)
    users = rng.integers(0, 3, n)
    rows = np.column_stack([users + 2, rng.integers(0, 4, n), np.full(n, -1)]).astype(np.int32)
    items = np.stack([rng.permutation(30)[:width] for _ in range(n)]).astype(np.int32)
    scores = -np.sort(rng.normal(size=(n, width)).astype(np.float32), axis=1)
    catalogue = np.column_stack([np.arange(30) + 2, rng.integers(0, 4, 30), np.full(30, -1)])
    lists = CandidateLists(users, items, scores, users + 1, rows)
    return ListInput(ListFields(ASKED, ITEMS, catalogue.astype(np.int32)), lists, 0.5)


def settings(**more):
    return RerankConfig(candidates=12, negatives=6, layers=(8, 4), **more)


def test_it_begins_as_the_first_stage():
    method, lists = Rerank(given(), settings(), 4, seed=0), given().lists
    np.testing.assert_allclose(method.z_of(lists), lists.scores / 0.5, rtol=1e-6)


def test_every_part_learns_from_there():
    method = Rerank(given(), settings(replaced=0.0), 4, seed=0)
    before = {name: value.clone() for name, value in method.network.state_dict().items()}
    for epoch in range(3):
        method.network.train()
        for loss in method.batch_losses(epoch):
            method.optimizer.zero_grad()
            loss.backward()
            method.optimizer.step()
    moved = {
        name for name, value in method.network.state_dict().items() if not torch.equal(value, before[name])
    }
    assert moved == {*before}


def test_the_folded_numbers_are_the_network():
    method = Rerank(given(), settings(), 4, seed=0)
    with torch.no_grad():
        for parameter in method.network.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=torch.Generator().manual_seed(1)))
    arrays = {name: value.detach().numpy() for name, value in method.network.named_parameters()}
    fields, lists = method.given.fields, method.given.lists
    folded = read_second(fields.asked, fields.items, fields.catalogue, arrays, method.given.unit)
    np.testing.assert_allclose(
        folded.z(lists.rows, lists.items, lists.scores), method.z_of(lists), rtol=1e-4, atol=1e-4
    )


def test_the_loss_is_the_stated_one():
    rng = np.random.default_rng(2)
    z, taught = (rng.normal(size=(5, 4)) for _ in range(2))

    def softmax(values):
        return np.exp(values) / np.exp(values).sum(axis=1, keepdims=True)

    hard = -np.log(softmax(z)[:, 0]).mean()
    theirs, own = softmax(taught / 2), softmax(z / 2)
    soft = (theirs * np.log(theirs / own)).sum(axis=1).mean()
    found = [list_loss(torch.from_numpy(z), one, 0.7, 2.0) for one in (None, torch.from_numpy(taught))]
    np.testing.assert_allclose(found, [hard, 0.3 * hard + 0.7 * 4 * soft])


def test_the_taken_place_comes_first_and_no_place_twice():
    taken = np.array([0, 3, 11, 7])
    places = places_drawn(taken, 12, 6, np.random.default_rng(0))
    np.testing.assert_array_equal(places[:, 0], taken)
    assert all(len({*row}) == 7 for row in places.tolist())


def test_the_unit_makes_what_was_taken_likeliest():
    scores, taken = given().lists.scores, np.zeros(50, np.int64)
    units = [fitted_unit(scores * factor, taken) for factor in (1, 16)]
    np.testing.assert_allclose(units[1], 16 * units[0], rtol=1e-5)
