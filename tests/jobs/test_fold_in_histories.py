"""New and retired items of history bundles: of means, of a learned history, and of one that forgets."""

import dataclasses

import numpy as np
import pytest
from exports import ANY_HISTORY, DIM, N_ITEMS, NO_GATE, exported, make_source, with_fold_in
from network_models import N_ITEMS as LRH_ITEMS
from network_models import lrh_arrays, read_lrh

from recpress_edge.artifacts.bundle import open_bundle
from recpress_edge.artifacts.recipes import RECIPES
from recpress_edge.cli import main
from recpress_edge.core.errors import DataError
from recpress_edge.core.rng import stream
from recpress_edge.device.runtime import open_runtime
from recpress_edge.jobs.fold_in.histories import history_rows
from recpress_edge.jobs.fold_in.request import FoldInRequest
from recpress_edge.jobs.fold_in.side import side_of
from recpress_edge.jobs.update import RetireRequest, UpdateRequest
from recpress_export.build import build
from recpress_export.subjects.history import History
from recpress_export.subjects.recurrent import RecurrentHistory
from recpress_export.update.stored import read_stored

pytestmark = pytest.mark.usefixtures("workers_here")

KINDS = [("sum", "onnx", "int8-dim"), ("sum", "tflite", "int8-item"), ("sum", "c", "int4-item")]
KINDS += [("sum", "onnx", "fp16"), ("forgets", "onnx", "int8-dim")]


@pytest.fixture(scope="module")
def bundles(tmp_path_factory):
    """(kind, format, recipe) -> a bundle of 120 items; that which forgets has 40."""
    folder, made = tmp_path_factory.mktemp("histories"), {}

    def bundle_of(kind, file_format="onnx", recipe="int8-dim"):
        key = f"{kind}-{file_format}-{recipe}"
        if key not in made:
            if kind == "sum":
                source = make_source(folder / key, n_items=N_ITEMS, dim=DIM)
                source = dataclasses.replace(source, file_format=file_format)
                subject = History(source, with_fold_in(folder / key, source), ANY_HISTORY)
            else:
                subject = RecurrentHistory(forgetful(folder / key, file_format))
            made[key] = build(subject, RECIPES[recipe], folder / f"{key}-bundle", gate=NO_GATE).bundle
        return made[key]

    return bundle_of


def forgetful(folder, file_format):
    source = make_source(folder / "tables", n_users=20, n_items=LRH_ITEMS)
    return dataclasses.replace(
        source, file_format=file_format, model=read_lrh(folder / "lrh", **lrh_arrays())
    )


@pytest.mark.parametrize(("kind", "file_format", "recipe"), KINDS)
def test_users_are_as_the_file_makes_them(bundles, kind, file_format, recipe):
    bundle = bundles(kind, file_format, recipe)
    stored, runtime = read_stored(bundle), open_runtime(bundle.model_path, bundle.contract)
    for seen in ([], [7], [5, 3, 9, 11, 2, 30]):
        wanted = (stored.history.users([np.array(seen, np.int64)]) @ stored.item_rows.T)[0]
        items, scores = runtime.recommend(None, seen, bundle.contract.n_items)
        largest = float(np.abs(scores).max())
        assert wanted[items] == pytest.approx(scores, rel=0.02, abs=0.02 * largest)


@pytest.mark.parametrize(("kind", "file_format", "recipe"), KINDS)
def test_an_item_like_others_is_ranked_and_consumed_as_their_mean(
    bundles, tmp_path, kind, file_format, recipe
):
    bundle = bundles(kind, file_format, recipe)
    before = read_stored(bundle)
    FoldInRequest(bundle=bundle.folder, like=("fresh=item-4",), out=tmp_path / "new").run()
    bundle = open_bundle(tmp_path / "new")
    stored, runtime = read_stored(bundle), open_runtime(bundle.model_path, bundle.contract)
    new = bundle.contract.n_items - 1
    assert bundle.item_ids()[new] == "fresh"
    assert np.array_equal(stored.history.table[:new], before.history.table)
    assert np.array_equal(stored.history.table[new], before.history.table[4])
    one, other = (dict(zip(*runtime.recommend(None, [item], new + 1), strict=True)) for item in (4, new))
    for item in range(new):
        if item != 4:
            assert one[item] == pytest.approx(other[item], rel=1e-4, abs=1e-4 * float(max(one.values())))
    assert one[new] == pytest.approx(other[4], rel=0.03)  # its own row, not rounded alike


