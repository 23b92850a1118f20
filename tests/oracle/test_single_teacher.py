"""One batch of every single-teacher method against its definition, computed user by user in numpy."""

import math

import numpy as np
import pytest
import torch
from small_data import two_tastes

from recpress_edge.core.rng import stream, torch_seed
from recpress_edge.distill.dcd import discrepancy_odds
from recpress_edge.distill.experts import gumbel_noise, temperature_at
from recpress_edge.distill.lists import EMPTY
from recpress_edge.distill.methods import METHODS
from recpress_edge.distill.students import create_method
from recpress_edge.models.bpr import BPR
from recpress_edge.models.method import TrainingInput
from recpress_edge.models.outputs import Tables
from recpress_edge.models.settings import BPRConfig
from recpress_edge.models.teacher import Teacher

DATA = two_tastes(n_users=12, n_items=40, per_user=6)
BASE = {"batch_size": 1000, "init_std": 0.5}
EPOCHS = 4


def job() -> TrainingInput:
    rng = np.random.default_rng(7)
    tables = Tables(*(rng.standard_normal((n, 5), np.float32) for n in (12, 40)))
    return TrainingInput(DATA.train, 3, 0, EPOCHS, Teacher("bpr_dim5", tables))


def teacher_order() -> list[list[int]]:
    """Each user's unobserved items by the teacher's score."""
    tables = job().teacher.embeddings()
    scores = tables.user_emb @ tables.item_emb.T
    seen = [set(DATA.train.of(u).tolist()) for u in range(12)]
    return [[i for i in np.argsort(-scores[u]).tolist() if i not in seen[u]] for u in range(12)]


class Student:
    """Scores and batch of a fresh method: all users, in one batch."""

    def __init__(self, method) -> None:
        users, items = (table.double().numpy() for table in method.tables())
        self.user_emb, self.item_emb = users, items
        self.scores = users @ items.T
        users, positives, negatives = method.sampler.epoch(0, 0, 1)
        self.batch = users, positives, negatives[:, 0]


def term_of(name, config, **after) -> tuple[float, Student, object]:
    """What the terms add to BPR's loss in the first batch."""
    method = create_method(name, job(), config)
    student = Student(method)
    (loss,) = method.batch_losses(after.get("epoch", 0))
    (base,) = BPR(job(), BPRConfig(**BASE)).batch_losses(after.get("epoch", 0))
    return float((loss - base).detach()), student, method


def plackett_luce(top, rest) -> float:
    total = 0.0
    for k in range(len(top)):
        total -= top[k] - math.log(sum(map(math.exp, top[k:])) + sum(map(math.exp, rest)))
    return total


def listed(row, scores) -> list[float]:
    return [scores[column] for column in row.tolist() if column != EMPTY]


def test_rrd():
    config = METHODS["rrd"].config(**BASE, list_weight=0.3, pool=12, interesting=4, uninteresting=6)
    got, student, method = term_of("rrd", config)
    top, rest = (part.numpy() for part in method.terms["lists"].drawn)
    expected = 0.0
    for user, order in enumerate(teacher_order()):
        places = [order.index(item) for item in top[user].tolist()]
        assert places == sorted(places)
        assert max(places) < 12
        assert all(order.index(item) >= 12 for item in rest[user].tolist())
        expected += plackett_luce(
            listed(top[user], student.scores[user]), listed(rest[user], student.scores[user])
        )
    assert got == pytest.approx(0.3 * expected, rel=1e-4)


def test_rrd_with_the_first_of_the_list():
    config = METHODS["rrd"].config(**BASE, pool=12, interesting=4, deterministic=True)
    _, _, method = term_of("rrd", config)
    top = method.terms["lists"].drawn[0]
    assert top.tolist() == [order[:4] for order in teacher_order()]


def test_lists_are_drawn_anew_each_epoch_and_the_same_again():
    method = create_method("rrd", job(), METHODS["rrd"].config(**BASE, pool=20, interesting=4))
    term = method.terms["lists"]
    drawn = []
    for epoch in (0, 1, 0):
        term.start(epoch, method.tables())
        drawn.append(term.drawn[0].clone())
    assert not torch.equal(drawn[0], drawn[1])
    assert torch.equal(drawn[0], drawn[2])


