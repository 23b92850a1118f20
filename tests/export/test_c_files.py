"""A bundle of format c: sources, self-test and build files that work without Python."""

import dataclasses
import json
import re
import shutil
import subprocess
from pathlib import Path

import jsonschema
import pytest
from exports import (
    ANY_HISTORY,
    FILES,
    OPEN,
    has_profile,
    items_file,
    make_source,
    with_fold_in,
)

from recpress_edge import Recommender
from recpress_edge.artifacts.bundle import open_bundle
from recpress_edge.artifacts.formats import FORMATS
from recpress_edge.artifacts.recipes import RECIPES
from recpress_edge.core.errors import ConfigError
from recpress_edge.device.c import library
from recpress_edge.device.c.source import FOLDER
from recpress_edge.jobs.export import ExportRequest
from recpress_export.build import build
from recpress_export.c.files import selftest_h
from recpress_export.options import NO_OPTIONS, FileOptions, check_options, options_of
from recpress_export.subjects.all_users import AllUsers
from recpress_export.subjects.history import History
from recpress_export.subjects.single_user import SingleUser
from recpress_export.update.apply import update_bundle
from recpress_export.update.changes import read_changes

pytestmark = pytest.mark.usefixtures("workers_here")
needs_cc = pytest.mark.skipif(shutil.which("cc") is None, reason="no C compiler (apt install gcc)")
ARRAY = "model.h"
SCHEMA = json.loads((Path(__file__).parents[2] / "schemas/bundle-1.schema.json").read_text())


def made(folder, recipe="int8-dim", profile="all-users", options=NO_OPTIONS, n_items=120):
    source = make_source(folder / "model", n_items=n_items)
    source = dataclasses.replace(source, file_format="c", options=options)
    subject = {
        "all-users": lambda: AllUsers(source),
        "single-user": lambda: SingleUser(source, "user 3"),
        "history": lambda: History(source, with_fold_in(folder / "model", source), ANY_HISTORY),
    }[profile]()
    return build(subject, RECIPES[recipe], folder / "bundle", gate=OPEN).bundle


