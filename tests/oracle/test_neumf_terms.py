"""The terms of NeuMF students over one batch, from the plain definitions on the network's own embeddings."""

import numpy as np
import pytest
import torch
from plain_topology import full_topology_loss_plain, hierarchical_topology_loss_plain
from small_data import two_tastes

from recpress_edge.core.rng import torch_seed
from recpress_edge.distill.experts import temperature_at
from recpress_edge.distill.methods import METHODS
from recpress_edge.distill.students import create_method
from recpress_edge.models.bpr import NegativeSampler
from recpress_edge.models.method import TrainingInput
from recpress_edge.models.neumf import NeuMFMethod
from recpress_edge.models.outputs import Tables
from recpress_edge.models.settings import NeuMFConfig
from recpress_edge.models.teacher import Teacher

DATA = two_tastes(n_users=12, n_items=40, per_user=6)
BASE = {"batch_size": 1000, "init_std": 0.5, "learning_rate": 1e-3}
EPOCHS = 4


def job() -> TrainingInput:
    rng = np.random.default_rng(7)
    tables = Tables(*(rng.standard_normal((n, 5), np.float32) for n in (12, 40)))
    return TrainingInput(DATA.train, 2, 0, EPOCHS, Teacher("bpr_dim5", tables))


def batch_rows(method) -> tuple[tuple[torch.Tensor, torch.Tensor], tuple[torch.Tensor, torch.Tensor]]:
    """Rows of the first batch's unique users and items: the student's, GMF and MLP, and the teacher's."""
    users, positives, negatives = NegativeSampler(DATA.train).epoch(0, 0, 2)
    users, items = np.unique(users), np.unique(np.concatenate([positives, negatives.ravel()]))
    p = dict(method.network.named_parameters())
    student = tuple(
        torch.cat([p[f"{side}_gmf"][rows], p[f"{side}_mlp"][rows]], dim=1)
        for side, rows in (("user", users), ("item", items))
    )
    tables = job().teacher.embeddings()
    return student, (torch.from_numpy(tables.user_emb[users]), torch.from_numpy(tables.item_emb[items]))


def first_loss(method) -> torch.Tensor:
    (loss,) = method.batch_losses(0)
    return loss


def gradients(method, loss) -> list[torch.Tensor]:
    method.optimizer.zero_grad()
    loss.backward()
    return [p.grad.clone() for p in method.optimizer.parameters().values() if p.grad is not None]


@pytest.mark.parametrize("name", ["ftd", "htd"])
def test_the_term_has_the_gradient_of_its_definition(name):
    shared = {**BASE, "negatives": 2, "topology_weight": 0.2}
    if name == "ftd":
        method = create_method("ftd-neumf", job(), METHODS["ftd-neumf"].config(**shared))
    else:
        method = create_method(
            "htd-neumf", job(), METHODS["htd-neumf"].config(**shared, gamma=0.3, experts=3)
        )
    ours = gradients(method, first_loss(method))

    base = NeuMFMethod.batch_loss(method, *next(method.sampler.batches(0, 0, 2, 1000, "cpu")))
    student, teacher = batch_rows(method)
    if name == "ftd":
        term = full_topology_loss_plain(torch.cat(student), torch.cat(teacher))
    else:
        noise = torch.Generator().manual_seed(torch_seed(0, "gumbel", 0))
        experts = method.terms["topology"].experts
        term = hierarchical_topology_loss_plain(
            student, teacher, experts, temperature_at(0, EPOCHS), noise, 0.3
        )
    theirs = gradients(method, base + 0.2 * term)
    assert len(ours) == len(theirs) > 9
    for one, other in zip(ours, theirs, strict=True):
        assert torch.allclose(one, other, atol=2e-5)


def test_weight_decay_covers_the_experts():
    method = create_method("htd-neumf", job(), METHODS["htd-neumf"].config(experts=3))
    assert {name.partition(".")[0] for name in method.optimizer.parameters()} == {"network", "topology"}
    assert set(method.parameters()) == set(
        NeuMFMethod(job(), NeuMFConfig()).parameters()  # what is kept is the network alone
    )