def expert_loss(method, student, weight) -> float:
    """DE entity by entity, expert by expert; noise is drawn for users, positives, negatives in turn."""
    term = method.terms["experts"]
    temperature = temperature_at(0, EPOCHS)
    noise = torch.Generator().manual_seed(torch_seed(0, "gumbel", 0))
    tables = job().teacher.embeddings()
    parts = [
        (np.unique(student.batch[0]), student.user_emb, tables.user_emb, term.experts[0], 1.0),
        (np.unique(student.batch[1]), student.item_emb, tables.item_emb, term.experts[1], 0.5),
        (np.unique(student.batch[2]), student.item_emb, tables.item_emb, term.experts[1], 0.5),
    ]
    total = 0.0
    for entities, s_all, t_all, side, share in parts:
        gumbel = gumbel_noise(len(entities), side.n_experts, noise).double().numpy()
        w, inner, outer = (p.detach().double().numpy() for p in (side.assignment, side.inner, side.outer))
        for entity, g in zip(entities.tolist(), gumbel, strict=True):
            s, t = s_all[entity], t_all[entity].astype(np.float64)
            alpha = np.exp(w @ t) / np.exp(w @ t).sum()
            score = (np.log(alpha + 1e-10) + g) / temperature
            z = np.exp(score - score.max()) / np.exp(score - score.max()).sum()
            hint = sum(
                z[k] * (np.maximum(s @ inner[k, :-1] + inner[k, -1], 0.0) @ outer[k, :-1] + outer[k, -1])
                for k in range(side.n_experts)
            )
            total += share * ((t - hint) ** 2).sum()
    return weight * total


def test_de():
    got, student, method = term_of("de", METHODS["de"].config(**BASE, expert_weight=0.2, experts=4))
    assert got == pytest.approx(expert_loss(method, student, 0.2), rel=1e-4)
    learned = {name.split("/")[-1] for name in method.optimizer.state()}
    assert "experts.item_side.outer" in learned


def test_de_rrd_is_the_sum():
    config = METHODS["de_rrd"].config(
        **BASE, list_weight=0.3, pool=12, interesting=4, uninteresting=6, expert_weight=0.2, experts=4
    )
    both, student, method = term_of("de_rrd", config)
    lists, _, _ = term_of(
        "rrd", METHODS["rrd"].config(**BASE, list_weight=0.3, pool=12, interesting=4, uninteresting=6)
    )
    assert both == pytest.approx(lists + expert_loss(method, student, 0.2), rel=1e-4)


def test_irrrd_adds_the_users_of_an_item():
    config = METHODS["irrrd"].config(
        **BASE, list_weight=0.0, item_weight=0.4, item_pool=5, item_interesting=3, item_uninteresting=4
    )
    got, student, method = term_of("irrrd", config)
    top, rest = (part.numpy() for part in method.terms["item_lists"].drawn)
    tables = job().teacher.embeddings()
    taught = tables.item_emb @ tables.user_emb.T
    expected = 0.0
    for item in np.unique(np.concatenate(student.batch[1:])).tolist():
        order = [u for u in np.argsort(-taught[item]).tolist() if item not in DATA.train.of(u)]
        interesting = [u for u in top[item].tolist() if u != EMPTY]
        assert [order.index(u) for u in interesting] == sorted(order.index(u) for u in interesting)
        assert set(interesting) <= set(order[:5])
        assert set(rest[item].tolist()) - {EMPTY} <= set(order[5:])
        column = student.scores[:, item]
        expected += plackett_luce(listed(top[item], column), listed(rest[item], column))
    assert got == pytest.approx(0.4 * expected, rel=1e-4)


@pytest.mark.parametrize("epoch", [0, 3])
def test_rd(epoch):
    config = METHODS["rd"].config(
        **BASE, list_weight=0.3, top_items=5, sharpness=2.0, sampled=9, steepness=0.05, dynamic_from=2
    )
    got, student, method = term_of("rd", config, epoch=epoch)
    raw = np.exp(-np.arange(1, 6) / 2.0)
    expected = 0.0
    for user, order in enumerate(teacher_order()):
        for place, item in enumerate(order[:5]):
            weight = raw[place] / raw.sum()
            if epoch >= 2:
                sampled = method.terms["list"].sampled[user].tolist()
                above = sum(student.scores[user, j] > student.scores[user, item] for j in sampled)
                weight *= math.tanh(0.05 * max(40 * above / 9 - (place + 1), 0.0))
            expected += weight * math.log1p(math.exp(-student.scores[user, item]))
    assert got == pytest.approx(0.3 * expected, rel=1e-4)


