"""Losses and propagations of the teachers, written a second way."""

import math

import numpy as np
import pytest
import torch
from small_data import two_tastes

from recpress_edge.models.autoencoder import SparseEncoder, softmax_log_likelihood
from recpress_edge.models.cml import CML, cml_loss, covariance_loss
from recpress_edge.models.iae import IAE
from recpress_edge.models.lightgcn import LightGCN, Propagation
from recpress_edge.models.method import TrainingInput
from recpress_edge.models.multvae import MultVAE, elbo_loss
from recpress_edge.models.settings import CMLConfig, IAEConfig, LightGCNConfig, MultVAEConfig
from recpress_edge.training.loop import train_epoch

TRAIN = two_tastes(n_users=12, n_items=20, per_user=4).train


def _graph() -> torch.Tensor:
    """1/4 (1 + Â + Â² + Â³) over users, then items, as a dense matrix in double precision."""
    n_users, n_items = TRAIN.n_users, TRAIN.n_items
    adjacency = torch.zeros(n_users + n_items, n_users + n_items, dtype=torch.float64)
    for user, item in zip(TRAIN.users().tolist(), TRAIN.indices.tolist(), strict=True):
        adjacency[user, n_users + item] = adjacency[n_users + item, user] = 1.0
    root = adjacency.sum(dim=1).clamp(min=1).rsqrt()
    normalised = root[:, None] * adjacency * root[None, :]
    return sum(torch.matrix_power(normalised, power) for power in range(4)) / 4


def test_propagation_is_the_dense_polynomial_and_so_is_its_gradient():
    generator = torch.Generator().manual_seed(0)
    users, items = (torch.randn(n, 3, generator=generator, requires_grad=True) for n in (12, 20))
    outputs = Propagation(TRAIN, 3, "cpu")(users, items)
    both = torch.cat([users, items]).detach().double().requires_grad_()
    expected = _graph() @ both
    assert torch.allclose(torch.cat(outputs).double(), expected, atol=1e-6)
    pull = torch.randn(32, 3, generator=generator)
    (torch.cat(outputs) * pull).sum().backward()
    (expected * pull.double()).sum().backward()
    assert torch.allclose(torch.cat([users.grad, items.grad]).double(), both.grad, atol=1e-6)


@pytest.mark.parametrize("candidates", [1, 4])
def test_lightgcn_loss_is_bpr_on_propagated_rows_with_l2_on_those_drawn(candidates):
    config = LightGCNConfig(batch_size=7, negatives=3, candidates=candidates, l2=0.2, init_std=0.5)
    method = LightGCN(TrainingInput(TRAIN, 3, 0, 1), config)
    losses = [float(loss.detach()) for loss in method.batch_losses(0)]
    users, positives, drawn = method.sampler.epoch(0, 0, 3 * candidates)
    own = torch.cat([method.mf.user_emb, method.mf.item_emb]).detach().double()
    rows = _graph() @ own
    total, size = 0.0, 0.0
    sets = drawn.reshape(len(users), 3, candidates).tolist()
    negatives = [
        [max(items, key=lambda item: float(rows[user] @ rows[12 + item])) for items in of_positive]
        for user, of_positive in zip(users.tolist(), sets, strict=True)
    ]
    for user, positive, others in zip(users[:7], positives[:7], negatives[:7], strict=True):
        for other in others:
            gap = float(rows[user] @ (rows[12 + positive] - rows[12 + other]))
            total += math.log(1.0 + math.exp(-gap)) / 3
        size += sum(float(own[n] @ own[n]) for n in (user, 12 + positive, 12 + others[0])) / 2
    assert losses[0] == pytest.approx((total + 0.2 * size) / 7, rel=1e-5)


def test_cml_loss_by_loop():
    rng = np.random.default_rng(0)
    user, positive = (rng.standard_normal((5, 3)) * 0.4 for _ in range(2))
    negatives = rng.standard_normal((5, 4, 3)) * 0.4
    expected = 0.0
    for u, p, others in zip(user, positive, negatives, strict=True):
        near = sum((a - b) ** 2 for a, b in zip(u, p, strict=True))
        far = [sum((a - b) ** 2 for a, b in zip(u, n, strict=True)) for n in others]
        violators = sum(0.5 + near - f > 0 for f in far)
        expected += math.log(1 + 100 * violators / 4) * max(0.0, 0.5 + near - min(far))
    got = cml_loss(*(torch.from_numpy(part) for part in (user, positive, negatives)), margin=0.5, n_items=100)
    assert expected > 0
    assert float(got) == pytest.approx(expected, rel=1e-6)


def test_covariance_loss_is_numpy_s_off_the_diagonal():
    rows = np.random.default_rng(1).standard_normal((9, 4))
    covariance = np.cov(rows, rowvar=False, bias=True)
    np.fill_diagonal(covariance, 0.0)
    assert float(covariance_loss(torch.from_numpy(rows))) == pytest.approx(float((covariance**2).sum()))


