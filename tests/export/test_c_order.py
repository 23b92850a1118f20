"""The order of a model.bin's items: what is counted, chosen and said; answers are the same."""

import dataclasses
import re

import numpy as np
import pytest
from exports import ANY_HISTORY, OPEN, items_file, make_source, source_of, with_fold_in, write_student

from recpress_edge.artifacts.model_folder import read_student
from recpress_edge.artifacts.quantize import quantize_int8_dim
from recpress_edge.artifacts.recipes import RECIPES
from recpress_edge.core.errors import ConfigError
from recpress_edge.core.rng import stream
from recpress_edge.device.c.model_bin import BLOCK, HALF, LAYOUTS, NEIGHBOURS, ORDERS, read_header
from recpress_edge.device.runtime import REFERENCE, open_runtime
from recpress_edge.jobs.export import ExportRequest
from recpress_export.build import build
from recpress_export.c import order, pruning
from recpress_export.c.pruning import Askers, cheapest, work_of_orders
from recpress_export.c.writer import LAYOUT_KEY, ORDER_KEY, to_c
from recpress_export.inspect import read_contents
from recpress_export.options import NO_OPTIONS, FileOptions, check_options
from recpress_export.subjects.all_users import AllUsers
from recpress_export.subjects.history import History
from recpress_export.subjects.single_user import SingleUser
from recpress_export.update.apply import update_bundle
from recpress_export.update.changes import read_changes
from recpress_export.update.stored import read_stored

pytestmark = pytest.mark.usefixtures("workers_here")
DIM = 6


