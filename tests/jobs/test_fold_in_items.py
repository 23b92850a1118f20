"""bundle fold-in: new items from interactions of known users, or by similar items, into a bundle."""

import dataclasses
import json

import numpy as np
import pytest
from exports import DIM, N_ITEMS, NO_GATE, exported, source_of, write_student

from recpress_edge.artifacts.bundle import open_bundle
from recpress_edge.artifacts.model_folder import read_student
from recpress_edge.artifacts.recipes import RECIPES as RECIPES_BY_NAME
from recpress_edge.cli import main
from recpress_edge.core.errors import ArtifactError, ConfigError, DataError
from recpress_edge.device.recommender import Recommender
from recpress_edge.jobs.fold_in.request import FoldInRequest
from recpress_edge.models.new_rows import Bags, folded_items
from recpress_export.build import build
from recpress_export.lean.strip import strip_bundle
from recpress_export.subjects.all_users import AllUsers
from recpress_export.update.apply import update_bundle
from recpress_export.update.changes import retirement
from recpress_export.update.stored import read_stored
from recpress_export.update.versions import roll_back

pytestmark = pytest.mark.usefixtures("workers_here")

RECIPES = ("int8-dim", "fp32", "fp16", "int8-item", "int4-item", "score16")


@pytest.fixture
def bundle(tmp_path):
    return exported(tmp_path / "bundle")


def log(folder, rows):
    path = folder / "new.csv"
    path.write_text("user,item\n" + "".join(f"{user},{item}\n" for user, item in rows))
    return path


def fans(bundle, axis=0, count=8):
    """Ids of the users who lie furthest along an axis."""
    rows = read_stored(bundle).user_rows
    return [bundle.user_ids()[user] for user in np.argsort(-rows[:, axis])[:count]]


@pytest.mark.parametrize("recipe", RECIPES)
def test_floats_of_a_file_rank_as_it_does(tmp_path, recipe):
    bundle = exported(tmp_path / "bundle", recipe)
    stored = read_stored(bundle)
    scores = stored.user_rows @ stored.item_rows.T
    told = stored.reference(()).recommend(3, (), N_ITEMS)
    ordered = scores[3][told[0]]
    assert (np.diff(ordered) <= 1e-3 * np.abs(ordered).max()).all()
    assert ordered == pytest.approx(told[1], rel=0.02, abs=0.02 * float(np.abs(ordered).max()))


@pytest.mark.parametrize("recipe", RECIPES)
def test_a_new_item_goes_to_whom_it_was_made_from(tmp_path, recipe):
    bundle = exported(tmp_path / "bundle", recipe)
    users = fans(bundle)
    path = log(tmp_path, [(user, "fresh") for user in users])
    result = FoldInRequest(bundle=bundle.folder, interactions=(path,), out=tmp_path / "new").run()
    new = result.updated.updated.bundle
    assert new.item_ids()[-1] == "fresh"
    assert new.contract.n_items == N_ITEMS + 1
    stored = read_stored(new)
    scores = stored.user_rows @ stored.item_rows[-1]
    places = [new.user_ids().index(user) for user in users]
    assert scores[places].mean() > scores.mean() + scores.std()
    assert new.provenance["updates"][-1]["clipped_rows"] == 0
    assert open_bundle(bundle.folder).digest == bundle.digest
    told = Recommender.load(tmp_path / "new").recommend(users[0], k=N_ITEMS)
    assert "fresh" in told.items


def test_the_row_is_the_one_that_is_stated_and_each_pair_counts_once(bundle, tmp_path):
    users = [bundle.user_ids()[3], bundle.user_ids()[9]]
    path = log(
        tmp_path, [(users[0], "fresh"), (users[1], "fresh"), (users[0], "fresh"), (users[0], "item-7")]
    )
    folded = FoldInRequest(bundle=bundle.folder, interactions=(path,)).plan()
    stored, rows = read_stored(bundle), bundle.evaluation()
    seen = [(int(user), item) for at, user in enumerate(rows.users) for item in rows.seen(at)] + [(3, 7)]
    bags = Bags.of_pairs(*np.array(seen).T, 70)
    wanted = folded_items(
        Bags.of_pairs(np.zeros(2, np.int64), np.array([3, 9]), 1),
        stored.user_rows,
        stored.item_rows,
        50 / N_ITEMS * 70,
        bags,
    )[0]
    found = folded.changes.append_emb[0]
    assert found / np.linalg.norm(found) == pytest.approx(wanted / np.linalg.norm(wanted), rel=1e-4, abs=1e-5)
    assert folded.per_item == (2,)
    assert folded.counted.known_items == 1


