"""A bundle in Python: titles, several users at once, and what is checked on loading."""

import pytest
from bundles import make_bundle

from recpress_edge import Recommender
from recpress_edge.artifacts.bundle import open_bundle, write_manifest
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
        (lambda model: model.recommend("u3", seen=["item-5", 5]), "seen item 5 is no text"),
        (lambda model: model.recommend("u3", seen=[0]), "seen item 0 is no text"),
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
