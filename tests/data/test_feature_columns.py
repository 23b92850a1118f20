"""Feature columns: the kind that texts are, the codes that they get, and their way to a file and back."""

import dataclasses
import json

import numpy as np
import pytest
from small_data import two_tastes

from recpress_edge.core.errors import ArtifactError, ConfigError, DataError
from recpress_edge.core.files import sha256_bytes
from recpress_edge.core.rng import stream
from recpress_edge.data.features.columns import FeatureColumn, Features, FeatureTable
from recpress_edge.data.features.encode import FeatureSpec, encode_column, parse_specs
from recpress_edge.data.features.files import from_bytes, to_bytes
from recpress_edge.data.log import TextColumn
from recpress_edge.data.prepare import Prepared
from recpress_edge.data.store import open_dataset, save_dataset


def column(texts, **spec):
    index = {}
    codes = np.array([index.setdefault(text, len(index)) for text in texts], np.int32)
    return encode_column(FeatureSpec("x", **spec), TextColumn("x", tuple(index), codes), None)


@pytest.mark.parametrize(
    ("texts", "kind", "words"),
    [
        (["red", "blue", "red", ""], "categorical", "x: 2 categories"),
        (["1", "20", "3"], "categorical", "3 categories of whole numbers (:numeric takes them as amounts)"),
        (["0123", "456"], "categorical", "of whole numbers"),
        (["1.5", "-2", ""], "numeric", "numbers from -2 to 1.5"),
        (["4,5", "3"], "numeric", "numbers from 3 to 4.5"),
        (["a|b", "b"], "many", "2 values, up to 2 a row, parted by pipe"),
        (['["a", "b"]', "[]"], "many", "2 values, up to 2 a row, parted by list"),
        (["['a']", "['b', 'a']"], "many", "parted by list"),
        (["nan", "NaN", "red"], "categorical", "1 'NaN' taken as no value, 1 'nan' taken as no value"),
    ],
)
def test_the_kind_is_found_and_said(texts, kind, words):
    found, note = column(texts)
    assert found.kind == kind
    assert words in note


def test_codes_are_places_in_the_vocabulary():
    found, _ = column(["red", "blue", "", "red"])
    assert found.values == ("blue", "red")
    assert found.codes.tolist() == [1, 0, -1, 1]
    found, _ = column(["b|a|b", "", "a"])
    assert found.values == ("a", "b")
    assert found.indptr.tolist() == [0, 2, 2, 3]
    assert found.codes.tolist() == [1, 0, 0]  # in the order given, each once
    assert found.missing() == 1


def test_unicode_forms_are_one_value():
    found, _ = column(["Amélie", "Ame\u0301lie", " Amélie\t"])
    assert found.values == ("Amélie",)


@pytest.mark.parametrize(
    ("texts", "spec", "message"),
    [
        (["1", "two"], {"kind": "numeric"}, "1 values are no finite numbers, such as 'two'"),
        (["1", "inf"], {"kind": "numeric"}, "such as 'inf'"),
        (["a b"], {"kind": "many"}, "no pipe, semicolon or comma parts its values"),
        (["a;b,c"], {"kind": "many"}, "Say x:many:semicolon or x:many:comma"),
        (["", "nan"], {}, "no row has a value"),
        (["w" * 300], {}, "300 characters, more than 256"),
        (['[{"a": 1}]'], {}, "is no list of texts or numbers"),
    ],
)
def test_what_is_no_feature_is_refused(texts, spec, message):
    with pytest.raises((ConfigError, DataError), match=message):
        column(texts, **spec)


def test_specs_are_parsed():
    assert parse_specs("--context", "a, b=3:many:semicolon,c:numeric") == (
        FeatureSpec("a"),
        FeatureSpec("3", "b", "many", "semicolon"),
        FeatureSpec("c", None, "numeric"),
    )
    assert [spec.words() for spec in parse_specs("--context", "b=3:many:tab,c:numeric,d")] == [
        "b=3:many:tab",
        "c:numeric",
        "d",
    ]
    for wrong in ("", "a,,b", "a,a", "a:odd", "a:numeric:comma", "a:many:dash", "=3", "a=", "a:many:comma:x"):
        with pytest.raises(ConfigError, match=r"--context .* cannot read"):
            parse_specs("--context", wrong)