def compiled(bundle, folder):
    """The bundle's files outside of it, and what make said."""
    shutil.copytree(bundle.folder, folder)
    done = subprocess.run(
        ["make", "--no-print-directory", "CFLAGS=-O0"],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


@needs_cc
@pytest.mark.parametrize(
    ("recipe", "profile"),
    [
        (recipe, profile)
        for file_format, recipe in FILES
        for profile in ("all-users", "single-user", "history")
        if file_format == "c" and has_profile(recipe, profile)
    ],
)
def test_make_builds_the_self_test_and_it_passes(recipe, profile, tmp_path):
    bundle = made(tmp_path, recipe, profile)
    code, said = compiled(bundle, tmp_path / "there")
    assert code == 0, said
    assert said.endswith(f"{len(bundle.selftest().users)} queries, 0 differ\n")


@needs_cc
def test_make_builds_beside_the_bundle_and_leaves_it_as_it_was(tmp_path):
    there, built = tmp_path / "my bundle", tmp_path / "my bundle-build"
    bundle = made(tmp_path)
    assert compiled(bundle, there)[0] == 0
    subprocess.run(["make", "librecpress.so", "CFLAGS=-O0"], cwd=there, check=True)
    assert {path.name for path in built.iterdir()} == {"selftest", "librecpress.so"}
    assert open_bundle(there).digest == bundle.digest
    subprocess.run(["make", "clean"], cwd=there, check=True)
    assert not built.exists()
    elsewhere = tmp_path / "elsewhere"
    subprocess.run(["make", f"OUT={elsewhere}", "CFLAGS=-O0"], cwd=there, check=True)
    assert [path.name for path in elsewhere.iterdir()] == ["selftest"]


@needs_cc
def test_what_make_built_audits_for_python(tmp_path, monkeypatch):
    bundle = made(tmp_path)
    subprocess.run(["make", "librecpress.so", "CFLAGS=-O0"], cwd=bundle.folder, check=True)
    monkeypatch.setenv("RECPRESS_ENGINE", str(tmp_path / "bundle-build/librecpress.so"))
    assert library.load_library(tmp_path / "bundle-build/librecpress.so").audit is not None
    assert Recommender.load(bundle.folder).recommend("user 3", k=5).items


@needs_cc
@pytest.mark.parametrize("recipe", ["fp32", "int8-dim"])
def test_the_self_test_fails_where_an_answer_differs(recipe, tmp_path):
    bundle = made(tmp_path, recipe)
    test = bundle.selftest()
    one, two, *rest = test.items[5]
    for items, scores in (
        ((two, one, *rest), test.scores[5]),
        (test.items[5], (test.scores[5][0] * 1.01, *test.scores[5][1:])),
    ):
        wrong = dataclasses.replace(
            test,
            items=(*test.items[:5], items, *test.items[6:]),
            scores=(*test.scores[:5], scores, *test.scores[6:]),
        )
        folder = tmp_path / f"wrong {items[0]} {scores[0]}"
        shutil.copytree(bundle.folder, folder)
        (folder / "selftest.h").write_text(selftest_h(wrong, bundle.contract))
        done = subprocess.run(
            ["make", "--no-print-directory", "CFLAGS=-O0"],
            cwd=folder,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 2
        assert "64 queries, 1 differ" in done.stdout


@needs_cc
def test_a_file_that_is_none_is_named(tmp_path):
    bundle = made(tmp_path)
    compiled(bundle, tmp_path / "there")
    for name in ("users.txt", "absent"):
        done = subprocess.run(
            [tmp_path / "there-build/selftest", name],
            cwd=tmp_path / "there",
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 2
        assert done.stdout.startswith(f"{name}: no model")


@needs_cc
def test_the_array_is_the_file(tmp_path):
    bundle = made(tmp_path, "int8-dim", options=FileOptions(model_h=True))
    assert ARRAY in bundle.files
    program = (
        '#include "model.h"\n#include <stdio.h>\n'
        "int main(void) { fwrite(recpress_model, 1, sizeof recpress_model, stdout); return 0; }\n"
    )
    (tmp_path / "print.c").write_text(program)
    command = ["cc", "-std=c99", f"-I{bundle.folder}", "-o", tmp_path / "print", tmp_path / "print.c"]
    subprocess.run(command, check=True)
    assert subprocess.run([tmp_path / "print"], capture_output=True, check=True).stdout == (
        bundle.model_path.read_bytes()
    )


@pytest.mark.skipif(shutil.which("cmake") is None, reason="no cmake (apt install cmake)")
def test_cmake_builds_it(tmp_path):
    bundle = made(tmp_path)
    for command in (
        ["cmake", "-S", bundle.folder, "-B", tmp_path / "there"],
        ["cmake", "--build", tmp_path / "there"],
        ["ctest", "--test-dir", tmp_path / "there"],
    ):
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr


def test_the_manifest_lists_every_file_and_the_sources_are_the_engines(tmp_path):
    bundle = made(tmp_path)
    expected = {"recpress.h", "recpress.c", "selftest.c", "selftest.h", "Makefile", "CMakeLists.txt"}
    as_they_are = {"recpress.h", "recpress_popular.h", "recpress_trust.c", "recpress_trust.h"}
    assert expected | as_they_are <= set(bundle.files)
    for name in as_they_are:
        assert (bundle.folder / name).read_text() == (FOLDER / name).read_text()
    source = (bundle.folder / "recpress.c").read_text()
    included = re.findall(r'#include "(.*)"', source)
    assert [name for name in included if (FOLDER / name).exists()] == ["recpress.h"]
    jsonschema.validate(json.loads((bundle.folder / "bundle.json").read_text()), SCHEMA)


def test_the_same_request_makes_the_same_files(tmp_path):
    options = FileOptions(model_h=True)
    first = made(tmp_path / "a", options=options)
    assert first.digest == made(tmp_path / "b", options=options).digest


@needs_cc
def test_an_updated_bundle_passes_its_own_self_test(tmp_path):
    """New items, a retired one, the array too: everything is written again."""
    bundle = made(tmp_path, options=FileOptions(model_h=True))
    path = items_file(tmp_path / "items.npz", append_ids=["new"], retire_ids=["item-3"])
    updated = update_bundle(bundle.folder, read_changes(path), None, force=True).bundle
    assert options_of(updated.provenance) == FileOptions(model_h=True)
    assert f"recpress_model[{updated.model_bytes}]" in (updated.folder / ARRAY).read_text()
    code, said = compiled(updated, tmp_path / "there")
    assert code == 0, said


def test_options_are_refused_where_the_format_does_not_know_them(tmp_path):
    with pytest.raises(ConfigError, match="--model-h goes with --format c, not with onnx"):
        check_options(FileOptions(model_h=True), "onnx", RECIPES["fp32"])
    with pytest.raises(ConfigError, match="--model-h goes with --format c"):
        ExportRequest(student="htd_dim10", options=FileOptions(model_h=True), work=tmp_path).check()


def test_the_command_that_makes_it_again_names_the_options():
    assert FileOptions(model_h=True).words == ["--model-h"]
    assert options_of({"options": {"model_h": True, "of later": 1}}) == FileOptions(model_h=True)
    assert set(FORMATS["c"].options) == {field.name for field in dataclasses.fields(FileOptions)}


def test_bundles_of_other_formats_have_no_such_files(tmp_path):
    source = make_source(tmp_path / "model")
    bundle = build(AllUsers(source), RECIPES["int8-dim"], tmp_path / "bundle", gate=OPEN).bundle
    assert not set(open_bundle(bundle.folder).files) & {"recpress.c", "Makefile"}