def test_rows_stay_within_the_scales_of_the_items(bundle, tmp_path):
    limits = read_stored(bundle).item_limits
    path = log(tmp_path, [(user, f"fresh-{axis}") for axis in range(DIM) for user in fans(bundle, axis, 2)])
    folded = FoldInRequest(bundle=bundle.folder, interactions=(path,)).plan()
    assert (np.abs(folded.changes.append_emb) <= limits * 1.0001).all()


def test_what_is_of_no_use_is_counted_and_named(bundle, tmp_path):
    user = bundle.user_ids()[0]
    rows = [(user, "fresh"), (user, "item-3"), ("nobody", "item-3"), ("nobody", "lonely"), (user, "once")]
    path = log(tmp_path, [*rows, (bundle.user_ids()[1], "fresh")])
    folded = FoldInRequest(bundle=bundle.folder, interactions=(path,), min_interactions=2).plan()
    assert folded.changes.append_ids == ("fresh",)
    counted = folded.counted
    assert (counted.interactions, counted.known_items, counted.unknown_users) == (2, 2, 2)
    assert counted.left_out == ("lonely", "once")
    with pytest.raises(DataError, match="nothing to fold in: 3 new items have too few"):
        FoldInRequest(bundle=bundle.folder, interactions=(path,), min_interactions=3).plan()


def test_an_item_like_others_is_their_mean(bundle):
    folded = FoldInRequest(bundle=bundle.folder, like=("fresh=item-3,item-8",)).plan()
    own = read_stored(bundle).item_rows[[3, 8]]
    row = folded.changes.append_emb[0]
    mean = own.mean(axis=0)
    assert row / np.linalg.norm(row) == pytest.approx(mean / np.linalg.norm(mean), rel=1e-4, abs=1e-5)


@pytest.mark.parametrize(
    ("like", "words"),
    [
        (("fresh",), "write NEW=ID,ID"),
        ((" =item-3",), "write NEW=ID,ID"),
        (("a\nb=item-3",), "an id is one line"),
        ((" item-3 =item-4",), "item 'item-3' is in the bundle already"),
        (("fresh=item-3,",), "write NEW=ID,ID"),
        (("fresh=item-3", "fresh=item-4"), "names 'fresh' twice"),
        (("item-3=item-4",), "item 'item-3' is in the bundle already"),
        (("fresh=item-999",), "item 'item-999' is not in the bundle"),
        ((), "fold-in of what"),
    ],
)
def test_bad_words_are_refused(bundle, like, words):
    with pytest.raises(ConfigError, match=words):
        FoldInRequest(bundle=bundle.folder, like=like).plan()


def test_ids_of_a_log_are_read_as_those_of_the_data_set_were(bundle, tmp_path):
    rows = [(user, name) for user in fans(bundle) for name in ("12.0", "NULL", "item-3\N{NO-BREAK SPACE}")]
    path = log(tmp_path, rows)
    asked = FoldInRequest(bundle=bundle.folder, interactions=(path,))
    with pytest.raises(ConfigError, match="--missing NULL"):
        asked.plan()
    with pytest.raises(ConfigError, match="--ids cleaned to drop the point"):
        dataclasses.replace(asked, missing="NULL").plan()
    found = dataclasses.replace(asked, missing="NULL", ids="cleaned").plan()
    assert (found.changes.append_ids, found.counted.known_items) == (("12",), 8)