@pytest.mark.parametrize(
    "broken",
    [
        {"codes": np.array([0, 2], np.int32)},
        {"codes": np.array([-2, 0], np.int32)},
        {"codes": None},
        {"kind": "many"},
        {"kind": "odd"},
        {"kind": "many", "indptr": np.array([0, 1], np.int64)},
        {"kind": "many", "indptr": np.array([0, 2, 1, 2], np.int64)},
        {"kind": "numeric", "codes": None, "numbers": np.array([np.inf])},
    ],
)
def test_columns_that_do_not_fit_are_refused(broken):
    whole = FeatureColumn("x", "categorical", ("a", "b"), codes=np.array([0, 1], np.int32))
    with pytest.raises(DataError):
        dataclasses.replace(whole, **broken)


def random_table(rng, rows):
    words = ["", "é", "日本", "a b", "x:y", 'q"', "1", "0.5", *map(str, range(20))]
    one = [words[n] for n in rng.integers(0, len(words), rows)]
    numbers = ["" if n > 8 else f"{n / 7:.6f}" for n in rng.integers(0, 10, rows)]
    many = [
        "|".join(words[n] for n in rng.integers(0, len(words), size)) for size in rng.integers(0, 5, rows)
    ]
    columns = []
    for name, texts, kind in (
        ("one", one, "categorical"),
        ("num", numbers, "numeric"),
        ("many", many, "many"),
    ):
        found, _ = column([*texts, "0.5|0.5" if kind == "many" else "0.5"], kind=kind, separator=None)
        columns.append(dataclasses.replace(found, name=name))
    return FeatureTable(tuple(columns)), [*one, "0.5"], [*many, "0.5|0.5"]


@pytest.mark.parametrize("seed", range(20))
def test_a_random_table_comes_back_value_for_value(seed):
    table, one, many = random_table(stream(seed, "features"), 1 + 7 * seed)
    back = from_bytes(to_bytes(table))
    assert back.digest() == table.digest()
    assert to_bytes(back) == to_bytes(table)
    assert [back.named("one").text(row) for row in range(len(back))] == one
    expected = ["|".join(dict.fromkeys(word for word in text.split("|") if word)) for text in many]
    assert [back.named("many").text(row) for row in range(len(back))] == expected


def featured():
    data = two_tastes()
    n_all = len(data.train) + len(data.valid) + len(data.test)
    sizes = {"user": data.n_users, "item": data.n_items, "context": n_all}
    tables = {
        side: FeatureTable(
            (FeatureColumn("c", "categorical", ("a", "b"), codes=np.arange(n, dtype=np.int32) % 2),)
        )
        for side, n in sizes.items()
    }
    titles = tuple(f"☂ {n}" if n % 3 else "" for n in range(data.n_items))
    return dataclasses.replace(data, titles=titles, features=Features(**tables))


def test_a_data_set_keeps_its_titles_and_features(tmp_path):
    data = featured()
    back = open_dataset(save_dataset(Prepared(data, {}), tmp_path))
    assert back.titles == data.titles
    assert back.features.digest() == data.features.digest()
    assert back.features.facts() == data.features.facts()
    bare = dataclasses.replace(data, titles=None, features=None)
    assert back.digest() == bare.digest()  # models are of the split
    plain = open_dataset(save_dataset(Prepared(bare, {}), tmp_path, force=True))
    assert plain.titles is None
    assert plain.features is None


@pytest.mark.parametrize(
    "name", ["titles.txt", "item_features.npz", "user_features.npz", "context_features.npz"]
)
def test_a_changed_byte_is_found(tmp_path, name):
    path = save_dataset(Prepared(featured(), {}), tmp_path) / name
    data = path.read_bytes()
    path.write_bytes(data[:-20] + bytes([data[-20] ^ 1]) + data[-19:])
    with pytest.raises(ArtifactError, match=name):
        open_dataset(path.parent)


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("titles.txt", b"one\n"),
        ("item_features.npz", b"no zip"),
        ("item_features.npz", to_bytes(FeatureTable((FeatureColumn("c", "numeric", numbers=np.zeros(1)),)))),
        ("user_features.npz", "other values"),
        ("odd.npz", b""),
    ],
)
def test_files_that_do_not_belong_are_refused(tmp_path, name, data):
    data_set = featured()
    folder = save_dataset(Prepared(data_set, {}), tmp_path)
    if isinstance(data, str):
        values = FeatureColumn("c", "numeric", numbers=np.zeros(data_set.n_users))
        data = to_bytes(FeatureTable((values,)))
    (folder / name).write_bytes(data)
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["files"][name] = sha256_bytes(data)
    (folder / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(ArtifactError, match="is damaged"):
        open_dataset(folder)
