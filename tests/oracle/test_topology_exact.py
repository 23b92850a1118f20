"""The fast forms of FTD and HTD against their definitions: torch's, and once more in numpy by loops."""

import itertools

import numpy as np
import plain_topology as plain
import pytest
import torch
from numpy.testing import assert_allclose

from recpress_edge.distill import experts, topology
from recpress_edge.distill.experts import Experts

TEMPERATURES = (1.0, 0.3, 0.1, 0.01, 1e-6, 1e-10)
DIM, TEACHER_DIM, GROUPS = 4, 12, 6


def rows(seed: int, n: int, dim: int, dtype=torch.float64) -> torch.Tensor:
    return torch.randn(n, dim, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def value_and_gradient(loss_of, *inputs):
    inputs = tuple(tensor.detach().clone().requires_grad_() for tensor in inputs)
    loss = loss_of(*inputs)
    gradients = torch.autograd.grad(loss, inputs, allow_unused=True, materialize_grads=True)
    return [loss.detach(), *gradients]


def assert_same(fast, slow, tolerance):
    """Each tensor agrees, measured against its own size (or, where a gradient has died out, the loss)."""
    floor = 1e-9 * abs(float(slow[0]))
    for number, (a, b) in enumerate(zip(fast, slow, strict=True)):
        scale = max(float(b.norm()), floor)
        assert float((a - b).norm()) <= tolerance * scale, f"tensor {number}: {a} is not {b}"


# --- FTD ---


@pytest.mark.parametrize(("n", "dim"), [(1, 3), (2, 3), (50, 4), (40, 60)])
@pytest.mark.parametrize("zeros", [False, True])
def test_full_topology_equals_the_definition(n, dim, zeros):
    student, teacher = rows(0, n, dim), rows(1, n, TEACHER_DIM)
    if zeros:
        teacher[::3] = 0.0
        teacher[1::5], student[1::5] = 0.0, 0.0
    fast = value_and_gradient(lambda s: topology.full_topology_loss(s, teacher), student)
    slow = value_and_gradient(lambda s: plain.full_topology_loss_plain(s, teacher), student)
    assert_allclose(fast[0], slow[0], rtol=1e-12, atol=1e-10)
    assert_allclose(fast[1], slow[1], rtol=1e-9, atol=1e-10 * max(1.0, float(slow[1].abs().max())))


def test_full_topology_by_hand():
    # Teacher: orthogonal, cosine 0. Student: parallel, cosine 1. Two ordered pairs, each (0 - 1)².
    student = torch.tensor([[2.0, 0.0], [5.0, 0.0]])
    teacher = torch.tensor([[0.0, 3.0, 0.0], [0.5, 0.0, 0.0]])
    assert topology.full_topology_loss(student, teacher).item() == pytest.approx(2.0)


def test_full_topology_for_training_has_the_same_gradient():
    student, teacher = rows(0, 30, DIM), rows(1, 30, TEACHER_DIM)
    unit = teacher / teacher.norm(dim=1, keepdim=True)

    def training(s):
        return topology.full_topology_loss(s, unit, teacher_is_unit=True, with_constant=False)

    fast = value_and_gradient(training, student)
    slow = value_and_gradient(lambda s: plain.full_topology_loss_plain(s, teacher), student)
    assert_allclose(fast[1], slow[1], rtol=1e-10, atol=1e-12)
    assert float(slow[0] - fast[0]) == pytest.approx(float((unit @ unit.T).square().sum()))


def test_full_topology_in_float32():
    """Against the definition in float64: float32 itself costs the plain form 1e-5 at this size."""
    student, teacher = rows(0, 2000, 10), rows(1, 2000, 200)
    fast = value_and_gradient(lambda s: topology.full_topology_loss(s, teacher.float()), student.float())
    slow = value_and_gradient(lambda s: plain.full_topology_loss_plain(s, teacher), student)
    assert_same([tensor.double() for tensor in fast], slow, 5e-5)


# --- the H and M terms ---

GROUPINGS = {
    "random": lambda n: torch.randint(GROUPS, (n,), generator=torch.Generator().manual_seed(3)),
    "half empty": lambda n: 2 * torch.randint(GROUPS // 2, (n,), generator=torch.Generator().manual_seed(3)),
    "one holds all": lambda n: torch.full((n,), 2),
    "one of one": lambda n: torch.tensor([GROUPS - 1] + [0] * (n - 1)),
}


def compare_groups(student, teacher, groups, tolerance):
    fast = value_and_gradient(lambda s: topology.group_topology_loss(s, teacher, groups, GROUPS), student)
    slow = value_and_gradient(lambda s: plain.group_topology_loss_plain(s, teacher, groups, GROUPS), student)
    assert_same(fast, slow, tolerance)


@pytest.mark.parametrize("grouping", GROUPINGS)
@pytest.mark.parametrize("n", [2, 7, 40])
def test_group_topology_equals_the_definition(grouping, n):
    groups = GROUPINGS[grouping](n)
    compare_groups(rows(0, n, DIM), rows(1, n, TEACHER_DIM), groups, 1e-12)


@pytest.mark.parametrize("grouping", GROUPINGS)
@pytest.mark.parametrize("tile", [1, 5, 16, 40])
def test_group_topology_for_any_tile(monkeypatch, grouping, tile):
    monkeypatch.setattr(topology, "TILE_ROWS", tile)
    compare_groups(rows(0, 40, DIM), rows(1, 40, TEACHER_DIM), GROUPINGS[grouping](40), 1e-12)


def test_group_topology_of_one_entity_is_zero():
    # Its group's prototype is itself in both spaces, and its only pair is with itself.
    loss = topology.group_topology_loss(rows(0, 1, DIM), rows(1, 1, TEACHER_DIM), torch.tensor([4]), GROUPS)
    assert loss.item() == pytest.approx(0.0, abs=1e-20)


def test_group_topology_with_zero_rows():
    student, teacher = rows(0, 40, DIM), rows(1, 40, TEACHER_DIM)
    teacher[::3] = 0.0
    student[::6] = 0.0
    compare_groups(student, teacher, GROUPINGS["random"](40), 1e-12)


def test_group_topology_drops_pairs_the_teacher_does_not_like():
    student = torch.tensor([[1.0, 0.0], [1.0, 0.0]])
    opposed = torch.tensor([[1.0, 0.0], [-2.0, 0.0]])
    groups = torch.zeros(2, dtype=torch.int64)
    # Prototypes: student (2, 0), teacher (-1, 0). H: cosines 1 and 1 against -1 and 1. The pair is dropped.
    assert topology.group_topology_loss(student, opposed, groups, GROUPS).item() == pytest.approx(4.0)
    agreeing = torch.tensor([[1.0, 0.0], [3.0, 4.0]])
    # Teacher cosine .6: each ordered pair adds .16; prototype (4, 4): two entities at cosines √½ and 7/√50.
    expected = 2 * 0.16 + (1 - 0.5**0.5) ** 2 + (1 - 7 / 50**0.5) ** 2
    assert topology.group_topology_loss(student, agreeing, groups, GROUPS).item() == pytest.approx(expected)


def test_group_topology_in_float32():
    student, teacher = rows(0, 1500, 10, torch.float32), rows(1, 1500, 200, torch.float32)
    compare_groups(student, teacher, GROUPINGS["random"](1500), 1e-5)


# --- the experts' hint loss ---


def sides(dtype=torch.float64, assignment_scale=3.0, dim=DIM, teacher_dim=TEACHER_DIM, n_experts=GROUPS):
    generator = torch.Generator().manual_seed(11)
    made = [Experts(dim, teacher_dim, n_experts, generator=generator).to(dtype) for _ in range(2)]
    with torch.no_grad():
        for side in made:
            side.assignment.mul_(assignment_scale)  # uneven groups, as trained ones are
    return tuple(made)


def hint_inputs(n, temperature, dtype=torch.float64, dim=DIM, teacher_dim=TEACHER_DIM, n_experts=GROUPS):
    (side, _) = sides(dtype, dim=dim, teacher_dim=teacher_dim, n_experts=n_experts)
    student, teacher = rows(0, n, dim, dtype), rows(1, n, teacher_dim, dtype)
    noise = experts.gumbel_noise(n, n_experts, torch.Generator().manual_seed(5)).to(dtype)

    def losses(form):
        def loss_of(s, assignment, inner, outer):
            z = experts.assignment_weights(teacher @ assignment.T, noise, temperature)
            return form(s, teacher, z, inner, outer)

        return value_and_gradient(loss_of, student, side.assignment, side.inner, side.outer)

    return losses


@pytest.mark.parametrize("temperature", TEMPERATURES)
@pytest.mark.parametrize("n", [1, 2, 33])
@pytest.mark.parametrize("dense_share", [-1.0, 2.0], ids=["concatenated", "dispatched"])
def test_hint_loss_equals_the_definition(monkeypatch, temperature, n, dense_share):
    """Nothing dropped: only the order of summation differs. Student, assignment and both layers."""
    monkeypatch.setattr(experts, "DENSE_SHARE", dense_share)
    monkeypatch.setattr(experts, "BLOCK_ROWS", 10)
    losses = hint_inputs(n, temperature)
    fast = losses(lambda *inputs: experts.mixture_loss(*inputs, threshold=0.0))
    slow = losses(plain.mixture_loss_plain)
    # The assignment's gradient is a difference divided by τ: it is compared on the scale of its terms.
    assert_same([fast[0], fast[1], *fast[3:]], [slow[0], slow[1], *slow[3:]], 1e-12)
    scale = max(float(slow[2].norm()), 1e-3 * float(slow[0]))
    assert float((fast[2] - slow[2]).norm()) <= 1e-11 * scale


@pytest.mark.parametrize("temperature", TEMPERATURES)
def test_dropping_small_shares_changes_less_than_1e5(temperature):
    """The threshold used in training, at the sizes used in training."""
    losses = hint_inputs(900, temperature, dim=10, teacher_dim=40, n_experts=30)
    fast, slow = losses(experts.mixture_loss), losses(plain.mixture_loss_plain)
    assert_same(fast, slow, 1e-5)


@pytest.mark.parametrize("temperature", TEMPERATURES)
def test_hint_loss_in_float32(temperature):
    losses = hint_inputs(900, temperature, torch.float32, dim=10, teacher_dim=200, n_experts=30)
    fast, slow = losses(experts.mixture_loss), losses(plain.mixture_loss_plain)
    assert_same(fast, slow, 1e-4)


def test_nan_is_seen():
    (side, _) = sides()
    z = torch.full((3, GROUPS), float("nan"), dtype=torch.float64)
    loss = experts.mixture_loss(rows(0, 3, DIM), rows(1, 3, TEACHER_DIM), z, side.inner, side.outer)
    assert loss.isnan()


# --- HTD as a whole ---


@pytest.mark.parametrize("temperature", TEMPERATURES)
def test_hierarchical_topology_equals_the_definition(temperature):
    both = sides()
    student, teacher = (
        (rows(0, 20, DIM), rows(1, 50, DIM)),
        (rows(2, 20, TEACHER_DIM), rows(3, 50, TEACHER_DIM)),
    )
    parameters = [p for side in both for p in side.parameters()]
    results = []
    for form in (topology.hierarchical_topology_loss, plain.hierarchical_topology_loss_plain):
        tables = tuple(table.clone().requires_grad_() for table in student)
        loss = form(tables, teacher, both, temperature, torch.Generator().manual_seed(8), 0.3)
        results.append([loss.detach(), *torch.autograd.grad(loss, [*tables, *parameters])])
    assert_same(results[0], results[1], 1e-5)


def numpy_htd(student, teacher, both, noises, temperature, gamma):
    """HTD's value from the definitions in the paper, entity by entity and pair by pair."""

    def cosine(a, b):
        return float(a @ b / (np.linalg.norm(a) * np.linalg.norm(b)))

    hints, labels = 0.0, []
    for name, s_rows, t_rows, side, noise in zip("ui", student, teacher, both, noises, strict=True):
        w, inner, outer = (p.detach().numpy() for p in (side.assignment, side.inner, side.outer))
        for s, t, gumbel in zip(s_rows, t_rows, noise, strict=True):
            alpha = np.exp(w @ t) / np.exp(w @ t).sum()
            score = (np.log(alpha + 1e-10) + gumbel) / temperature
            z = np.exp(score - score.max()) / np.exp(score - score.max()).sum()
            hint = np.zeros_like(t)
            for k in range(len(w)):
                hidden = np.maximum(s @ inner[k, :-1] + inner[k, -1], 0.0)
                hint += z[k] * (hidden @ outer[k, :-1] + outer[k, -1])
            hints += ((t - hint) ** 2).sum()
            labels.append((name, int(alpha.argmax())))
    s_all, t_all = np.concatenate(student), np.concatenate(teacher)
    topology_loss = 0.0
    for label in set(labels):
        members = [i for i, other in enumerate(labels) if other == label]
        s_prototype, t_prototype = s_all[members].mean(axis=0), t_all[members].mean(axis=0)
        for s, t in zip(s_all, t_all, strict=True):
            topology_loss += (cosine(t, t_prototype) - cosine(s, s_prototype)) ** 2
    for i, j in itertools.product(range(len(labels)), repeat=2):
        target = cosine(t_all[i], t_all[j])
        if labels[i] == labels[j] and target > 0:
            topology_loss += (target - cosine(s_all[i], s_all[j])) ** 2
    return gamma * topology_loss + (1 - gamma) * hints


@pytest.mark.parametrize("temperature", [1.0, 0.1, 1e-10])
def test_hierarchical_topology_against_numpy_loops(temperature):
    both = sides()
    student, teacher = (
        (rows(0, 9, DIM), rows(1, 14, DIM)),
        (rows(2, 9, TEACHER_DIM), rows(3, 14, TEACHER_DIM)),
    )
    generator = torch.Generator().manual_seed(8)
    noises = [experts.gumbel_noise(n, GROUPS, generator).double().numpy() for n in (9, 14)]
    expected = numpy_htd(
        [t.numpy() for t in student], [t.numpy() for t in teacher], both, noises, temperature, 0.5
    )
    again = torch.Generator().manual_seed(8)
    loss = topology.hierarchical_topology_loss(student, teacher, both, temperature, again)
    assert loss.item() == pytest.approx(expected, rel=1e-5)


def test_full_topology_against_numpy_loops():
    student, teacher = rows(0, 8, DIM).numpy(), rows(1, 8, TEACHER_DIM).numpy()
    expected = 0.0
    for i, j in itertools.product(range(8), repeat=2):
        a, b = (x[i] @ x[j] / np.sqrt((x[i] @ x[i]) * (x[j] @ x[j])) for x in (student, teacher))
        expected += (a - b) ** 2
    loss = topology.full_topology_loss(torch.from_numpy(student), torch.from_numpy(teacher))
    assert loss.item() == pytest.approx(expected, rel=1e-12)