def test_cd():
    config = METHODS["cd"].config(**BASE, list_weight=0.3, pool=15, drawn=6, label_decay=4.0)
    got, student, method = term_of("cd", config)
    expected = 0.0
    for user, order in enumerate(teacher_order()):
        for item in method.terms["labels"].items[user].tolist():
            assert order.index(item) < 15
            label = math.exp(-order.index(item) / 4.0)
            probability = 1 / (1 + math.exp(-student.scores[user, item]))
            expected -= label * math.log(probability) + (1 - label) * math.log(1 - probability)
    assert got == pytest.approx(0.3 * expected, rel=1e-4)


def test_unkd():
    config = METHODS["unkd"].config(**BASE, list_weight=0.3, pool=40, groups=3, pairs=7)
    got, student, method = term_of("unkd", config)
    counts = DATA.train.item_counts()
    order = np.argsort(-counts, kind="stable")
    before = np.cumsum(counts[order]) - counts[order]
    group = dict(zip(order.tolist(), (before * 3 // counts.sum()).clip(0, 2).tolist(), strict=True))
    term = method.terms["pairs"]
    expected, drawn = 0.0, 0
    for user, ranked in enumerate(teacher_order()):
        for better, worse in zip(term.better[user].tolist(), term.worse[user].tolist(), strict=True):
            assert (better == EMPTY) == (worse == EMPTY)
            if better != EMPTY:
                assert group[better] == group[worse]
                assert ranked.index(better) < ranked.index(worse)
                gap = student.scores[user, better] - student.scores[user, worse]
                expected += math.log1p(math.exp(-gap))
                drawn += 1
    assert drawn > 100
    assert got == pytest.approx(0.3 * expected, rel=1e-4)


def test_dcd_draws_what_the_student_gets_wrong():
    config = METHODS["dcd"].config(
        **BASE, list_weight=0.3, item_weight=0.0, pool=10, item_pool=4, corrected=3, steepness=0.1
    )
    got, student, method = term_of("dcd", config)
    under, over = (part.numpy() for part in method.terms["users"].corrected)
    expected = 0.0
    for user, taught in enumerate(teacher_order()):
        own = [i for i in np.argsort(-student.scores[user]).tolist() if i in set(taught)]
        for item in under[user].tolist():
            if item != EMPTY:  # in the teacher's list, and ranked lower by the student
                assert taught.index(item) < min(own.index(item), 10)
        for item in over[user].tolist():
            if item != EMPTY:
                assert own.index(item) < min(taught.index(item), 10)
        expected += plackett_luce(
            listed(under[user], student.scores[user]), listed(over[user], student.scores[user])
        )
    assert got == pytest.approx(0.3 * expected, rel=1e-4)


def test_dcd_odds_by_hand():

    teacher, student = np.array([[4, 7, 2]], np.int32), np.array([[7, 2, 5]], np.int32)
    # 4 is absent from the student's list: rank 3 against 0. 7 and 2 the student ranks better.
    got = discrepancy_odds(teacher, student, 9, 0.5)
    assert got[0].tolist() == [pytest.approx(math.log(math.tanh(1.5))), -math.inf, -math.inf]


def test_dcd_remembers_the_lists_it_looked_at():
    """A run that resumes between two looks goes on with the lists of the last one."""
    config = METHODS["dcd"].config(**BASE, pool=10, item_pool=4, corrected=3, refresh_every=2)
    method = create_method("dcd", job(), config)
    for loss in method.batch_losses(0):
        loss.backward()
        method.optimizer.step()
    resumed = create_method("dcd", job(), config)
    for name, value in resumed.memory().items():
        value.copy_(method.memory()[name])
    for one in (method, resumed):
        one.terms["users"].start(1, method.tables())
    for a, b in zip(method.terms["users"].corrected, resumed.terms["users"].corrected, strict=True):
        assert torch.equal(a, b)


def test_streams_of_the_terms_differ():
    """Users and items, interesting and not: none shifts another."""
    purposes = [
        f"rrd {side} {kind}" for side in ("users", "items") for kind in ("interesting", "uninteresting")
    ]
    assert len({stream(0, purpose, 0).integers(2**60) for purpose in purposes}) == 4
