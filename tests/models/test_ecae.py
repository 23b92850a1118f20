"""ECAE: its distillation layer, where gradients go, both of its scores, and what its folder holds."""

import dataclasses

import numpy as np
import pytest
import torch

from recpress_edge.core.errors import DataError
from recpress_edge.core.rng import torch_seed
from recpress_edge.data.interactions import Interactions
from recpress_edge.models.ecae.method import CODES, ECAE, StoredECAE
from recpress_edge.models.ecae.network import (
    ECAENetwork,
    cross_entropy,
    dense,
    joint_scores,
    retraining_loss,
)
from recpress_edge.models.ecae.settings import ECAEConfig
from recpress_edge.models.method import TrainingInput
from recpress_edge.models.outputs import StoredNetwork

N_USERS, N_ITEMS, DIM = 6, 7, 4
ITEMS = torch.tensor([[1, 0, 1, 1, 0, 0, 0], [0, 1, 0, 0, 0, 1, 1.0]])
PAIRS = tuple(ITEMS.nonzero().T)
# One user has nothing, one a single item, one every item.
TAKEN = [[], [2], list(range(N_ITEMS)), [0, 1, 2], [4, 5], [0, 6]]


SMALL = ECAEConfig(batch_users=2)


def train_of(taken=TAKEN):
    users = np.repeat(np.arange(len(taken)), [len(items) for items in taken])
    return Interactions.from_pairs(
        users, np.concatenate([np.array(i, int) for i in taken]), len(taken), N_ITEMS
    )


def network(dtype=torch.float64) -> ECAENetwork:
    made = ECAENetwork(N_ITEMS, DIM, torch.Generator().manual_seed(0))
    with torch.no_grad():
        made.gate_logit.copy_(torch.linspace(-2, 2, N_ITEMS))
    return made.to(dtype)


def loss_of(made: ECAENetwork, config: ECAEConfig) -> torch.Tensor:
    """The joint loss of two users, written out."""
    items = ITEMS.to(made.gate_logit.dtype)
    scores = made.generator_out(made.generator.hidden(*PAIRS, 2))
    soft = made.soft_data(scores, items, config)
    again = made.retrainer_out(made.retrained(made.distilled(soft, items)))
    retrained = retraining_loss(again, soft, items, config.soft_share)
    return cross_entropy(items, scores) + config.retraining_weight * retrained


@pytest.mark.parametrize("through", [False, True])
def test_the_gate_s_gradient_is_that_of_finite_differences(through):
    made, config = network(), ECAEConfig(through=through, soft_share=0.3, temperature=2.0)
    loss_of(made, config).backward()
    gradient, step = made.gate_logit.grad.clone(), 1e-6
    assert gradient.abs().min() > 1e-6
    for item in range(N_ITEMS):
        ends = []
        for way in (step, -step):
            with torch.no_grad():
                made.gate_logit[item] += way
                ends.append(loss_of(made, config).item())
                made.gate_logit[item] -= way
        assert gradient[item].item() == pytest.approx((ends[0] - ends[1]) / (2 * step), rel=1e-5, abs=1e-9)


def test_through_lets_gradients_reach_the_generator():
    """Without it the generator's gradient is that of its own loss alone."""
    found = {}
    for through in (False, True):
        made = network()
        loss_of(made, ECAEConfig(through=through)).backward()
        found[through] = made.generator.first.grad.clone(), made.retrainer.first.grad.clone()
    made = network()
    cross_entropy(ITEMS.double(), made.generator_out(made.generator.hidden(*PAIRS, 2))).backward()
    assert torch.equal(found[False][0], made.generator.first.grad)
    assert not torch.allclose(found[True][0], found[False][0], rtol=1e-3)
    assert torch.allclose(found[True][1], found[False][1])


def test_the_whole_gradient_is_that_of_finite_differences_with_through():
    made, config = network(), ECAEConfig(through=True)
    loss_of(made, config).backward()
    for name, parameter in made.named_parameters():
        place, step = np.unravel_index(parameter.grad.abs().argmax().item(), parameter.shape), 1e-6
        ends = []
        for way in (step, -step):
            with torch.no_grad():
                parameter[place] += way
                ends.append(loss_of(made, config).item())
                parameter[place] -= way
        wanted = (ends[0] - ends[1]) / (2 * step)
        assert parameter.grad[place].item() == pytest.approx(wanted, rel=1e-5), name


@pytest.mark.parametrize("value", [-1e9, -30.0, 0.0, 30.0, 1e9])
def test_a_gate_is_above_0_and_below_1_in_float32(value):
    made = network(torch.float32)
    with torch.no_grad():
        made.gate_logit.fill_(value)
    assert ((made.gate > 0) & (made.gate < 1)).all()


def test_the_distillation_layer_weighs_each_item():
    made = network(torch.float32)
    soft, gate = torch.full_like(ITEMS, 0.25), made.gate
    assert torch.allclose(made.distilled(soft, ITEMS), gate * 0.25 + (1 - gate) * ITEMS)
    assert gate[0] < 0.5 < gate[-1]


def test_soft_data_has_the_user_s_own_mass():
    made = network(torch.float32)
    scores = torch.randn(2, N_ITEMS, generator=torch.Generator().manual_seed(1))
    cold, warm = (made.soft_data(scores, ITEMS, ECAEConfig(temperature=t)) for t in (0.1, 10.0))
    for soft in (cold, warm):
        assert soft.sum(dim=1).tolist() == pytest.approx([3, 3])
    assert cold.max() > 2.5 > 0.7 > warm.max()


