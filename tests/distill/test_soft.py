"""Soft targets: the row loss and the teacher's lists."""

import dataclasses

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from small_data import two_tastes

from recpress_edge.core.errors import ConfigError
from recpress_edge.data.interactions import Interactions
from recpress_edge.distill.settings import SoftConfig
from recpress_edge.distill.soft import WARM_NOISE, Soft
from recpress_edge.distill.soft_targets import TeacherTargets, mix_targets, rank_targets, teacher_targets
from recpress_edge.models.closed.low_rank import of_tables
from recpress_edge.models.closed.svd import nearest_tables
from recpress_edge.models.method import TrainingInput
from recpress_edge.models.nn import logsumexp_of_product
from recpress_edge.models.outputs import Rankings, Tables
from recpress_edge.models.ranking import best_columns, top_items, top_of_tables
from recpress_edge.models.teacher import Teacher


def _train(pairs: list[tuple[int, int]], n_users: int, n_items: int) -> Interactions:
    users, items = np.array(pairs, int).T
    return Interactions.from_pairs(users, items, n_users, n_items)


def test_logsumexp_of_product_has_the_gradient_of_its_definition():
    generator = torch.Generator().manual_seed(0)
    left = torch.randn(5, 3, generator=generator, dtype=torch.float64, requires_grad=True)
    right = torch.randn(7, 3, generator=generator, dtype=torch.float64, requires_grad=True)
    assert torch.allclose(logsumexp_of_product(left, right), torch.logsumexp(left @ right.T, dim=1))
    assert torch.autograd.gradcheck(logsumexp_of_product, (left, right))


def test_targets_without_a_teacher_are_uniform_over_train_items():
    targets = mix_targets(_train([(0, 1), (0, 3), (2, 0)], 3, 4), None, 0.5)
    offsets, items, weights = targets.rows(np.array([2, 1, 0]))
    assert offsets.tolist() == [0, 1, 1]
    assert items.tolist() == [0, 1, 3]
    assert weights.tolist() == [1.0, 0.5, 0.5]


def test_targets_with_a_teacher_share_the_mass():
    train = _train([(0, 1), (0, 3)], 2, 4)
    teacher = TeacherTargets(np.array([[0, 2], [3, 1]]), np.array([[0.75, 0.25], [1.0, 0.0]], np.float32))
    targets = mix_targets(train, teacher, teacher_weight=0.4)
    _, items, weights = targets.rows(np.array([0]))
    assert dict(zip(items.tolist(), weights.tolist(), strict=True)) == pytest.approx(
        {1: 0.3, 3: 0.3, 0: 0.3, 2: 0.1}
    )
    _, items, weights = targets.rows(np.array([1]))  # nothing in train: the teacher alone
    assert dict(zip(items.tolist(), weights.tolist(), strict=True)) == {3: 1.0, 1: 0.0}


def test_a_teacher_with_nothing_to_offer_leaves_the_train_items():
    train = _train([(0, 0), (0, 1)], 1, 2)
    eye = np.eye(2, dtype=np.float32)
    teacher = teacher_targets(top_of_tables(Tables(eye[:1], eye), train, 2), temperature=1.0)
    _, items, weights = mix_targets(train, teacher, 0.5).rows(np.array([0]))
    assert np.bincount(items, weights, minlength=2).tolist() == [0.5, 0.5]


def test_teacher_list_skips_train_items_and_breaks_ties_low():
    train = _train([(0, 0), (1, 3)], 2, 5)
    item_emb = np.array([[5.0], [1.0], [2.0], [2.0], [2.0]], np.float32)  # root mean square √7.6
    top = top_of_tables(Tables(np.array([[2.0], [1.0]], np.float32), item_emb), train, 3)
    assert top.items.tolist() == [[2, 3, 4], [0, 2, 4]]
    assert np.allclose(top.scores * np.sqrt(7.6), [[2, 2, 2], [5, 2, 2]])


def test_ties_for_the_last_place_go_to_the_lower_index():
    scores = torch.zeros(3, 40)
    scores[1, 39] = 1.0
    columns, _ = best_columns(scores, 3)
    assert columns.tolist() == [[0, 1, 2], [39, 0, 1], [0, 1, 2]]


@pytest.mark.parametrize("scale", [1.0, 20.0])
def test_teacher_distribution_is_a_softmax_of_its_cosines_at_any_scale(scale):
    train = _train([(0, 2)], 1, 3)
    item_emb = np.array([[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0]], np.float32) * np.float32(scale)
    teacher = Teacher("cosines", Tables(np.array([[3.0, 4.0]], np.float32), item_emb))
    targets = teacher_targets(top_items(teacher, train, 2), temperature=0.1)
    assert targets.items.tolist() == [[1, 0]]  # cosines 0.8 and 0.6
    expected = torch.softmax(torch.tensor([8.0, 6.0]), dim=0).tolist()
    assert targets.weights[0].tolist() == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("score", ["inner", "cosine"])
