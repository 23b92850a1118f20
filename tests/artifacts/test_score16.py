"""Recipe score16: tables of int8-dim, user scales such that every score fits 16 bits, and no larger."""

import dataclasses

import numpy as np
import pytest
from exports import (
    ANY_HISTORY,
    FILES,
    NO_GATE,
    exported,
    items_file,
    make_graph,
    make_source,
    random_tables,
    with_fold_in,
)

from recpress_edge.artifacts import score16
from recpress_edge.artifacts.fold_in import history_contract
from recpress_edge.artifacts.quantize import quantize, quantize_int8_dim, quantize_score16
from recpress_edge.artifacts.recipes import RECIPES
from recpress_edge.artifacts.score16 import MOST, fitted_users, largest_scores, not_fitting
from recpress_edge.core.errors import ConfigError, GateError
from recpress_edge.core.rng import stream
from recpress_edge.device.c.model_bin import FITS_16, read_header
from recpress_edge.device.runtime import open_runtime
from recpress_export.build import build
from recpress_export.c.writer import to_c
from recpress_export.exactness import check_rounding
from recpress_export.graph import LookUp, describe_int8, write_model
from recpress_export.subjects.history import History
from recpress_export.update.apply import update_bundle
from recpress_export.update.changes import read_changes

CLOSE = ("int8-dim", "score16")
SHAPES = [(60, 700, 10), (60, 700, 32), (30, 300, 100), (5, 40, 1)]


def all_scores(tables):
    return tables.user_q.astype(np.int64) @ tables.item_q.T.astype(np.int64)


def test_a_user_worked_out_by_hand():
    """127 · 127 + 127 · 127 + 127 · 4 = 32,766 fits; a last 5 makes 32,893, which does not."""
    items = np.full((1, 3), 127, np.int8)
    rows = np.array([[127.0, 127, 4], [127, 127, 5]])
    users, scale = fitted_users(rows.astype(np.int8), np.ones(2, np.float32), rows, items)
    assert users.tolist() == [[127, 127, 4], [126, 126, 5]]
    assert scale.tolist() == pytest.approx([1, (32893 / 32767) ** 2])
    assert not not_fitting(users, items).size


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_every_score_fits_and_nothing_else_changes(shape):
    tables = random_tables(*shape)
    plain, fitted = quantize_int8_dim(*tables), quantize_score16(*tables)
    assert np.abs(all_scores(fitted)).max() <= MOST
    fits = np.abs(all_scores(plain)).max(axis=1) <= MOST
    assert fitted.user_q[fits].tobytes() == plain.user_q[fits].tobytes()
    assert fitted.user_scale[fits].tobytes() == plain.user_scale[fits].tobytes()
    assert fitted.item_q.tobytes() == plain.item_q.tobytes()
    assert (fitted.user_scale[~fits] > plain.user_scale[~fits]).all()
    check_rounding(fitted, *tables)


@pytest.mark.parametrize("shape", SHAPES[:3], ids=str)
def test_scales_are_no_larger_than_they_must_be(shape):
    tables = random_tables(*shape)
    plain, fitted = quantize_int8_dim(*tables), quantize_score16(*tables)
    changed = np.abs(all_scores(plain)).max(axis=1) > MOST
    assert changed.any()
    assert np.abs(all_scores(fitted)[changed]).max(axis=1).min() > 0.97 * MOST


def test_largest_scores_are_those_of_whole_numbers(monkeypatch):
    """Over several blocks of both sides, and at the largest dim that float32 sums exactly."""
    monkeypatch.setattr(score16, "_USERS", 7)
    monkeypatch.setattr(score16, "_ITEMS", 11)
    for dim in (3, 1040, 1100):
        rng = stream(dim, "largest")
        users, items = (rng.choice([-127, 126, 127], (count, dim)).astype(np.int8) for count in (20, 50))
        users[3], items[5] = 127, 127
        wanted = np.abs(users.astype(np.int64) @ items.T.astype(np.int64)).max(axis=1)
        assert largest_scores(users, items).tolist() == wanted.tolist()


def test_users_of_zeros_and_no_items_to_tell_apart():
    tables = quantize_score16(np.zeros((3, 4), np.float32), np.ones((9, 4), np.float32))
    assert not tables.user_q.any()


# ---- Files


@pytest.mark.parametrize("file_format", [f for f, recipe in FILES if recipe == "score16"])
def test_every_format_answers_alike(file_format, tmp_path):
    tables = random_tables(12, 300, 20)
    graph = make_graph("score16", *tables, file_format)
    path = tmp_path / graph.contract.model_file
    path.write_bytes(write_model(graph, {}))
    runtime, scores = open_runtime(path, graph.contract), all_scores(quantize(RECIPES["score16"], *tables))
    for user in range(12):
        want = np.argsort(-scores[user], kind="stable")[:50]
        assert runtime.recommend(user, [], 50)[0].tolist() == want.tolist()


def test_the_header_says_it():
    flags = [read_header(to_c(make_graph(r, *random_tables(3, 40, 4), "c"), {})).flags for r in CLOSE]
    assert flags == [0, FITS_16]


def test_forged_tables_are_refused():
    """Tables of int8-dim under the name of score16."""
    tables = random_tables(60, 700, 32)
    graph = make_graph("score16", *tables, "c")
    forged = describe_int8(graph.contract, quantize_int8_dim(*tables))
    assert isinstance(forged.steps[0], LookUp)
    with pytest.raises(GateError, match=r"of 60 users have a score beyond 16 bits, first user \d+: -?\d+"):
        to_c(forged, {})


def test_a_history_file_is_refused(tmp_path):
    source = make_source(tmp_path / "model")
    subject = History(source, with_fold_in(tmp_path / "model", source), ANY_HISTORY)
    with pytest.raises(ConfigError, match="score16 is not available for --profile history"):
        build(subject, RECIPES["score16"], tmp_path / "bundle", gate=NO_GATE)
    graph = make_graph("score16", *random_tables(2, 30, 4), "c")
    graph = dataclasses.replace(graph, contract=history_contract(graph.contract))
    with pytest.raises(ConfigError, match="not available for --profile history"):
        to_c(graph, {})


@pytest.mark.parametrize("file_format", [f for f, recipe in FILES if recipe == "score16"])
def test_an_update_that_does_not_fit_is_refused(file_format, tmp_path):
    """A row of the largest values: 1.24 times beyond the scales is allowed, 16 bits are not."""
    bundle = exported(tmp_path / "bundle", "score16", file_format)
    longest = np.full((1, 6), 9, np.float32)
    path = items_file(tmp_path / "items.npz", append_ids=["long"], append_emb=longest)
    with pytest.raises(GateError, match="beyond 16 bits"):
        update_bundle(bundle.folder, read_changes(path), None, force=True)
