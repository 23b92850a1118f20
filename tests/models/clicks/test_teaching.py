"""What teachers add to a click model's loss, by its definition in numpy."""

import dataclasses

import numpy as np
import pytest
import torch
from test_networks import method_of, of_fields, some_rows

from recpress_edge.models.clicks.method import TEACHING
from recpress_edge.models.clicks.rows import ClickTargets
from recpress_edge.models.clicks.teaching import taught_loss

QUIET = {"linear_l2": 0.0, "l2": 0.0, "dropout": 0.0, "replaced": 0.0, "batch_size": 1000}


def taught_rows(n_teachers=2, width=0, n=64):
    clicks, rng = some_rows(n), np.random.default_rng(5)
    logits = rng.normal(size=(n_teachers, n)).astype(np.float32) * 2
    hidden = rng.normal(size=(n, width)).astype(np.float32)
    return dataclasses.replace(clicks, targets=ClickTargets(logits, hidden))


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


def cross_entropy(known, z):
    return -np.mean(known * np.log(sigmoid(z)) + (1 - known) * np.log(1 - sigmoid(z)))


@pytest.mark.parametrize(("weight", "temperature"), [(0.9, 1.0), (0.5, 3.0), (0.0, 2.0), (1.0, 1.0)])
def test_the_loss_is_its_definition(weight, temperature):
    z, soft, y = np.array([0.3, -2.0, 1.5]), np.array([1.0, -1.0, 4.0]), np.array([1.0, 0.0, 0.0])
    wanted = (1 - weight) * cross_entropy(y, z)
    wanted += weight * temperature**2 * cross_entropy(sigmoid(soft / temperature), z / temperature)
    found = taught_loss(torch.tensor(z), torch.tensor(y), torch.tensor(soft), weight, temperature)
    assert float(found) == pytest.approx(wanted, rel=1e-6)


def test_soft_labels_are_of_the_mean_of_logits_in_the_order_of_the_batch():
    clicks = taught_rows(3)
    method = method_of("deepfm", clicks, layers=[4], **QUIET)
    (loss,) = method.batch_losses(0)
    method.network.train()
    with torch.no_grad():
        z = method.network(*method.scorer.tensors(clicks.rows)).numpy().astype(float)
    soft = clicks.targets.logits.mean(axis=0).astype(float)
    wanted = 0.1 * cross_entropy(clicks.labels, z) + 0.9 * cross_entropy(sigmoid(soft), z)
    assert loss.item() == pytest.approx(wanted, rel=1e-5)


def test_a_gate_weighs_each_teacher_by_the_values_of_the_row():
    clicks = taught_rows(2)
    settings = {name: value for name, value in QUIET.items() if name != "dropout"}
    method = method_of("fm", clicks, gated=True, teacher_weight=1.0, **settings)
    begun = method_of("fm", clicks, teacher_weight=1.0, **settings)
    (first,), (mean,) = method.batch_losses(0), begun.batch_losses(0)
    assert first.item() == pytest.approx(mean.item(), rel=1e-6)  # it begins as the mean
    first.backward()
    assert method.teaching.gate.weight.grad.abs().max() > 0
    rng = np.random.default_rng(0)
    weight = rng.normal(size=method.teaching.gate.weight.shape)
    with torch.no_grad():
        method.teaching.gate.weight.copy_(torch.from_numpy(weight))
        method.teaching.gate.bias.copy_(torch.tensor([0.5, -0.5]))
    forms = np.array([of_fields(row, weight).sum(axis=0) for row in clicks.rows]) + np.array([0.5, -0.5])
    shares = np.exp(forms) / np.exp(forms).sum(axis=1, keepdims=True)
    soft = (shares * clicks.targets.logits.T).sum(axis=1)
    (loss,) = method.batch_losses(0)
    z = method.scorer.logits(clicks.rows).astype(float)
    assert loss.item() == pytest.approx(cross_entropy(sigmoid(soft), z), rel=1e-5)


def test_a_hint_is_the_distance_to_the_teachers_last_layers():
    clicks = taught_rows(1, width=6)
    settings = {**QUIET, "layers": [5, 3], "teacher_weight": 0.0}
    (plain,) = method_of("deepfm", clicks, **settings).batch_losses(0)
    method = method_of("deepfm", clicks, hint_weight=0.5, **settings)
    assert method.teaching.hint.weight.shape == (6, 3)
    (loss,) = method.batch_losses(0)  # the map begins as zero
    squared = float((clicks.targets.hidden.astype(float) ** 2).mean())
    assert loss.item() == pytest.approx(plain.item() + 0.5 * squared, rel=1e-5)
    loss.backward()
    assert method.teaching.hint.weight.grad.abs().max() > 0


def test_what_is_learned_for_teachers_alone_is_no_part_of_the_model():
    method = method_of("deepfm", taught_rows(2, width=4), gated=True, hint_weight=1.0, layers=[4])
    learned = set(method.optimizer.parameters())
    assert {f"{TEACHING}.gate.weight", f"{TEACHING}.hint.bias"} < learned
    assert set(method.parameters()) == set(method_of("deepfm", layers=[4]).optimizer.parameters())


def test_equal_runs_of_a_gated_student_are_equal():
    def trained():
        method = method_of("deepfm", taught_rows(2, width=4), gated=True, hint_weight=1.0, layers=[4])
        for epoch in range(2):
            for loss in method.batch_losses(epoch):
                method.optimizer.zero_grad()
                loss.backward()
                method.optimizer.step()
        return method.scorer.logits(method.clicks.rows)

    assert (trained() == trained()).all()
