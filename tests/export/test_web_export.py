"""A student exported as a web bundle: all files, the same bytes again, and an update that keeps the page."""

import dataclasses

import pytest

pytest.importorskip("ziglang")

from exports import exported, items_file

from recpress_edge import Recommender
from recpress_edge.artifacts.formats import FORMATS
from recpress_edge.device.c.model_bin import read_header
from recpress_export.update.apply import update_bundle
from recpress_export.update.changes import read_changes
from recpress_export.web.engine import engines
from recpress_export.web.files import PAGE

OWN = {
    "lean_files",
    "name",
    "label",
    "suffix",
    "model_of",
    "made_by",
    "files",
    "options",
    "hint",
    "shown_by",
    "tried_by",
}
"""Columns of which a web bundle has its own."""


def test_but_for_its_files_it_is_the_row_of_its_model_file():
    web, other = FORMATS["web"], FORMATS[FORMATS["web"].model_of]
    columns = [field.name for field in dataclasses.fields(web)]
    assert {name for name in columns if getattr(web, name) != getattr(other, name)} <= OWN


def test_a_bundle_holds_the_page_and_the_engine_of_its_model(tmp_path):
    bundle = exported(tmp_path / "bundle", "int8-dim", "web")
    for path in PAGE.iterdir():
        shipped, source = (text.read_text().splitlines() for text in (bundle.folder / path.name, path))
        left_out = [line for line in source if line not in shipped]
        assert shipped == [line for line in source if line not in left_out]
        assert all(path.suffix == ".js" and line.lstrip().startswith(("//", "/**", "*")) for line in left_out)
    made = engines(read_header(bundle.model_path.read_bytes()))
    assert all((bundle.folder / name).read_bytes() == data for name, data in made.items())
    assert {*made, *(path.name for path in PAGE.iterdir())} < bundle.files.keys()
    assert bundle.provenance["versions"].keys() == {"numpy", "ziglang"}
    again = exported(tmp_path / "again", "int8-dim", "web")
    assert again.files == bundle.files
    assert len(Recommender.load(bundle.folder).recommend(bundle.user_ids()[0], k=5)) == 5


def test_an_updated_bundle_keeps_its_page(tmp_path):
    bundle = exported(tmp_path / "bundle", "int8-dim", "web")
    changes = read_changes(items_file(tmp_path / "items.npz", retire_ids=bundle.item_ids()[:2]))
    updated = update_bundle(bundle.folder, changes, tmp_path / "updated", force=False).bundle
    assert updated.contract.retired == (0, 1)
    for name in ("index.html", "recpress.js", "recpress.wasm"):  # the kind of its model is the same
        assert updated.files[name] == bundle.files[name]
