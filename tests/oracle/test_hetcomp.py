"""HetComp's targets, curriculum and losses in plain Python, user by user."""

import math

import numpy as np
import pytest
import torch
from small_data import two_tastes

from recpress_edge.distill import hetcomp
from recpress_edge.distill.lists import EMPTY
from recpress_edge.models.nn import TILE_ROWS, logsumexp_of_product


def lists(seed: int, users: int = 6, length: int = 8, n_items: int = 20) -> np.ndarray:
    rng = np.random.default_rng(seed)
    made = np.stack([rng.permutation(n_items)[:length] for _ in range(users)]).astype(np.int32)
    made[0, 5:] = EMPTY
    return made


def test_fused_lists_sum_what_an_item_is_worth_to_every_teacher():
    teachers = [lists(seed) for seed in range(3)]
    fused = hetcomp.fused_lists(teachers, 7, 10.0)
    for user in range(6):
        worth: dict[int, float] = {}
        for teacher in teachers:
            for rank, item in enumerate(teacher[user].tolist()):
                if item != EMPTY:
                    worth[item] = worth.get(item, 0.0) + math.exp(-rank / 10.0)
        assert fused[user].tolist() == sorted(worth, key=lambda item: (-round(worth[item], 12), item))[:7]


def test_fused_lists_of_few_items():
    teachers = [np.array([[3, EMPTY, EMPTY]], np.int32), np.array([[3, 1, EMPTY]], np.int32)]
    assert hetcomp.fused_lists(teachers, 4, 10.0).tolist() == [[3, 1, EMPTY, EMPTY]]
    # Alike to both teachers in turn: the lower index first.
    tied = [np.array([[5, 2]], np.int32), np.array([[2, 5]], np.int32)]
    assert hetcomp.fused_lists(tied, 2, 10.0).tolist() == [[2, 5]]


def test_fused_observed_items():
    train = two_tastes(n_users=9, n_items=16, per_user=5).train
    rng = np.random.default_rng(1)
    ranks = [np.concatenate([rng.permutation(5) for _ in range(9)]) for _ in range(2)]
    fused = hetcomp.fused_observed(train, ranks, 3, 10.0)
    for user in range(9):
        part = slice(train.indptr[user], train.indptr[user + 1])
        worth = {
            item: math.exp(-a / 10) + math.exp(-b / 10)
            for item, a, b in zip(train.of(user).tolist(), ranks[0][part], ranks[1][part], strict=True)
        }
        assert fused[user].tolist() == sorted(worth, key=lambda item: (-worth[item], item))[:3]


def test_discrepancy_in_plain_python():
    student, teacher = lists(1)[:, :4], lists(2)
    got = hetcomp.discrepancy(student, teacher, 20, 10.0)
    for user in range(6):
        gain = {
            item: 2 ** math.exp(-rank / 10) - 1
            for rank, item in enumerate(teacher[user].tolist())
            if item != EMPTY
        }
        reached = sum(gain.get(i, 0.0) / math.log2(p + 2) for p, i in enumerate(student[user].tolist()))
        best = sum(g / math.log2(p + 2) for p, g in enumerate(list(gain.values())[:4]))
        assert got[user] == pytest.approx(1 - reached / best)
    assert hetcomp.discrepancy(teacher[:, :4], teacher, 20, 10.0) == pytest.approx(np.zeros(6))


def test_who_advances():
    nan = math.nan
    selected = np.array([[0, 0], [0, 3], [1, 2], [0, 2], [2, 2]])
    recorded = np.array([[nan, 0.8], [0.8, 0.9], [0.8, 0.5], [0.8, nan], [0.9, 0.9]])
    now = np.array([[0.9, 0.7], [0.79, 0.1], [0.81, 0.5], [0.0, 0.4], [0.1, 0.1]])
    moved, again = hetcomp.advance(selected, recorded, now, np.array([2, 3]), 1.05)
    # First look records; .8/.7 > 1.05 moves; .8/.79 stays; the last stays; drifting away (.8/.81) moves;
    # exactly 1 stays; nothing left to learn moves. Each teacher has a last of its own.
    assert moved.tolist() == [[0, 1], [0, 3], [2, 2], [1, 2], [2, 3]]
    expected = [[0.9, nan], [0.8, 0.9], [nan, 0.5], [nan, 0.4], [0.9, nan]]
    assert again == pytest.approx(np.array(expected), nan_ok=True)


