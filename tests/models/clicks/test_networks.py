"""Every part of the click models by its definition, in numpy and row by row."""

import dataclasses

import numpy as np
import pytest
import torch

from recpress_edge.artifacts.clicks.fields import NO_VALUE, FeatureField, crossed
from recpress_edge.artifacts.clicks.reading import NORM_EPSILON
from recpress_edge.core.config import load_config
from recpress_edge.core.errors import ConfigError, DataError
from recpress_edge.data.interactions import Interactions
from recpress_edge.distill.methods import METHODS
from recpress_edge.models.clicks.rows import CROSS_SEED, ClickRows, FieldLayout, cross_columns
from recpress_edge.models.clicks.settings import WideDeepConfig
from recpress_edge.models.method import TrainingInput

FIELDS = (
    FeatureField("user", "user", "categorical", tuple("abcdef")),
    FeatureField("genres", "item", "many", tuple("xyz"), capacity=3),
    FeatureField("hour", "context", "integer", least=0, most=3),
    FeatureField("item", "item", "categorical", tuple("klmn")),
)
CLICKS = ["lr", "fm", "wide_deep", "deepfm"]
EMPTY = Interactions.from_pairs(np.empty(0, int), np.empty(0, int), 6, 4)


def some_rows(n=300, seed=0):
    rng = np.random.default_rng(seed)
    single = [rng.integers(0, field.size, n) for field in FIELDS]
    many = np.full((n, 3), NO_VALUE)
    many[:, 0] = rng.integers(0, 5, n)
    more = rng.random(n) < 0.5
    many[more, 1] = rng.integers(1, 5, more.sum())
    rows = np.column_stack([single[0], many, single[2], single[3]]).astype(np.int32)
    labels = ((rows[:, 0] + rows[:, 5] + rng.integers(0, 2, n)) % 2).astype(np.uint8)
    return ClickRows(FIELDS, rows, labels)


def method_of(name, clicks=None, dim=5, seed=3, **settings):
    row = METHODS[name]
    given = TrainingInput(EMPTY, row.has_dim * dim, seed, 3, clicks=clicks or some_rows())
    config = load_config(row.config, settings, "method")
    from recpress_edge.distill.students import create_method

    return create_method(name, given, config)


def of_fields(row, table):
    """The rows of a table that one row has, a mean where a field has several: (F, d)."""
    start, column, found = 0, 0, []
    for field in FIELDS:
        values = [value for value in row[column : column + field.width] if value >= 0]
        found.append(np.mean([table[start + value] for value in values], axis=0))
        start, column = start + field.size, column + field.width
    return np.array(found)


def by_hand(method, row):
    """z of one row by section 2.1 of the definitions, from the parameters."""
    known = {name: value.detach().numpy().astype(float) for name, value in method.network.named_parameters()}
    z = known["tables.bias"][0] + of_fields(row, known["tables.weight"]).sum()
    for place, (left, right) in enumerate(method.scorer.columns):
        buckets = method.shape.cross_buckets
        bucket = crossed(row[[left]], row[[right]], buckets, CROSS_SEED)[0]
        z += known["crosses"][place * buckets + bucket]
    if method.shape.dim:
        e = of_fields(row, known["tables.embedding"])
        if method.shape.pairs:
            z += sum(e[f] @ e[g] for f in range(len(e)) for g in range(f))
        if method.shape.layers:
            h = e.reshape(-1)
            for at in range(len(method.shape.layers)):
                h = known[f"deep.hidden.{at}.weight"] @ h + known[f"deep.hidden.{at}.bias"]
                mean, variance = known[f"deep.norms.{at}.mean"], known[f"deep.norms.{at}.variance"]
                h = (h - mean) / np.sqrt(variance + NORM_EPSILON) * known[f"deep.norms.{at}.gain"]
                h = np.maximum(h + known[f"deep.norms.{at}.shift"], 0)
            z += known["deep.output.weight"][0] @ h + known["deep.output.bias"][0]
    return z


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("lr", {}),
        ("fm", {"init_std": 0.5}),
        ("wide_deep", {"layers": [7, 4], "crosses": ["user*hour", "item * user"], "cross_buckets": 11}),
        ("deepfm", {"layers": [6], "init_std": 0.5}),
    ],
)
def test_a_trained_score_is_its_definition(name, settings):
    method = method_of(name, **settings)
    for epoch in range(2):
        for loss in method.batch_losses(epoch):
            method.optimizer.zero_grad()
            loss.backward()
            method.optimizer.step()
    rows = method.clicks.rows[:40]
    assert method.scorer.logits(rows) == pytest.approx([by_hand(method, row) for row in rows], abs=2e-5)