@pytest.mark.parametrize("kind", ["sum", "forgets"])
def test_interactions_make_both_rows_of_an_item(bundles, tmp_path, kind):
    bundle = bundles(kind)
    stored = read_stored(bundle)
    rng = stream(0, "readers")
    likes = rng.permutation(40)[:12].reshape(4, 3).tolist()
    lines = [f"new user {at},item-{item}" for at, seen in enumerate(likes) for item in seen]
    lines += [f"new user {at},fresh" for at in range(4)] + ["stranger,fresh", "stranger,odd"]
    path = tmp_path / "log.csv"
    path.write_text("user,item\n" + "\n".join(lines) + "\n")
    folded = FoldInRequest(bundle=bundle.folder, interactions=(path,), out=tmp_path / "new").run().folded
    assert folded.per_item == (4,)
    assert (folded.counted.unknown_users, folded.counted.left_out) == (2, ("odd",))
    own = stored.history.users([np.array(seen) for seen in likes])
    others = side_of(bundle, stored).user_rows
    row = folded.changes.append_emb[0]
    assert (own @ row).mean() > (others @ row).mean() + (others @ row).std() / 2
    assert folded.changes.append_history.shape == row[None].shape
    made = open_bundle(tmp_path / "new")
    assert made.contract.n_items == bundle.contract.n_items + 1
    assert read_stored(made).history.table[-1].any()


def test_users_of_a_history_bundle_are_those_with_known_items_in_the_log(bundles, tmp_path, capsys):
    bundle, path = bundles("sum"), tmp_path / "log.csv"
    path.write_text("user,item\nreader,fresh\nother,fresh\n")
    request = FoldInRequest(bundle=bundle.folder, interactions=(path,))
    with pytest.raises(DataError, match="holds no users: give a log with what they consumed before, too"):
        request.plan()
    path.write_text("user,item\nreader,item-3\nreader,fresh\nother,fresh\nother,odd\n")
    words = ["bundle", "fold-in", str(bundle.folder), "--interactions", str(path), "--dry-run"]
    assert main(words) == 0
    told = " ".join(capsys.readouterr().out.split())
    assert "1 interaction with items that are there, 2 of users of whom the log holds no known item" in told
    assert "left out 1 new item with too few users with known items: odd" in told


def test_what_an_item_adds_is_what_its_vector_tells(bundles):
    """Where histories are a linear map of the items, that of a new item is found again."""
    bundle = bundles("sum")
    stored = read_stored(bundle)

    side = side_of(bundle, stored)
    turned = np.linalg.qr(stream(0, "turn").standard_normal((DIM, DIM)))[0].astype(np.float32)
    history = stored.history.with_rows(np.arange(N_ITEMS), stored.history.table, N_ITEMS)
    scaled = side.item_rows @ turned
    scaled *= np.abs(stored.history.rows).max() / np.abs(scaled).max() / 4
    history = history.with_rows(np.arange(N_ITEMS), history.stored(scaled)[0], N_ITEMS)
    emb = side.item_rows[:5] * np.float32(0.5)
    found = history_rows(history, side, emb, [])
    assert found == pytest.approx(scaled[:5] / 2, abs=0.05 * float(np.abs(scaled).max()))


@pytest.mark.parametrize("kind", ["sum", "forgets"])
def test_items_are_retired_and_replaced(bundles, tmp_path, kind):
    bundle = bundles(kind)
    RetireRequest(bundle=bundle.folder, ids=("item-2",), out=tmp_path / "without").run()
    made = open_bundle(tmp_path / "without")
    assert made.contract.retired == (2,)
    dim = made.contract.dim
    own = read_stored(made).item_rows[5:6]
    np.savez(tmp_path / "one.npz", replace_ids=["item-7"], replace_emb=own)
    request = UpdateRequest(bundle=made.folder, items=tmp_path / "one.npz")
    with pytest.raises(DataError, match="1 of the first and 0 of the second"):
        request.run()
    rows = np.zeros((1, dim), np.float32)
    np.savez(tmp_path / "one.npz", replace_ids=["item-7"], replace_emb=own, replace_history=rows)
    request.run()
    stored = read_stored(open_bundle(made.folder))
    assert not stored.history.table[7].any()
    assert np.array_equal(stored.item_table[7], stored.item_table[5])


def test_rows_of_histories_are_of_history_bundles_alone(tmp_path):

    bundle = exported(tmp_path / "bundle")
    rows = np.zeros((1, DIM), np.float32)
    np.savez(tmp_path / "one.npz", append_ids=["new"], append_emb=rows, append_history=rows)
    with pytest.raises(DataError, match="append_history and replace_history are of history bundles"):
        UpdateRequest(bundle=bundle.folder, items=tmp_path / "one.npz").plan()