def test_cml_tables_rank_by_distance_inside_the_ball():
    method = CML(TrainingInput(TRAIN, 3, 0, 1), CMLConfig(learning_rate=0.5, batch_size=16))
    train_epoch(method, 0)
    user_emb, item_emb = (table.double() for table in method.tables())
    users, items = user_emb[:, :-1] / 2, item_emb[:, :-1]
    assert max(float(t.norm(dim=1).max()) for t in (users, items)) <= 1 + 1e-6
    distance = torch.cdist(users, items).square()
    product = user_emb @ item_emb.T - users.square().sum(dim=1, keepdim=True)
    assert torch.allclose(product, -distance, atol=1e-6)


def test_elbo_is_its_formula():
    generator = torch.Generator().manual_seed(0)
    code, mean, log_var = (torch.randn(2, 3, generator=generator, dtype=torch.float64) for _ in range(3))
    decoder = torch.nn.Linear(3, 6, dtype=torch.float64)
    logits = decoder(code).detach()
    consumed = [[1, 4], [0, 2, 5]]
    rows = torch.tensor([row for row, items in enumerate(consumed) for _ in items])
    items = torch.tensor([item for items in consumed for item in items])
    expected = 0.0
    for row, mine in enumerate(consumed):
        total = sum(math.exp(x) for x in logits[row])
        expected -= sum(math.log(math.exp(logits[row, item]) / total) for item in mine)
        normal = torch.distributions.Normal(mean[row], (0.5 * log_var[row]).exp())
        divergence = torch.distributions.kl_divergence(normal, torch.distributions.Normal(0.0, 1.0))
        expected += 0.3 * float(divergence.sum())
    likelihood = softmax_log_likelihood(code, decoder, rows, items).detach()
    assert float(elbo_loss(likelihood, mean, log_var, 0.3)) == pytest.approx(expected / 2)


def test_the_softmax_likelihood_has_the_gradient_of_its_plain_form():
    generator = torch.Generator().manual_seed(0)
    code = torch.randn(70, 4, generator=generator, dtype=torch.float64, requires_grad=True)
    decoder = torch.nn.Linear(4, 30, dtype=torch.float64)
    chosen = torch.rand(70, 30, generator=generator) < 0.2
    rows, items = chosen.nonzero(as_tuple=True)
    learned = [code, decoder.weight, decoder.bias]
    plain = (torch.log_softmax(decoder(code), dim=1) * chosen).sum()
    ours = softmax_log_likelihood(code, decoder, rows, items)
    assert float(ours.detach()) == pytest.approx(float(plain.detach()), rel=1e-12)
    for got, expected in zip(
        torch.autograd.grad(ours, learned), torch.autograd.grad(plain, learned), strict=True
    ):
        assert torch.allclose(got, expected, rtol=1e-9, atol=1e-12)


def test_the_sparse_encoder_is_a_dense_network_on_unit_rows():
    encoder = SparseEncoder(20, 5, 4, torch.Generator().manual_seed(0))
    users = np.array([3, 0, 7])
    got = encoder(*encoder.pairs(TRAIN, users), 3)
    dense = torch.zeros(3, 20)
    for row, user in enumerate(users.tolist()):
        dense[row, torch.from_numpy(TRAIN.of(user).astype(np.int64))] = 1.0
    hidden = torch.tanh(torch.nn.functional.normalize(dense) @ encoder.first + encoder.bias)
    assert torch.allclose(got, hidden @ encoder.second.T + encoder.second_bias, atol=1e-6)


def test_multvae_tables_are_its_logits_at_the_mean():
    method = MultVAE(
        TrainingInput(TRAIN, 3, 0, 1), MultVAEConfig(hidden=5, batch_users=4, learning_rate=0.05)
    )
    train_epoch(method, 0)
    everyone = np.arange(TRAIN.n_users)
    mean = method.encoder(*method.encoder.pairs(TRAIN, everyone), 12)[:, :3]
    user_emb, item_emb = method.tables()
    assert torch.allclose(user_emb @ item_emb.T, method.decoder(mean).detach(), atol=1e-5)


def test_beta_grows_from_nothing_and_stays():
    method = MultVAE(TrainingInput(TRAIN, 3, 0, 1), MultVAEConfig(hidden=5, beta=0.2, anneal_epochs=4))
    assert [method.beta_at(step, 10) for step in (0, 20, 40, 90)] == pytest.approx([0.0, 0.1, 0.2, 0.2])


def test_item_autoencoder_ranks_by_bayes_rule():
    method = IAE(TrainingInput(TRAIN, 3, 0, 1), IAEConfig(hidden=5, batch_items=6, learning_rate=0.05))
    train_epoch(method, 0)
    items = np.arange(TRAIN.n_items)
    logits = method.decoder(method.encoder(*method.encoder.pairs(method.items, items), 20)).detach()
    of_user = torch.log_softmax(logits, dim=1).T  # log p(u | i): (U, I)
    counts = torch.from_numpy(np.maximum(TRAIN.item_counts(), 0.5)).float()
    expected = torch.log_softmax(of_user + counts.log(), dim=1)  # log p(i | u)
    user_emb, item_emb = method.tables()
    assert torch.allclose(torch.log_softmax(user_emb @ item_emb.T, dim=1), expected, atol=1e-5)
