"""The export command: titles and features of items, which travel in the bundle."""

import dataclasses
import re

import numpy as np
import pytest

from recpress_edge.artifacts.bundle import open_bundle
from recpress_edge.cli import main
from recpress_edge.core.errors import ConfigError, DataError
from recpress_edge.data import resolve
from recpress_edge.data.features.columns import FeatureColumn, Features, FeatureTable


def test_titles_travel_in_the_bundle_and_are_shown_with_answers(run, trained, data, tmp_path, capsys):
    table = tmp_path / "titles.csv"
    table.write_text(f"id,title\n{data.item_ids[2]},Two\n{data.item_ids[0]},Zero\n")
    assert run("--student", "htd_dim10", "--int8", "--titles", str(table)) == 0
    bundle = open_bundle(tmp_path / "dist" / "htd_dim10-int8")
    written = (bundle.folder / "titles.txt").read_text().splitlines()
    assert (len(written), written[:3]) == (data.n_items, ["Zero", "", "Two"])
    assert "titles.txt" in bundle.files
    assert bundle.provenance["command"].endswith("--recipe int8-dim --titles titles.csv")
    answered = main(["recommend", str(bundle.folder), "--user", data.user_ids[0], "-k", str(data.n_items)])
    assert answered == 0
    out = capsys.readouterr().out
    assert re.search(rf"{data.item_ids[2]} +Two ", out)


def with_texts(data):
    kinds = FeatureColumn(
        "kind", "categorical", ("fun", "sf"), codes=np.arange(data.n_items, dtype=np.int32) % 2
    )
    titles = tuple(f"Film {n}" for n in range(data.n_items))
    return dataclasses.replace(data, titles=titles, features=Features(item=FeatureTable((kinds,))))


def test_the_titles_of_the_data_set_travel_unless_they_are_left_out(
    run, trained, data, tmp_path, capsys, monkeypatch
):
    monkeypatch.setattr(resolve, "load_dataset", lambda name, work, say: with_texts(data))
    words = ("--student", "htd_dim10", "--int8")
    assert run(*words, "--item-features", "kind") == 0
    out = capsys.readouterr().out
    bundle = open_bundle(tmp_path / "dist" / "htd_dim10-int8")
    assert bundle.titles()[:2] == ["Film 0", "Film 1"]
    assert bundle.item_features() == {"kind": (["fun", "sf"] * data.n_items)[: data.n_items]}
    assert "shown      titles.txt " in out
    assert "item_features.tsv" in out
    assert main(["recommend", str(bundle.folder), "--user", data.user_ids[0], "-k", "3"]) == 0
    assert re.search(r"rank +item +title +score +kind\n", capsys.readouterr().out)
    assert run(*words, "--titles", "none", "--out", str(tmp_path / "bare")) == 0
    bare = open_bundle(tmp_path / "bare")
    assert bare.shown_bytes() == {}
    assert bare.provenance["command"].endswith("--titles none")
    table = tmp_path / "titles.csv"
    table.write_text(f"id,title\n{data.item_ids[0]},Own\n")
    assert run(*words, "--titles", str(table), "--out", str(tmp_path / "own")) == 0
    assert open_bundle(tmp_path / "own").titles()[:2] == ["Own", ""]


def test_item_features_that_are_not_there_are_refused_before_training(run, trained, data, monkeypatch):
    with pytest.raises(ConfigError, match=r"has no item features. They come with .* --items FILE"):
        run("--student", "htd_dim10", "--item-features", "kind")
    monkeypatch.setattr(resolve, "load_dataset", lambda name, work, say: with_texts(data))
    with pytest.raises(ConfigError, match=r"--item-features genre: .* has the item features kind\."):
        run("--student", "htd_dim10", "--item-features", "genre", "--dry-run")
    assert trained == []


def test_titles_are_read_before_anything_is_trained(run, trained, tmp_path):
    with pytest.raises(ConfigError, match="no such file"):
        run("--student", "htd_dim10", "--titles", str(tmp_path / "none.csv"))
    (tmp_path / "titles.csv").write_text("nobody,knows it\n")
    with pytest.raises(DataError, match="1 of 1 ids are no items"):
        run("--student", "htd_dim10", "--titles", str(tmp_path / "titles.csv"))
    assert trained == []
