"""popular.txt: what an unknown user gets, from Python and from the command line."""

import json
import math

import numpy as np
import pytest
from exports import ANY_HISTORY, NO_GATE, exported, make_source, with_fold_in
from made_click_bundles import click_bundle

from recpress_edge.artifacts.ids import POPULAR_FILE, read_popular
from recpress_edge.artifacts.recipes import RECIPES
from recpress_edge.cli import main
from recpress_edge.core.errors import ArtifactError, ConfigError
from recpress_edge.device.recommender import HISTORY, MODEL, POPULAR, Recommender
from recpress_export.build import build
from recpress_export.lean.strip import lean_path, strip_bundle
from recpress_export.popularity import LISTED, popular_items
from recpress_export.subjects.history import History
from recpress_export.update.apply import update_bundle
from recpress_export.update.changes import retirement

pytestmark = pytest.mark.usefixtures("workers_here")


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    """Train interactions of item n: (119 - n) // 3, so that items 117 to 119 have none."""
    return exported(tmp_path_factory.mktemp("popular") / "all")


@pytest.fixture(scope="module")
def history(tmp_path_factory):
    folder = tmp_path_factory.mktemp("history")
    source = make_source(folder / "model")
    subject = History(source, with_fold_in(folder / "model", source), ANY_HISTORY)
    return build(subject, RECIPES["int8-dim"], folder / "history", gate=NO_GATE).bundle


def test_the_order_is_by_train_interactions_then_by_index(bundle):
    assert popular_items(np.array([3, 0, 9, 3])) == [2, 0, 3]
    assert len(popular_items(np.arange(1, 1000))) == LISTED
    assert bundle.popular() == tuple(range(117))


def test_an_unknown_user_is_an_error_unless_somebody_stands_in(bundle, history):
    asked = Recommender.load(bundle.folder)
    with pytest.raises(ConfigError, match="unknown user 'nobody'"):
        asked.recommend("nobody")
    found = asked.recommend("nobody", ["item-0", "item-2", "never seen"], 3, or_popular=True)
    assert (found.items, found.source) == (["item-1", "item-3", "item-4"], POPULAR)
    assert all(math.isnan(score) for score in found.scores)
    assert found.unknown == ("never seen",)
    with pytest.raises(ConfigError, match="k must be at least 1"):
        asked.recommend("nobody", k=0, or_popular=True)
    with pytest.raises(ConfigError, match="unknown seen item"):
        asked.recommend("nobody", ["never seen"], or_popular=True, strict=True)
    reader = Recommender.load(history.folder)
    seen = ["item-7", "item-9"]
    by_history = asked.recommend("nobody", seen, 5, or_popular=True, or_history=reader)
    assert (by_history.items, by_history.source) == (reader.recommend(None, seen, 5).items, HISTORY)
    assert asked.recommend("nobody", k=2, or_popular=True, or_history=reader).source == POPULAR
    assert asked.recommend("nobody", k=2, or_history=reader).source == HISTORY
    with pytest.raises(ConfigError, match="or_history holds users"):
        asked.recommend("nobody", seen, or_history=asked)


def test_a_known_user_gets_the_model_s_answer(bundle, history):
    asked, reader = Recommender.load(bundle.folder), Recommender.load(history.folder)
    plain = asked.recommend("user 3", ["item-4"], 9)
    both = asked.recommend("user 3", ["item-4"], 9, or_popular=True, or_history=reader)
    assert (list(both), both.source) == (list(plain), MODEL)


def test_the_list_may_end_before_k(bundle):
    everything = [f"item-{item}" for item in range(110)]
    found = Recommender.load(bundle.folder).recommend("nobody", everything, 20, or_popular=True)
    assert found.items == [f"item-{item}" for item in range(110, 117)]


def test_retired_items_are_left_out_and_new_ones_are_not_in_it(bundle, tmp_path):
    update_bundle(bundle.folder, retirement(["item-0", "item-2"]), tmp_path / "new", force=False)
    found = Recommender.load(tmp_path / "new").recommend("nobody", k=3, or_popular=True)
    assert found.items == ["item-1", "item-3", "item-4"]


@pytest.mark.parametrize("file_format", ["c", "tflite"])
def test_it_travels_in_every_format_and_in_lean_bundles(file_format, tmp_path):
    made = exported(tmp_path / "full", "int8-dim", file_format)
    lean = strip_bundle(made.folder, lean_path(made.folder)).lean
    assert POPULAR_FILE in lean.files
    assert Recommender.load(lean.folder).recommend("nobody", k=2, or_popular=True).items == [
        "item-0",
        "item-1",
    ]


def test_a_history_bundle_and_one_user_s_have_none(history, tmp_path):
    one = exported(tmp_path / "one", user="user 3")
    assert POPULAR_FILE not in one.files
    assert POPULAR_FILE not in history.files
    with pytest.raises(ConfigError, match=r"holds no popular\.txt"):
        Recommender.load(history.folder).recommend("nobody", or_popular=True)


@pytest.mark.parametrize(
    "content", ["x\n", "1\n1\n", "120\n", "-1\n", "1 \n", "１\n", "9" * 30 + "\n", "1", "1\n" * 200]
)
def test_a_damaged_list_is_refused(content, tmp_path):
    where = tmp_path / POPULAR_FILE
    where.write_text(content)
    with pytest.raises(ArtifactError, match=r"popular\.txt"):
        read_popular(where, 120)
    where.write_text("5\n0\n")
    assert read_popular(where, 120) == (5, 0)


def test_recommend_says_what_answered(bundle, history, capsys):
    words = ["recommend", str(bundle.folder), "--user", "nobody", "-k", "2"]
    assert main(words) == 2
    assert "unknown user 'nobody'" in capsys.readouterr().err
    assert main([*words, "--or-popular", "--seen", "item-0"]) == 0
    out = capsys.readouterr().out
    assert "the items of most train interactions, which have no scores" in " ".join(out.split())
    assert "score" not in out.splitlines()[0]
    assert main([*words, "--or-popular", "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts["items"] == [{"item": "item-0"}, {"item": "item-1"}]
    assert facts["source"] == POPULAR
    with_history = [*words, "--or-history", str(history.folder), "--seen", "item-7,item-9", "--json"]
    assert main(with_history) == 0
    facts = json.loads(capsys.readouterr().out)
    assert (facts["source"], facts["bundle"]) == (HISTORY, history.name)
    wanted = Recommender.load(history.folder).recommend(None, ["item-7", "item-9"], 2)
    assert [(one["item"], one["score"]) for one in facts["items"]] == list(wanted)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--or-popular"], "--or-popular is for a --user whom the bundle may not know"),
        (["--user", "nobody", "--or-history", "{all}"], "which answers for its own users alone"),
        (["--user", "nobody", "--or-history", "missing"], "no such file or folder: missing"),
    ],
)
def test_flags_that_cannot_apply(bundle, words, message, capsys):
    named = [word.replace("{all}", str(bundle.folder)) for word in words]
    assert main(["recommend", str(bundle.folder), *named]) == 2
    assert message in " ".join(capsys.readouterr().err.split())


def test_a_click_bundle_has_no_such_list(tmp_path, capsys):
    clicks = click_bundle(tmp_path / "clicks").bundle
    assert main(["recommend", str(clicks.folder), "--user", "bob", "--or-popular"]) == 2
    assert "--or-popular is for bundles of tables and networks" in " ".join(capsys.readouterr().err.split())