def test_batch_loss_is_the_cross_entropy_of_whole_rows(score):
    data = two_tastes(n_users=7, n_items=20, per_user=4)
    config = SoftConfig(batch_users=7, top_items=5, targets="scores", teacher_weight=0.7, score=score)
    teacher = _noise(7, 20)
    method = Soft(TrainingInput(data.train, 3, 0, 1, teacher), config)
    (loss,) = method.batch_losses(0)
    user_emb, item_emb = method.tables()
    target = torch.zeros(7, 20, dtype=torch.float64)
    top = teacher_targets(top_items(teacher, data.train, 5), config.teacher_temperature)
    for user in range(7):
        mine = torch.from_numpy(data.train.of(user).astype(np.int64))
        target[user, mine] += 0.3 / len(mine)
        for item, weight in zip(top.items[user], top.weights[user], strict=True):
            target[user, item] += 0.7 * float(weight)
    logits = (user_emb @ item_emb.T).double() / (config.temperature if score == "cosine" else 1.0)
    expected = -(target * F.log_softmax(logits, dim=1)).sum(dim=1).mean()
    assert float(loss.detach()) == pytest.approx(float(expected), rel=1e-5)


def _noise(n_users: int, n_items: int, dim: int = 3) -> Teacher:
    rng = np.random.default_rng(0)
    return Teacher("noise", Tables(*(rng.standard_normal((n, dim), np.float32) for n in (n_users, n_items))))


def test_it_starts_from_the_svd_of_its_teacher_up_to_the_scale():
    data = two_tastes(n_users=40, n_items=30, per_user=4)
    teacher = _noise(40, 30, 6)
    method = Soft(TrainingInput(data.train, 4, 0, 1, teacher), SoftConfig())
    start, nearest = (
        user_emb @ item_emb.T
        for user_emb, item_emb in (method.tables(), nearest_tables(teacher, data.train, 4))
    )
    assert torch.allclose(start / start.norm(), nearest / nearest.norm(), atol=1e-5)
    assert method.starts_trained
    sizes = [table.square().mean() for table in method.tables()]
    assert sizes[0] == pytest.approx(float(sizes[1]), rel=1e-4)


def test_the_scale_of_the_start_is_that_of_the_lowest_loss():
    data = two_tastes(n_users=40, n_items=30, per_user=4)
    method = Soft(TrainingInput(data.train, 4, 0, 1, _noise(40, 30, 6)), SoftConfig())
    users = np.arange(40)
    with torch.no_grad():
        at, flatter, sharper = (float(method._full_loss(users, scale)) for scale in (1.0, 0.7, 1.4))
    assert at < min(flatter, sharper)


def test_dimensions_that_the_teacher_lacks_are_drawn_small():
    data = two_tastes(n_users=40, n_items=30, per_user=4)
    teacher = _noise(40, 30, 3)
    method = Soft(TrainingInput(data.train, 8, 0, 1, teacher), SoftConfig())
    for table in method.tables():
        sizes = torch.linalg.svdvals(table)
        assert 0 < sizes[7] <= sizes[3] < 0.5 * sizes[2]


def test_the_dimensions_of_its_start_are_about_equally_large():
    data = two_tastes(n_users=40, n_items=30, per_user=4)
    rng = np.random.default_rng(0)
    falling = 2.0 ** -np.arange(8, dtype=np.float32)
    tables = Tables(*(rng.standard_normal((n, 8), np.float32) * falling for n in (40, 30)))
    method = Soft(TrainingInput(data.train, 8, 0, 1, Teacher("falling", tables)), SoftConfig())
    sizes = method.tables()[1].square().mean(dim=0).sqrt()
    nearest = nearest_tables(Teacher("falling", tables), data.train, 8)[1].square().mean(dim=0).sqrt()
    assert nearest.max() > 20 * nearest.min()
    assert sizes.max() < 5 * sizes.min()


def test_it_starts_from_the_tables_near_to_an_ensemble_of_its_own_width():
    data = two_tastes(n_users=40, n_items=30, per_user=4)
    near = _noise(40, 30, 6).product()
    top = top_of_tables(near, data.train, 20)
    method = Soft(
        TrainingInput(data.train, 4, 0, 1, Teacher("several", rankings=top, near=near)), SoftConfig()
    )
    start, nearest = (user_emb @ item_emb.T for user_emb, item_emb in (method.tables(), of_tables(near, 4)))
    assert torch.allclose(start / start.norm(), nearest / nearest.norm(), atol=1e-5)


def test_the_scale_is_that_of_the_first_valley_where_large_ones_hold_all_logits():
    data = two_tastes(n_users=40, n_items=30, per_user=10)  # the loss: 2.7 at 2, 10.6 at 32, 2.5 at 128
    user_emb, item_emb = Soft(TrainingInput(data.train, 10, 0, 1), SoftConfig()).tables()
    assert float((user_emb @ item_emb.T).abs().max()) < 10


def test_without_a_teacher_it_starts_from_the_svd_of_the_interactions():
    data = two_tastes(n_users=40, n_items=30, per_user=4)
    method = Soft(TrainingInput(data.train, 2, 0, 1), SoftConfig())
    assert set(method.candidates()) == {"score", "learning_rate"}
    other = Soft(TrainingInput(data.train, 2, 1, 1), SoftConfig())  # another seed: turned otherwise
    products = [user_emb @ item_emb.T for user_emb, item_emb in (method.tables(), other.tables())]
    assert torch.allclose(*products, atol=1e-4)
    assert not torch.allclose(method.tables()[0], other.tables()[0], atol=0.1)


