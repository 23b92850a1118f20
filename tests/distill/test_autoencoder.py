"""The student of one hidden layer: taught by scores of all items, and what its file needs."""

import numpy as np
import pytest
import torch

from recpress_edge.artifacts import tanh_history
from recpress_edge.core.errors import ConfigError
from recpress_edge.data.interactions import Interactions
from recpress_edge.distill.autoencoder import student as module
from recpress_edge.distill.autoencoder.soft_labels import mixed_cross_entropy, soft_scores
from recpress_edge.distill.autoencoder.student import AEMethod
from recpress_edge.distill.students import check_pair, parse_name, teacher_name
from recpress_edge.models.ecae.settings import AEConfig
from recpress_edge.models.method import TrainingInput
from recpress_edge.models.outputs import Tables
from recpress_edge.models.teacher import Teacher

N_USERS, N_ITEMS, DIM = 6, 8, 3
TAKEN = [[], [2], list(range(N_ITEMS)), [0, 1, 2], [4, 5], [0, 6]]


SMALL = AEConfig(batch_users=2)


def train_of(taken=TAKEN):
    users = np.repeat(np.arange(len(taken)), [len(items) for items in taken])
    return Interactions.from_pairs(
        users, np.concatenate([np.array(i, int) for i in taken]), len(taken), N_ITEMS
    )


def product(seed=0) -> Teacher:
    rng = np.random.default_rng(seed)
    return Teacher("bpr", Tables(*(rng.standard_normal((n, 5), np.float32) for n in (N_USERS, N_ITEMS))))


def trained(teacher=None, config=SMALL, epochs=3, seed=0) -> AEMethod:
    model = AEMethod(TrainingInput(train_of(), DIM, seed, epochs, teacher), config)
    for epoch in range(epochs):
        for loss in model.batch_losses(epoch):
            model.optimizer.zero_grad()
            loss.backward()
            model.optimizer.step()
    return model


def test_its_loss_is_the_mixture_that_it_says():
    rng = torch.Generator().manual_seed(0)
    scores, told = torch.randn(2, 2, N_ITEMS, generator=rng)
    items = torch.tensor([[1, 1, 0, 0, 0, 0, 0, 1], [0, 0, 1, 0, 0, 0, 0, 0.0]])
    logs = torch.log_softmax(scores, dim=1)
    of_items = -(items * logs).sum() / 2
    soft = torch.softmax(told / 2, dim=1)  # seen items stay in it
    of_teacher = -(torch.tensor([[3.0], [1.0]]) * soft * logs).sum() / 2
    wanted = 0.3 * of_items + 0.7 * of_teacher
    assert mixed_cross_entropy(scores, items, told, 0.7, 2.0).item() == pytest.approx(wanted.item(), rel=1e-5)
    assert mixed_cross_entropy(scores, items, None, 0.7, 2.0).item() == pytest.approx(
        of_items.item(), rel=1e-5
    )


def test_two_tables_teach_by_their_product():
    teacher = product()
    found = soft_scores(teacher, "cpu")(torch.tensor([4, 1]))
    assert np.allclose(
        found.numpy(), (teacher.tables.user_emb @ teacher.tables.item_emb.T)[[4, 1]], atol=1e-6
    )


def test_a_share_of_0_is_the_student_alone():
    users = np.arange(N_USERS)
    alone, none, taught = (
        model.scores(users)
        for model in (
            trained(),
            trained(product(), AEConfig(batch_users=2, soft_share=0.0)),
            trained(product()),
        )
    )
    assert np.allclose(alone, none, atol=1e-6)
    assert not np.allclose(alone, taught, atol=1e-3)


def test_it_scores_histories_of_nothing_one_and_all_items_and_of_new_users():
    model = trained()
    a = {name: value.numpy().astype(np.float64) for name, value in model.parameters().items()}
    taken = [[], [5], list(range(N_ITEMS)), [1, 7]]
    found = model.rows_after(train_of(taken))(np.arange(4))
    for row, items in zip(found, taken, strict=True):
        total = a["history_emb"][items].sum(axis=0) / np.sqrt(max(len(items), 1))
        wanted = a["item_emb"] @ np.tanh(a["prior"] + total) + a["item_bias"]
        assert np.allclose(row, wanted, atol=1e-5)


def test_of_more_items_than_a_file_counts_the_root_is_that_of_so_many(monkeypatch):
    monkeypatch.setattr(module, "COUNTED", 4)
    model = trained()
    a = {name: value.numpy() for name, value in model.parameters().items()}
    found = model.rows_after(train_of([list(range(N_ITEMS))]))(np.arange(1))
    wanted = a["item_emb"] @ np.tanh(a["prior"] + a["history_emb"].sum(axis=0) / 2) + a["item_bias"]
    assert np.allclose(found[0], wanted, atol=1e-5)
    assert tanh_history.COUNTED == 4096


def test_seeds_decide_everything():
    users = np.arange(N_USERS)
    one, same, other = (trained(product(), seed=seed).scores(users).tobytes() for seed in (0, 0, 1))
    assert one == same != other


def test_a_teacher_that_keeps_no_scores_of_all_items_is_refused_by_name():
    student = parse_name("ae_dim16")
    assert teacher_name(student, None) == "ecae_dim200"
    assert teacher_name(student, "none") is None
    assert teacher_name(student, None, size=30_000) == "als_dim400"
    for fit in ("ecae_dim200", "bpr_dim20", "multvae_dim200", "als_dim64", "lightgcn_dim64"):
        check_pair(student, parse_name(fit, "teacher"))
    for other in ("ease", "neumf_dim16", "sasrec_dim64", "ae_dim16", "ensemble:bpr_dim8+ease"):
        with pytest.raises(
            ConfigError, match=r"keeps scores of all items, seen ones too, and .* does not\. Teachers"
        ):
            check_pair(student, parse_name(other, "teacher"))


def test_an_ecae_teaches_what_embeddings_and_rankings_teach_and_no_product():
    teacher = parse_name("ecae_dim200", "teacher")
    for name in (
        "ftd_dim16",
        "htd_dim16",
        "de_dim16",
        "rrd_dim16",
        "soft_dim16",
        "svd_dim16",
        "de-neumf_dim8",
    ):
        check_pair(parse_name(name), teacher)
    for name in ("irrrd_dim16", "dcd_dim16"):
        with pytest.raises(ConfigError, match="embeddings whose product is no score"):
            check_pair(parse_name(name), teacher)
    with pytest.raises(ConfigError, match="can only be a teacher"):
        parse_name("ecae_dim200")