def test_both_recommend_and_the_order_is_that_of_the_mean_of_both_softmaxes():
    one, two = torch.randn(2, 3, 50, generator=torch.Generator().manual_seed(1)) * 3
    joint = joint_scores([one, two])
    mean = 0.5 * torch.softmax(one, dim=1) + 0.5 * torch.softmax(two, dim=1)
    assert torch.allclose(joint.exp(), mean, atol=1e-7)
    assert torch.equal(joint.argsort(dim=1, descending=True), mean.argsort(dim=1, descending=True))
    assert torch.allclose(joint_scores([one]).exp(), torch.softmax(one, dim=1))
    far = joint_scores([torch.tensor([[0.0, -300.0, -200.0]]), torch.tensor([[0.0, -250.0, -220.0]])])
    assert torch.isfinite(far).all()


def test_losses_are_what_their_formulas_say():
    scores = torch.tensor([[1.0, 0.0, -1.0, 2.0, 0.0, 0.0, 0.0], [0.0] * 7])
    chances = torch.softmax(scores, dim=1)
    first = -(chances[0][[0, 2, 3]].log().sum() + chances[1][[1, 5, 6]].log().sum()) / 2
    assert cross_entropy(ITEMS, scores).item() == pytest.approx(first.item())
    soft = torch.full_like(scores, 3 / 7)
    second = -(soft * chances.log()).sum() / 2
    wanted = 0.75 * first + 0.25 * second
    assert retraining_loss(scores, soft, ITEMS, 0.25).item() == pytest.approx(wanted.item())


def trained(config=SMALL, seed=0, epochs=3) -> ECAE:
    model = ECAE(TrainingInput(train_of(), DIM, seed, epochs), config)
    for epoch in range(epochs):
        for loss in model.batch_losses(epoch):
            model.optimizer.zero_grad()
            loss.backward()
            model.optimizer.step()
    return model


def test_users_without_items_with_one_and_with_all_are_scored():
    scores = trained().scores(np.arange(N_USERS))
    assert np.isfinite(scores).all()
    assert np.allclose(np.exp(scores).sum(axis=1), 1, atol=1e-5)


@pytest.mark.parametrize("config", [SMALL, ECAEConfig(batch_users=2, retraining_weight=0.0)])
def test_its_folder_holds_what_scores_as_it_does(config):
    model = trained(config)
    parameters = {name: value.numpy() for name, value in model.parameters().items()}
    stored = StoredECAE(StoredNetwork(model.architecture(), parameters), "cpu")
    users = np.array([2, 0, 5])
    wanted = model.scores(users)
    assert np.allclose(stored.scores(torch.from_numpy(users)).numpy(), wanted, atol=1e-5)
    kept = CODES[:1] if config.retraining_weight == 0 else CODES
    assert model.architecture()["user_rows"] == list(kept)
    assert [name for name in CODES if name in parameters] == list(kept)
    assert parameters[CODES[0]].shape == (N_USERS, DIM)


def test_without_weight_the_retraining_network_learns_nothing_and_recommends_nothing():
    config = ECAEConfig(batch_users=2, retraining_weight=0.0)
    model = trained(config)
    first = ECAENetwork(N_ITEMS, DIM, torch.Generator().manual_seed(torch_seed(0, "init")))
    assert torch.equal(model.network.retrainer.first, first.retrainer.first)
    assert not torch.equal(model.network.generator.first, first.generator.first)
    users = np.arange(N_USERS)
    pairs = model.network.generator.pairs(model.given.train, users)
    with torch.no_grad():
        code = model.network.generator.hidden(*pairs, N_USERS)
        wanted = torch.log_softmax(model.network.generator_out(code), dim=1).numpy()
    assert np.allclose(model.scores(users), wanted, atol=1e-6)


def test_seeds_decide_everything():
    users = np.arange(N_USERS)
    one, same, other = (trained(seed=seed).scores(users).tobytes() for seed in (0, 0, 1))
    assert one == same != other


def test_a_run_that_is_resumed_ends_as_one_that_was_not():
    """All that is learned is the optimiser's, and what is drawn belongs to an epoch."""
    begun, whole, config = trained(epochs=2), trained(epochs=3), SMALL
    resumed = ECAE(TrainingInput(train_of(), DIM, 0, 3), config)
    for name, value in resumed.optimizer.state().items():
        value.detach().copy_(begun.optimizer.state()[name].detach())
    for loss in resumed.batch_losses(2):
        resumed.optimizer.zero_grad()
        loss.backward()
        resumed.optimizer.step()
    users = np.arange(N_USERS)
    assert resumed.scores(users).tobytes() == whole.scores(users).tobytes()


def test_dense_rows_are_zeros_and_ones():
    assert torch.equal(dense(PAIRS, 2, N_ITEMS), ITEMS)


def test_memory_is_stated_and_refused_with_what_to_change():
    said = []
    given = TrainingInput(train_of(), DIM, 0, 1, on_need=said.append)
    ECAE(given, ECAEConfig())
    assert said[0] > 4 * N_ITEMS * 4 * DIM * 5
    with pytest.raises(DataError, match=r"Set a smaller method\.batch_users, or take a smaller dim"):
        ECAE(dataclasses.replace(given, dim=10**10), ECAEConfig())
