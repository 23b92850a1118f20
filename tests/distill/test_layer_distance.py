"""The distance between layers: an exact flow, checked by trying all corners, and its gradient."""

from itertools import product

import numpy as np
import pytest
import torch

from recpress_edge.core.rng import stream
from recpress_edge.distill.sequences.hint import hint_loss
from recpress_edge.distill.sequences.layers import (
    LEAST_WEIGHT,
    LayerDistance,
    cheapest_flow,
    transport_loss,
)


def least_cost(costs: np.ndarray, left: np.ndarray, right: np.ndarray) -> float:
    """By every way to fill the table greedily: the corners of a transport polytope are among them."""
    m, k = costs.shape
    cells = list(product(range(m), range(k)))
    best = np.inf

    def fill(order: list[tuple[int, int]], left: np.ndarray, right: np.ndarray, paid: float) -> None:
        nonlocal best
        if paid >= best:
            return
        if left.sum() < 1e-12:
            best = paid
            return
        for i, j in order:
            moved = min(left[i], right[j])
            if moved > 1e-12:
                rest, room = left.copy(), right.copy()
                rest[i] -= moved
                room[j] -= moved
                fill(order, rest, room, paid + moved * costs[i, j])

    fill(cells, left.copy(), right.copy(), 0.0)
    return best


@pytest.mark.parametrize("shape", [(2, 2), (3, 3), (2, 3)])
@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("uniform", [True, False])
def test_the_flow_is_the_cheapest_there_is(shape, seed, uniform):
    rng = stream(seed, "costs")
    costs = rng.random(shape)
    left, right = (np.full(n, 1 / n) if uniform else rng.dirichlet(np.ones(n)) for n in shape)
    flow = cheapest_flow(costs, left, right)
    assert np.allclose(flow.sum(axis=1), left)
    assert np.allclose(flow.sum(axis=0), right)
    assert flow.min() >= -1e-12
    assert (flow * costs).sum() == pytest.approx(least_cost(costs, left, right), abs=1e-9)


def states(seed: int, count: int, width: int) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(20, width, generator=generator) for _ in range(count)]


def test_layers_that_are_the_teacher_s_in_another_order_are_at_no_distance():
    teacher = [torch.nn.functional.layer_norm(part, (6,)) for part in states(0, 4, 6)]
    student = [teacher[0], teacher[3], teacher[1], teacher[2]]
    distance = LayerDistance((3, 3), (6, 6))
    for mapping in distance.maps:
        mapping.data.copy_(torch.eye(6))
    assert float(distance(student, teacher).detach()) == pytest.approx(0, abs=1e-8)
    other = [*student[:3], student[2]]
    assert float(distance(other, teacher).detach()) > 0.1


def test_the_gradient_is_that_of_the_distances_with_the_flow_held():
    """Central differences of Σ flow · distance in float64."""
    teacher = [part.double() for part in states(1, 3, 5)]
    student = [part.double().requires_grad_() for part in states(2, 4, 4)]
    distance = LayerDistance((3, 2), (4, 5)).double()
    for number, mapping in enumerate(distance.maps):
        mapping.data.copy_(torch.randn(5, 4, generator=torch.Generator().manual_seed(number)))
    distances = torch.stack(
        [
            torch.stack([hint_loss(s, m, t) for t in teacher[1:]])
            for s, m in zip(student[1:], list(distance.maps)[1:], strict=True)
        ]
    )
    _, flow = transport_loss(distances, *distance.weights)

    def held(at: int, row: int, column: int, by: float) -> float:
        moved = [part.detach().clone() for part in student]
        moved[at][row, column] += by
        total = hint_loss(moved[0], distance.maps[0], teacher[0])
        for i, mapping in enumerate(list(distance.maps)[1:]):
            for j, wanted in enumerate(teacher[1:]):
                total = total + flow[i, j] * hint_loss(moved[i + 1], mapping, wanted)
        return float(total.detach())

    grads = torch.autograd.grad(distance(student, teacher), student)
    for at in range(4):
        for row, column in ((0, 0), (7, 3), (19, 2)):
            change = (held(at, row, column, 1e-5) - held(at, row, column, -1e-5)) / 2e-5
            assert float(grads[at][row, column]) == pytest.approx(change, abs=1e-8)


def test_weights_that_adapt_go_to_layers_that_are_near():
    teacher = states(3, 3, 6)
    near = torch.nn.functional.layer_norm(teacher[1], (6,))
    student = [teacher[0], near, 5 * states(4, 1, 6)[0]]
    fixed, adaptive = (LayerDistance((2, 2), (6, 6), adaptive=how) for how in (False, True))
    for distance in (fixed, adaptive):
        for mapping in distance.maps:
            mapping.data.copy_(torch.eye(6))
        distance(student, teacher)
    assert fixed.weights[0].tolist() == [0.5, 0.5]
    assert adaptive.weights[0][0] > adaptive.weights[0][1]
    assert all(float(weights.sum()) == pytest.approx(1) for weights in adaptive.weights)


def test_a_layer_that_is_at_no_distance_leaves_the_others_a_weight():
    teacher = states(3, 3, 6)
    student = [teacher[0], torch.nn.functional.layer_norm(teacher[1], (6,)), *states(4, 1, 6)]
    distance = LayerDistance((2, 2), (6, 6), adaptive=True)
    for mapping in distance.maps:
        mapping.data.copy_(torch.eye(6))
    for _ in range(4):
        assert float(distance(student, teacher).detach()) >= 0
    for weights in distance.weights:
        assert float(weights.min()) >= 0.9 * LEAST_WEIGHT
        assert float(weights.sum()) == pytest.approx(1)