def tables_of(kind, n_items=3000, n_users=40):
    """Users and items: of one length, of unlike lengths, or in clouds around few points."""
    rng = stream(0, f"tables {kind}")
    users, items = (rng.standard_normal((count, DIM)) for count in (n_users, n_items))
    if kind == "clouds":
        items = rng.standard_normal((n_items // 60, DIM)).repeat(60, axis=0) + 0.02 * items
        items = items[rng.permutation(len(items))]
    items /= np.linalg.norm(items, axis=1, keepdims=True)
    if kind == "lengths":
        items *= np.geomspace(1, 0.01, len(items))[rng.permutation(len(items)), None]
    return users.astype(np.float32), items.astype(np.float32)


def askers_of(stored, n_users=40):
    rng = stream(0, "seen")
    return Askers(stored.user_q[:n_users], [rng.choice(len(stored.item_q), 5, False) for _ in range(n_users)])


def source_with(folder, kind, options=NO_OPTIONS, **sizes):
    student = read_student(write_student(folder / "model", *tables_of(kind, **sizes)))
    return dataclasses.replace(source_of(student), file_format="c", options=options)


def made(folder, kind="clouds", recipe="int8-dim", options=NO_OPTIONS, core="", **sizes):
    source = dataclasses.replace(source_with(folder, kind, options, **sizes), core=core)
    subject = AllUsers(source)
    return build(subject, RECIPES[recipe], folder / "bundle", gate=OPEN, force=True).bundle


# ---- Counting


@pytest.mark.parametrize(
    ("kind", "n_items", "chosen"),
    [("alike", 3000, "catalogue"), ("lengths", 30_000, "length"), ("clouds", 60_000, "neighbours")],
)
def test_the_order_is_that_of_the_tables(kind, n_items, chosen):
    stored = quantize_int8_dim(*tables_of(kind, n_items))
    work = work_of_orders(stored.item_q, askers_of(stored), 20)
    assert cheapest(work) == chosen
    assert work["catalogue"] == -(-n_items // BLOCK) * BLOCK * DIM


def test_an_order_must_save_a_tenth():
    assert cheapest({"catalogue": 100.0, "length": 91.0, "neighbours": 95.0}) == "catalogue"
    assert cheapest({"catalogue": 100.0, "length": 89.0, "neighbours": 90.0}) == "length"


def test_blocks_by_length_end_where_the_bound_is_below_what_is_found():
    """20 of 1,000 blocks hold what reaches 50; blocks from the 100th on are bounded by 49."""
    maxima = np.where(np.arange(1000) < 20, 50, 1).astype(np.float32)
    bounds = np.where(np.arange(1000) < 100, 1000.0, 49.0)
    assert pruning._until_bounded(maxima, bounds, 20) == (104, 24 + 40 + 56 + 72 + 88 + 104)
    assert pruning._until_bounded(maxima, bounds, 20, 90) == (104, 90 + 104)
    assert pruning._until_bounded(maxima, bounds, 21)[0] == 1000  # the 21st reaches no more than 1
    assert pruning._until_bounded(maxima, bounds, 1001) == (1000, 0)


def test_halves_are_counted_between_the_first_threshold_and_the_last():
    rng = stream(0, "halves")
    scores = (
        rng.normal(size=(188, HALF)).astype(np.float32) + rng.normal(size=(188, 1)).astype(np.float32) * 5
    )
    bounds = scores.max(axis=1) + np.float32(0.5)
    seeds = pruning._seeds(bounds, 20)
    assert set(seeds) == set(np.argsort(bounds)[-40:])  # two for each of the list
    threshold = np.sort(scores[seeds].reshape(-1))[-20]
    most = len(seeds) + int((bounds >= threshold).sum())
    best = np.sort(scores.reshape(-1))[-20]
    least = len(seeds) + int((bounds >= best).sum())
    assert least <= pruning._touched(scores, bounds, 20) <= most


def test_seeds_of_many_halves_are_those_of_the_most_promising_groups():
    bounds = stream(0, "many halves").permutation(97 * BLOCK).astype(np.float32)
    seeds = pruning._seeds(bounds, 20)
    twentieth = np.sort(bounds.reshape(-1, BLOCK).max(axis=1))[-20]
    assert np.array_equal(seeds, np.flatnonzero(bounds >= twentieth))
    assert 20 <= len(seeds) < 60
    assert len(pruning._seeds(np.zeros_like(bounds), 20)) == 96


def test_small_boxes_stand_together():
    """Points of clouds: a leaf holds a part of one cloud, so that its box is smaller than a cloud's share."""
    rng = stream(0, "clouds")
    centres = rng.integers(-100, 101, (80, 6))
    items = (centres.repeat(32, axis=0) + rng.integers(-3, 4, (2560, 6))).astype(np.int8)
    items = items[rng.permutation(len(items))]
    places = order.item_places(items, NEIGHBOURS)
    assert np.array_equal(np.sort(places), np.arange(len(items)))
    leaves = items[places].reshape(-1, HALF, 6).astype(np.int64)
    edges = (leaves.max(axis=1) - leaves.min(axis=1)).max(axis=1)
    assert np.mean(edges <= 7) > 0.85  # cuts in the middle alone: .78


def test_equal_items_are_not_cut(monkeypatch):
    items = np.full((5000, 3), 7, np.int8)
    monkeypatch.setattr(order, "_cut_costs", lambda *_: pytest.fail("equal items were cut"))
    assert np.array_equal(order.near_together(items), np.arange(5000))


def test_fewer_users_are_counted_of_a_large_catalogue():
    assert pruning.count_of(10_000, 2_500) == 256
    assert pruning.count_of(30, 2_500) == 30
    assert pruning.count_of(10_000, 1_000_000) == 134
    assert pruning.count_of(10_000, 16_000_000) == 16


# ---- Bundles


def test_the_choice_is_stored_and_said(tmp_path):
    bundle = made(tmp_path, "lengths", n_items=30_000)
    facts = bundle.provenance["order"]
    assert facts["order"] == "length"
    assert facts["work_bytes"]["length"] < 0.9 * facts["work_bytes"]["catalogue"]
    assert facts["users"] == 40
    assert re.fullmatch(
        r"length: a query for \d+ reads \d+% by length and \d+% by neighbours of what it reads by catalogue, "
        r"counted on 40 validation users",
        facts["why"],
    )
    assert f"order of the items: {facts['why']}" in (bundle.folder / "CARD.md").read_text()
    assert read_contents(bundle.model_path).metadata[ORDER_KEY] == "length"
    assert "-DRP_ORDER=1" in (bundle.folder / "Makefile").read_text()


@pytest.mark.parametrize("recipe", ["int8-dim", "score16"])
@pytest.mark.parametrize("order", ORDERS)
def test_every_order_gives_the_same_answers(order, recipe, tmp_path):
    """The engine and numpy, on 997 items, whatever is seen."""
    bundle = made(tmp_path, "clouds", recipe, FileOptions(order=order), n_items=1020)
    assert ORDERS[read_header(bundle.model_path.read_bytes()).order] == order
    assert bundle.provenance["order"] == {"order": order, "why": f"{order}: asked for"}
    engine, numpy = (open_runtime(bundle.model_path, bundle.contract, runtime=r) for r in (None, REFERENCE))
    rng = stream(0, "asked")
    for user in range(40):
        seen = rng.choice(1020, int(rng.integers(0, 200)), replace=False)
        for k in (1, 20, 300):
            (items, scores), (right, best) = (r.recommend(user, seen, k) for r in (engine, numpy))
            assert items.tolist() == right.tolist()
            assert scores.tobytes() == best.tobytes()


@pytest.mark.parametrize("order", ORDERS)
def test_an_update_keeps_the_order(order, tmp_path):
    bundle = made(tmp_path, "clouds", options=FileOptions(order=order), n_items=1020)
    stored = read_stored(bundle)
    assert to_c(stored.graph(bundle.contract), stored.metadata) == bundle.model_path.read_bytes()
    path = items_file(tmp_path / "items.npz", append_ids=["a"], retire_ids=["item-5", "item-900"])
    updated = update_bundle(bundle.folder, read_changes(path), None, force=True).bundle
    header = read_header(updated.model_path.read_bytes())
    assert (ORDERS[header.order], header.n_items, header.n_retired) == (order, 1021, 2)
    assert updated.provenance["order"]["order"] == order
    runtime = open_runtime(updated.model_path, updated.contract)
    assert not set(runtime.recommend(3, [7], 1021)[0].tolist()) & {5, 7, 900}


@pytest.mark.parametrize("profile", ["single-user", "history"])
def test_other_profiles_are_counted_too(profile, tmp_path):
    source = dataclasses.replace(make_source(tmp_path / "model"), file_format="c")
    subject = (
        SingleUser(source, "user 3")
        if profile == "single-user"
        else History(source, with_fold_in(tmp_path / "model", source), ANY_HISTORY)
    )
    bundle = build(subject, RECIPES["int8-dim"], tmp_path / "bundle", gate=OPEN).bundle
    assert bundle.provenance["order"]["users"] == (1 if profile == "single-user" else 70)


@pytest.mark.parametrize("recipe", ["fp32", "int8-item", "int4-item"])
def test_recipes_without_a_shared_scale_have_one_order(recipe, tmp_path):
    bundle = made(tmp_path, "lengths", recipe, n_items=120)
    assert "order" not in bundle.provenance
    assert read_header(bundle.model_path.read_bytes()).order == 0


# ---- One core's layout


def test_a_core_without_dot_products_gets_its_own_layout(tmp_path):
    bundle = made(tmp_path, "clouds", "score16", core="armv8.0", n_items=1020)
    header = read_header(bundle.model_path.read_bytes())
    assert (ORDERS[header.order], "order" in bundle.provenance) == ("catalogue", False)
    assert LAYOUTS[read_header(bundle.model_path.read_bytes()).layout] == "dims"
    assert read_contents(bundle.model_path).metadata[LAYOUT_KEY] == "dims"
    engine, numpy = (open_runtime(bundle.model_path, bundle.contract, runtime=r) for r in (None, REFERENCE))
    for user in range(40):
        assert engine.recommend(user, [3, 9], 50)[0].tolist() == numpy.recommend(user, [3, 9], 50)[0].tolist()
    path = items_file(tmp_path / "items.npz", retire_ids=["item-5"])
    updated = update_bundle(bundle.folder, read_changes(path), None, force=False).bundle
    assert LAYOUTS[read_header(updated.model_path.read_bytes()).layout] == "dims"


@pytest.mark.parametrize(
    ("options", "recipe", "says"),
    [
        (FileOptions(order="length"), "fp32", "--order length needs items that share their scales"),
        (FileOptions(order="neighbours"), "int8-item", "--order neighbours needs items that share"),
        (FileOptions(order="lenght"), "int8-dim", "Did you mean 'length'"),
    ],
    ids=str,
)
def test_what_does_not_go_together_is_refused(options, recipe, says):
    with pytest.raises(ConfigError, match=says):
        check_options(options, "c", RECIPES[recipe])
    check_options(FileOptions(order="catalogue"), "c", RECIPES["fp32"])


def test_a_core_keeps_the_order_of_the_catalogue():
    request = ExportRequest(student="bpr_dim4", recipe="score16", format="c", core="armv8.0")
    dataclasses.replace(request, options=FileOptions(order="catalogue")).check(target=False)
    with pytest.raises(ConfigError, match=r"--core armv8.0 keeps the order catalogue. Leave --order out"):
        dataclasses.replace(request, options=FileOptions(order="length")).check(target=False)