def test_an_item_that_is_like_others_is_not_left_out(bundle, tmp_path):
    path = log(tmp_path, [(fans(bundle)[0], "fresh"), (fans(bundle)[0], "rare")])
    asked = FoldInRequest(
        bundle=bundle.folder, interactions=(path,), like=("fresh=item-3",), min_interactions=2
    )
    assert asked.plan().counted.left_out == ("rare",)


def test_retired_items_are_no_rivals_of_a_new_one(tmp_path):
    popular, rest = np.full((100, 4), 0.1), np.random.default_rng(0).normal(size=(500, 4)) * 0.5
    popular[:, 0], rest[:, 0] = 6.0, 0.1
    users = np.random.default_rng(1).normal(size=(70, 4))
    users[:, 0] = 2.0
    model = write_student(
        tmp_path / "model", users.astype(np.float32), np.concatenate([popular, rest]).astype(np.float32)
    )
    subject = AllUsers(source_of(read_student(model)))
    build(subject, RECIPES_BY_NAME["fp32"], tmp_path / "bundle", gate=NO_GATE)
    gone = retirement([f"item-{item}" for item in range(100)])
    update_bundle(tmp_path / "bundle", gone, force=False)
    path = log(tmp_path, [(f"user {user}", "fresh") for user in range(0, 70, 9)])
    FoldInRequest(bundle=tmp_path / "bundle", interactions=(path,)).run()
    recommender = Recommender.load(tmp_path / "bundle")
    lists = [recommender.recommend(f"user {user}", k=50).items for user in range(70)]
    reached = sum("fresh" in items for items in lists)
    assert reached == pytest.approx(70 * 50 / 500, abs=3)


@pytest.mark.parametrize(
    "flag",
    [
        {"columns": "user=a"},
        {"format": "csv"},
        {"where": "1=1"},
        {"min_interactions": 2},
        {"header": "no"},
        {"missing": "NULL"},
    ],
)
def test_what_is_said_of_a_log_that_is_not_given_is_refused(bundle, flag):
    with pytest.raises(ConfigError, match=f"--{next(iter(flag)).replace('_', '-')} is of --interactions"):
        FoldInRequest(bundle=bundle.folder, like=("fresh=item-3",), **flag).plan()


def test_a_lean_bundle_names_its_full_one(bundle):
    lean = strip_bundle(bundle.folder, bundle.folder.with_name("lean")).lean
    with pytest.raises(ConfigError, match=rf"is a lean bundle: .*stripped from, {bundle.name}"):
        FoldInRequest(bundle=lean.folder, like=("fresh=item-3",)).plan()


def test_a_bundle_of_one_user_takes_items_like_others_alone(tmp_path):
    bundle = exported(tmp_path / "one", user="user 3")
    path = log(tmp_path, [("user 3", "fresh")])
    with pytest.raises(ArtifactError, match="is of profile single-user"):
        FoldInRequest(bundle=bundle.folder, interactions=(path,)).plan()
    assert FoldInRequest(bundle=bundle.folder, like=("fresh=item-3",)).plan().changes.append_ids == ("fresh",)


def test_the_command_says_what_it_did_and_it_can_be_taken_back(bundle, tmp_path, capsys):
    path = log(tmp_path, [*((user, "fresh") for user in fans(bundle)), ("nobody", "lonely")])
    words = ["bundle", "fold-in", str(bundle.folder), "--interactions", str(path), "--like", "twin=item-3"]
    assert main([*words, "--dry-run"]) == 0
    assert "would      1 item from 8 interactions, 1 by items that they are like" in capsys.readouterr().out
    assert open_bundle(bundle.folder).digest == bundle.digest
    assert main([*words, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["folded_in"]["items"] == [
        {"id": "twin", "interactions": 0},
        {"id": "fresh", "interactions": 8},
    ]
    assert told["folded_in"]["left_out"] == ["lonely"]
    assert open_bundle(bundle.folder).item_ids()[-2:] == ["twin", "fresh"]
    roll_back(bundle.folder)
    assert open_bundle(bundle.folder).digest == bundle.digest
    assert main(["bundle", "fold-in", str(bundle.folder)]) == 2