def test_the_penalty_is_of_whole_tables():
    clicks = some_rows(8)
    method = method_of("deepfm", clicks, l2=0.3, linear_l2=0.2, dropout=0.0, replaced=0.0, batch_size=8)
    (loss,) = method.batch_losses(0)
    tables = method.network.tables
    penalty = 0.15 * tables.embedding.square().sum() + 0.1 * tables.weight.square().sum()
    plain = method_of("deepfm", clicks, l2=0.0, linear_l2=0.0, dropout=0.0, replaced=0.0, batch_size=8)
    (without,) = plain.batch_losses(0)
    assert loss.item() == pytest.approx(without.item() + penalty.item(), rel=1e-6)
    loss.backward()
    assert (tables.embedding.grad != 0).all()  # rows that are in no batch too


def test_the_loss_is_mean_binary_cross_entropy():
    method = method_of("lr", linear_l2=0.0, replaced=0.0, batch_size=1000)
    (loss,) = method.batch_losses(0)
    z, y = method.scorer.logits(method.clicks.rows).astype(float), method.clicks.labels
    assert loss.item() == pytest.approx(np.mean(np.log1p(np.exp(-np.where(y == 1, z, -z)))), rel=1e-6)


@pytest.mark.parametrize("name", CLICKS)
def test_equal_seeds_train_equal_models(name):
    def trained(seed):
        method = method_of(name, seed=seed, batch_size=64)
        for epoch in range(2):
            for loss in method.batch_losses(epoch):
                method.optimizer.zero_grad()
                loss.backward()
                method.optimizer.step()
        return method.scorer.logits(method.clicks.rows)

    assert (trained(1) == trained(1)).all()
    assert (trained(1) != trained(2)).any()


def test_the_step_falls_with_every_stall():
    method = method_of("lr", learning_rate=0.5, decay=0.1)
    method.stalls = 2
    next(method.batch_losses(0))
    assert method.optimizer.learning_rate == pytest.approx(0.005)


def test_replaced_values_are_missing_or_unknown_in_whole_fields():
    clicks = some_rows(20_000)
    layout = FieldLayout(FIELDS)
    found = layout.replaced(clicks.rows, 0.1, np.random.default_rng(0))
    assert (layout.replaced(clicks.rows, 0.0, np.random.default_rng(0)) == clicks.rows).all()
    ordinary = (clicks.rows[:, 1] > 1) & (clicks.rows[:, 2] > 1)  # two genres
    for row in (0, 1):
        hit = ordinary & (found[:, 1] == row)
        assert hit.sum() / ordinary.sum() == pytest.approx(0.05, abs=0.01)
        assert (found[hit][:, 2:4] == NO_VALUE).all()
    assert (found[:, 4] != clicks.rows[:, 4]).mean() < 0.1


def test_crosses_have_ranges_of_their_own():
    rows = some_rows(50).rows
    found = cross_columns(rows, [(0, 4), (0, 5)], 7)
    assert found[:, 0].min() >= 0
    assert found[:, 0].max() < 7 <= found[:, 1].min()
    assert found[:, 1].max() < 14
    assert cross_columns(rows, [], 7).shape == (50, 0)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"crosses": ["user*genres"]}, "'genres' is no field of one value; there are user, hour, item"),
        ({"crosses": ["user"]}, r"two fields with \* between, not 'user'"),
        ({"layers": []}, "widths of at least 1"),
        ({"layers": [4, 0]}, "widths of at least 1"),
        ({"layers": 4}, "method.layers must be a list, got 4"),
        ({"layers": ["a"]}, "method.layers must be int, got 'a'"),
    ],
)
def test_settings_that_make_no_sense_are_refused(settings, said):
    with pytest.raises(ConfigError, match=said):
        method_of("wide_deep", **settings)


def test_a_single_row_left_over_is_in_no_batch():
    assert method_of("deepfm", some_rows(129), batch_size=64).steps() == 2
    assert method_of("deepfm", some_rows(130), batch_size=64).steps() == 3
    assert len(list(method_of("lr", some_rows(1), batch_size=64).batch_losses(0))) == 1


def test_memory_that_is_not_there_is_refused(monkeypatch):
    monkeypatch.setattr("recpress_edge.core.memory.available_bytes", lambda: 10)
    with pytest.raises(DataError, match=r"a click model of 25 values in 4 fields .* method\.min_count"):
        method_of("deepfm")


def test_dropout_scales_what_it_keeps():
    method = method_of("deepfm", dropout=0.5, layers=[64])
    rows = torch.from_numpy(method.clicks.rows.astype(np.int64))
    none = torch.empty((len(rows), 0), dtype=torch.long)
    method.network.eval()
    with torch.no_grad():
        whole = method.network(rows, none)
        drawn = torch.stack(
            [method.network(rows, none, 0.5, torch.Generator().manual_seed(s)) for s in range(400)]
        )
    assert drawn.mean(dim=0).numpy() == pytest.approx(
        whole.numpy(), abs=6 * float(drawn.std(dim=0).max()) / 20
    )
    assert drawn.std() > 0


def test_settings_are_frozen_and_hashable():
    config = load_config(WideDeepConfig, {"layers": [8, 4]}, "method")
    assert config.layers == (8, 4)
    assert dataclasses.asdict(config)["layers"] == (8, 4)