def scores_and_rest(seed: int = 0):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(3, 4)), rng.normal(size=(3, 6)), rng.normal(size=(3, 9))


def test_overall_loss_in_plain_python():
    listed, _, rest = scores_and_rest()
    listed[1, 2:] = -np.inf
    expected = 0.0
    for row, others in zip(listed.tolist(), rest.tolist(), strict=True):
        for s in row:
            if s > -math.inf:
                expected -= s - math.log(math.exp(s) + sum(map(math.exp, others)))
    log_rest = torch.from_numpy(rest).logsumexp(dim=1)
    assert hetcomp.overall_loss(torch.from_numpy(listed), log_rest).item() == pytest.approx(expected)


def test_fine_grained_loss_in_plain_python():
    observed, top, rest = scores_and_rest()
    observed[2, 1:] = -np.inf
    expected = 0.0
    for o, t, others in zip(observed.tolist(), top.tolist(), rest.tolist(), strict=True):
        outside = sum(map(math.exp, others))
        for list_, length, weight in ((o, 4, 1.0), (t, 5, 0.5), (t, 2, 0.5)):
            for k in range(length):
                if list_[k] > -math.inf:
                    later = sum(map(math.exp, list_[k:])) + outside
                    expected -= weight * (list_[k] - math.log(later))
    got = hetcomp.fine_grained_loss(
        torch.from_numpy(observed), torch.from_numpy(top), torch.from_numpy(rest).logsumexp(dim=1), (5, 2)
    )
    assert got.item() == pytest.approx(expected)


@pytest.mark.parametrize("clamp", [None, 1.5, 30.0])
@pytest.mark.parametrize("n_rows", [4, 2 * TILE_ROWS + 5])
def test_logsumexp_without_some_products(n_rows, clamp):
    """Value and gradient against autograd's own chain on the masked, clamped matrix."""
    generator = torch.Generator().manual_seed(0)
    left, right = (torch.randn(n, 3, generator=generator, dtype=torch.float64) for n in (n_rows, 7))
    left[-1] *= 9.0  # where a clamp of 30 is reached, in one tile alone
    rows, columns = torch.tensor([0, 0, 2, 3, n_rows - 1]), torch.tensor([1, 6, 0, 3, 2])
    results = []
    for fast in (True, False):
        a, b = left.clone().requires_grad_(), right.clone().requires_grad_()
        if fast:
            value = logsumexp_of_product(a, b, (rows, columns), clamp)
        else:
            product = a @ b.T if clamp is None else (a @ b.T).clamp(-clamp, clamp)
            mask = torch.zeros(n_rows, 7, dtype=torch.bool).index_put((rows, columns), torch.tensor(True))
            value = product.masked_fill(mask, -torch.inf).logsumexp(dim=1)
        (value * torch.linspace(1.0, 4.0, n_rows)).sum().backward()
        results.append((value.detach(), a.grad, b.grad))
    for ours, theirs in zip(*results, strict=True):
        assert torch.allclose(ours, theirs, atol=1e-12)


def test_logsumexp_with_everything_left_out_has_no_slope():
    left, right = torch.ones(2, 3, requires_grad=True), torch.ones(2, 3, requires_grad=True)
    value = logsumexp_of_product(left, right, (torch.tensor([1, 1]), torch.tensor([0, 1])))
    assert value.tolist() == pytest.approx([3 + math.log(2), -math.inf])
    value.sum().backward()
    assert left.grad.tolist() == [[1.0] * 3, [0.0] * 3]
