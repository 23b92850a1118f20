"""A bundle in Python: titles, several users at once, and what is checked on loading."""

import numpy as np
import pytest
from bundles import make_bundle

from recpress_edge import Recommender
from recpress_edge.artifacts.bundle import open_bundle, write_manifest
from recpress_edge.artifacts.item_features import FEATURES_FILE, write_item_features
from recpress_edge.artifacts.titles import TITLES_FILE, write_titles
from recpress_edge.core.errors import ArtifactError, ConfigError, DataError
from recpress_edge.device.apart import Question, recommend_apart


@pytest.fixture
def folder(tmp_path):
    return make_bundle(tmp_path / "tiny").folder


def add_titles(folder, titles):
    bundle = open_bundle(folder)
    write_titles(folder, titles)
    write_manifest(folder, bundle.name, bundle.contract, bundle.provenance, bundle.quality)


def test_titles_stand_beside_the_items(folder):
    plain = Recommender.load(folder).recommend("u3", ["item-5"], 4)
    assert plain.titles is None
    n_items = open_bundle(folder).contract.n_items
    add_titles(folder, [f"Title, of {n}" if n % 2 else "" for n in range(n_items)])
    found = Recommender.load(folder).recommend("u3", ["item-5"], 4)
    assert list(found) == list(plain)
    number = [int(item.removeprefix("item-")) for item in found.items]
    assert found.titles == [f"Title, of {n}" if n % 2 else "" for n in number]
    _, apart = recommend_apart(folder, Question("u3", ("item-5",), 4))
    assert apart.titles == found.titles


def test_titles_of_another_catalogue_are_refused(folder):
    add_titles(folder, ["only one"])
    with pytest.raises(ArtifactError, match=r"titles.txt must hold \d+ lines, found 1"):
        Recommender.load(folder)
    with pytest.raises(DataError, match="item 0 holds a line break"):
        write_titles(folder, ["two\nlines"])


def test_features_of_the_items_are_shown_where_they_travel(folder):
    assert Recommender.load(folder).recommend("u3", k=4).features == {}
    bundle = open_bundle(folder)
    n_items = bundle.contract.n_items
    columns = {
        "kind": ["Sf|Fun" if n % 2 else "" for n in range(n_items)],
        "year": list(map(str, range(n_items))),
    }
    write_item_features(folder, columns)
    write_manifest(folder, bundle.name, bundle.contract, bundle.provenance, bundle.quality)
    for found in (
        Recommender.load(folder).recommend("u3", ["item-5"], 4),
        Recommender.load(folder, verify=False).recommend("u3", ["item-5"], 4),
        recommend_apart(folder, Question("u3", ("item-5",), 4))[1],
    ):
        number = [int(item.removeprefix("item-")) for item in found.items]
        assert found.features["year"] == list(map(str, number))
        assert found.features["kind"] == ["Sf|Fun" if n % 2 else "" for n in number]
    assert set(open_bundle(folder).shown_bytes()) == {FEATURES_FILE}


@pytest.mark.parametrize(
    "text",
    [
        "kind\n",
        "kind\n" + "x\n" * 19,
        "kind\tkind\n" + "x\ty\n" * 20,
        "kind\n" + "x\ty\n" + "x\n" * 19,
        "\t" * 64 + "\n" + "x\n" * 19,
    ],
)
def test_features_of_another_catalogue_are_refused(folder, text):
    bundle = open_bundle(folder)
    text = text.replace("x\n" * 19, "x\n" * (bundle.contract.n_items - 1))
    text = text.replace("x\ty\n" * 20, "x\ty\n" * bundle.contract.n_items)
    (folder / FEATURES_FILE).write_text(text)
    write_manifest(folder, bundle.name, bundle.contract, bundle.provenance, bundle.quality)
    with pytest.raises(ArtifactError, match=r"item_features.tsv must hold"):
        Recommender.load(folder)
    with pytest.raises(DataError, match="a tab or a line break"):
        write_item_features(folder, {"kind": ["a\tb"]})


def test_several_users_at_once(folder):
    model = Recommender.load(folder)
    many = model.recommend_many(["u3", "u4"], [["item-5"], []], 4)
    assert [list(one) for one in many] == [
        list(model.recommend("u3", ["item-5"], 4)),
        list(model.recommend("u4", [], 4)),
    ]
    assert [list(one) for one in model.recommend_many(["u3"], k=4)] == [list(model.recommend("u3", k=4))]
    with pytest.raises(ConfigError, match="2 users and 1 lists"):
        model.recommend_many(["u3", "u4"], [[]])
    with pytest.raises(ConfigError, match="unknown user 'nobody'"):
        model.recommend_many(["u3", "nobody"])


def test_integers_stand_for_their_digits(folder):
    runtime = Recommender.load(folder)._runtime
    contract = open_bundle(folder).contract
    users = [str(17850 + n) for n in range(contract.n_users)]
    items = [str(n * 7) for n in range(contract.n_items)]
    model = Recommender(runtime, users, items)
    asked = model.recommend("17853", ["35"], 4)
    assert list(model.recommend(17853, [35], 4)) == list(asked)
    assert list(model.recommend(np.int64(17853), [np.int32(35)], 4)) == list(asked)
    assert asked.integers() == [int(item) for item in asked.items]
    assert model.recommend(17853, [35, 36], 4).unknown == ("36",)
    with pytest.raises(ConfigError, match="unknown user 3:"):
        model.recommend(3)
    with pytest.raises(ConfigError, match="is a float"):
        model.recommend(17853.0)
    with pytest.raises(ConfigError, match="is no integer"):
        Recommender(runtime, users, [f"item-{n}" for n in range(contract.n_items)]).recommend(
            17853, k=contract.n_items
        ).integers()


def test_verification_is_on_unless_it_is_turned_off(folder):
    want = list(Recommender.load(folder).recommend("u3", k=4))
    users = folder / "users.txt"
    users.write_bytes(users.read_bytes().replace(b"u4\n", b"x4\n"))
    with pytest.raises(ArtifactError, match=r"users.txt was changed"):
        Recommender.load(folder)
    assert list(Recommender.load(folder, verify=False).recommend("u3", k=4)) == want
    (folder / TITLES_FILE).write_text("not listed\n")
    with pytest.raises(ArtifactError, match="not listed"):
        Recommender.load(folder, verify=False)


@pytest.mark.parametrize(
    ("ask", "says"),
    [
        (lambda model: model.recommend("u3", seen="item-5"), "seen 'item-5' is one text"),
        (lambda model: model.recommend("u3", seen=["item-5", 5]), "seen item 5 is a number"),
        (
            lambda model: model.recommend("u3", seen=[0]),
            "seen item 0 is a number, and the ids of this bundle are texts",
        ),
        (lambda model: model.recommend_many("u3"), "users 'u3' is one text"),
        (lambda model: model.recommend(), "users: say which one, for example 'u0'"),
    ],
)
def test_what_is_no_list_of_ids_is_refused(folder, ask, says):
    with pytest.raises(ConfigError, match=says):
        ask(Recommender.load(folder))


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"runtime": "referense"}, "unknown runtime 'referense'"),
        ({"threads": 0}, "threads must be at least 1"),
    ],
)
def test_options_that_no_runtime_has(folder, options, says):
    with pytest.raises(ConfigError, match=says):
        Recommender.load(folder, **options)