def test_a_start_from_noise_goes_on_from_rows_that_are_mostly_noise():
    data = two_tastes(60, 200)
    tables = _noise(60, 200, 50).tables
    assert tables
    warm = TrainingInput(data.train, 50, 0, 1, start=tables, warm=True)
    fewer = dataclasses.replace(warm, train=_train([(0, 0)], 60, 200))
    config = SoftConfig(start="noise", score="inner", learning_rate=0.1)
    blurred, other = (Soft(given, config).mf.item_emb.detach().numpy() for given in (warm, fewer))
    known = tables.item_emb
    np.testing.assert_allclose(np.linalg.norm(blurred, axis=1), np.linalg.norm(known, axis=1), rtol=0.5)
    assert _cosine(blurred, known) == pytest.approx((1 - WARM_NOISE) ** 0.5, abs=0.02)
    assert _cosine(blurred, other) == pytest.approx(1 - WARM_NOISE, abs=0.03)  # another night, other noise
    by_svd = Soft(warm, SoftConfig(score="inner", learning_rate=0.1))
    np.testing.assert_array_equal(by_svd.mf.item_emb.detach().numpy(), known)


def _cosine(one: np.ndarray, other: np.ndarray) -> float:
    return float((one * other).sum() / np.linalg.norm(one) / np.linalg.norm(other))


def test_logits_are_held_in_the_whole_loss_so_that_nothing_is_gained_beyond():
    data = two_tastes(n_users=7, n_items=20, per_user=4)
    start = Tables(*(np.full((n, 2), 30.0, np.float32) for n in (7, 20)))
    method = Soft(TrainingInput(data.train, 2, 0, 1, start=start), SoftConfig(teacher_weight=0.5))
    (loss,) = method.batch_losses(0)
    loss.backward()
    assert torch.isfinite(loss)
    assert torch.equal(method.mf.user_emb.grad, torch.zeros(7, 2))  # all 1,800: flat on both sides


def test_the_step_falls_to_zero_over_the_schedule_and_batches_fit_the_users():
    data = two_tastes(n_users=64, n_items=30, per_user=4)
    method = Soft(TrainingInput(data.train, 2, 0, 2), SoftConfig(learning_rate=0.1))
    rates = [method.optimizer.learning_rate for epoch in range(2) for _ in method.batch_losses(epoch)]
    assert method.batch_users == 32
    assert rates == sorted(rates, reverse=True)
    assert rates[0] == pytest.approx(method.first_rate)
    assert rates[-1] < 0.2 * rates[0]


def test_rank_targets_are_a_long_list_and_a_short_one():
    top = Rankings(np.array([[4, 2, 7], [1, -1, -1]], np.int32), np.zeros((2, 3), np.float32))
    targets = rank_targets(top, 2.0, 1.0, 0.25)
    long, head = (np.exp(-np.arange(3) / scale) for scale in (2.0, 1.0))
    assert targets.items.tolist() == [[4, 2, 7], [1, 0, 0]]
    mixed = 0.75 * long / long.sum() + 0.25 * head / head.sum()
    assert targets.weights[0].tolist() == pytest.approx(mixed.tolist(), rel=1e-5)
    assert targets.weights[1].tolist() == pytest.approx([1.0, 0.0, 0.0])


@pytest.mark.parametrize(("targets", "gap"), [("ranks", np.exp(-1 / 30)), ("scores", np.exp(-0.2 / 0.2))])
def test_a_teacher_teaches_by_rank_unless_asked(targets, gap):
    train = _train([(0, 0)], 1, 4)
    top = Rankings(np.array([[2, 1, 3]], np.int32), np.array([[0.4, 0.2, 0.1]], np.float32))
    config = SoftConfig(targets=targets, top_items=2, teacher_weight=1.0, head_share=0.0, start="noise")
    method = Soft(TrainingInput(train, 2, 0, 1, Teacher("ranks", rankings=top)), config)
    _, items, weights = method.targets.rows(np.array([0]))
    weight = dict(zip(items.tolist(), weights.tolist(), strict=True))
    assert weight == pytest.approx({0: 0.0, 2: 1 / (1 + gap), 1: gap / (1 + gap)}, rel=1e-5)


def test_cosine_tables_have_rows_of_unit_length():
    method = Soft(TrainingInput(two_tastes().train, 4, 0, 1), SoftConfig(score="cosine", start="noise"))
    for table in method.tables():
        assert torch.allclose(table.norm(dim=1), torch.ones(len(table)))


@pytest.mark.parametrize(
    ("setting", "value"),
    [("temperature", 0.01), ("teacher_weight", 1.5), ("learning_rate", 0.0), ("top_items", 0)],
)
def test_settings_are_checked(setting, value):
    with pytest.raises(ConfigError, match=f"method.{setting}"):
        SoftConfig(**{setting: value})
