"""Files arranged for a core: the same answers and tables, other bytes; what cannot be arranged is refused."""

import dataclasses

import numpy as np
import pytest
from exports import ANY_HISTORY, NO_GATE, items_file, make_graph, make_source, random_tables, with_fold_in

from recpress_edge.artifacts.bundle import open_bundle
from recpress_edge.artifacts.contract import HISTORY
from recpress_edge.artifacts.recipes import RECIPES
from recpress_edge.cli import main
from recpress_edge.core.errors import ConfigError
from recpress_edge.device.cores import ARRANGEMENTS, CORES, PADDED, arrangement_of, check_core
from recpress_edge.device.tables import read_tables
from recpress_edge.device.verify import verify_bundle
from recpress_edge.jobs.export import ExportRequest
from recpress_export.build import build
from recpress_export.graph import write_model
from recpress_export.inspect import read_contents
from recpress_export.subjects.all_users import AllUsers
from recpress_export.subjects.history import History
from recpress_export.update.apply import update_bundle
from recpress_export.update.changes import read_changes

pytestmark = pytest.mark.usefixtures("workers_here")
CASES = [
    pytest.param(file_format, core, recipe, id=f"{file_format}-{core}-{recipe}")
    for (file_format, core), one in ARRANGEMENTS.items()
    for recipe in one.recipes
]


WITH_HISTORIES = [case for case in CASES if case.values[2] != "score16"]


def check_metadata(bundle, core):
    """Formats whose file has room for it name the core; a model.bin says how it is laid out."""
    found = read_contents(bundle.model_path).metadata
    assert found.get("recpress.core", core) == core
    assert found.get("recpress.layout", "dims") == "dims"
    assert {"recpress.core", "recpress.layout"} & found.keys()


def arranged(folder, file_format, core, recipe, dim=6):
    source = make_source(folder / "model", dim=dim)
    source = dataclasses.replace(source, file_format=file_format, core=core)
    return build(AllUsers(source), RECIPES[recipe], folder / "bundle", gate=NO_GATE).bundle


@pytest.mark.parametrize(("file_format", "core", "recipe"), CASES)
def test_the_bundle_says_what_it_is_and_answers_as_the_usual_one(file_format, core, recipe, tmp_path):
    made = arranged(tmp_path, file_format, core, recipe)
    usual = arranged(tmp_path / "usual", file_format, "", recipe)
    assert made.name == f"{usual.name}-{core}"
    assert made.selftest() == usual.selftest()
    assert made.quality["parity"]["exact_users"] == 70
    verify_bundle(made.folder)
    check_metadata(made, core)
    assert made.model_path.read_bytes() != usual.model_path.read_bytes()
    assert f"arranged for {core}" in (made.folder / "CARD.md").read_text()
    assert "arranged for" not in (usual.folder / "CARD.md").read_text()
    was, now = (read_tables(one.model_path, one.contract) for one in (usual, made))
    assert was.keys() == now.keys()
    for name, table in was.items():
        assert table.dtype == now[name].dtype
        np.testing.assert_array_equal(table, now[name])


@pytest.mark.parametrize(("file_format", "core", "recipe"), WITH_HISTORIES)
def test_histories_too(file_format, core, recipe, tmp_path):
    source = dataclasses.replace(make_source(tmp_path / "model"), file_format=file_format, core=core)
    fold_in = with_fold_in(tmp_path / "model", source)
    made = build(History(source, fold_in, ANY_HISTORY), RECIPES[recipe], tmp_path / "b", gate=NO_GATE).bundle
    assert made.contract.profile == HISTORY
    verify_bundle(made.folder)
    tables = read_tables(made.model_path, made.contract)
    assert tables["history_emb"].shape == tables["item_emb"].shape == (120, 6)
    assert tables["prior"].shape == (6,)


@pytest.mark.parametrize(("file_format", "core", "recipe"), CASES)
def test_an_update_keeps_the_arrangement(file_format, core, recipe, tmp_path):
    made = arranged(tmp_path, file_format, core, recipe)
    changes = read_changes(items_file(tmp_path / "items.npz", append_ids=["new"], retire_ids=["item-3"]))
    update_bundle(made.folder, changes, force=True)
    after = open_bundle(made.folder)
    check_metadata(after, core)
    assert f"arranged for {core}" in (after.folder / "CARD.md").read_text()
    assert after.contract.n_items == 121


@pytest.mark.parametrize("dim", [10, 15, 16, 31])
def test_padded_rows_are_a_multiple_of_sixteen_and_hold_zeros(dim, tmp_path):
    made = arranged(tmp_path, "tflite", "armv8.0", "int8-dim", dim)
    shapes = {t.name: t.shape for t in read_contents(made.model_path).tensors}
    assert shapes["item_emb"][1] == shapes["user_emb"][1]
    assert shapes["item_emb"][1] % 16 == 0
    assert shapes["item_emb"][1] < dim + 1 + 16
    assert arrangement_of("tflite", "armv8.0") == PADDED


def test_a_float_cast_file_stores_bytes_and_multiplies_floats(tmp_path):
    found = read_contents(arranged(tmp_path, "onnx", "armv8.0", "int8-dim").model_path)
    assert {t.name: t.dtype for t in found.tensors}["item_emb"] == "int8"
    operators = dict(found.operators)
    assert operators["MatMul"] == 1
    assert "MatMulInteger" not in operators


def test_sums_that_are_not_exact_in_float32_are_refused():
    dim = 2**24 // (127 * 127) + 1
    for wide, fits in ((dim - 1, True), (dim, False)):
        graph = make_graph("int8-dim", *random_tables(2, 3, wide))
        graph = dataclasses.replace(graph, core="armv8.0")
        if fits:
            assert write_model(graph, {})
        else:
            with pytest.raises(ConfigError, match=r"dim 1041 is too large .* Leave --core out"):
                write_model(graph, {})


@pytest.mark.parametrize(
    ("core", "file_format", "recipe", "message"),
    [
        ("armv8", "onnx", "int8-dim", "unknown core 'armv8'"),
        ("armv8.3", "c", "score16", "Did you mean 'armv8.[02]'"),
        ("armv8.2", "c", "score16", "changes nothing in format c: its usual file is the one for Cortex-A76"),
        ("armv8.0", "c", "int8-dim", "has none that it could. Leave --core out, or use --recipe score16"),
        ("armv8.2", "onnx", "int8-dim", "changes nothing in format onnx"),
        ("armv8.0", "onnx", "fp32", "arranges integer tables, and recipe fp32"),
        ("armv8.0", "tflite", "int4-item", "--recipe int8-dim or int8-item"),
    ],
)
def test_what_cannot_be_arranged_is_refused(core, file_format, recipe, message):
    with pytest.raises(ConfigError, match=message):
        check_core(core, file_format, RECIPES[recipe])


def test_a_network_is_refused():
    with pytest.raises(ConfigError, match="arranges integer tables, and recipe int8-dynamic"):
        ExportRequest(student="sasrec_dim16", int8=True, core="armv8.0").check(target=False)


def test_every_arrangement_is_for_a_known_core():
    assert {core for _, core in ARRANGEMENTS} <= CORES.keys()


def test_the_command_line_plans_it(tmp_path, capsys):
    words = [
        "export",
        "--student",
        "bpr_dim8",
        "--int8",
        "--core",
        "armv8.0",
        "--dry-run",
        "--json",
        "--work",
    ]
    assert main([*words, str(tmp_path)]) == 0
    out = capsys.readouterr().out
    assert '"core": "armv8.0"' in out
    assert "bpr_dim8-int8-armv8.0" in out
    assert main(["export", "--all", "--core", "armv8.0", "--work", str(tmp_path)]) == 2
    assert "--core is for one student" in capsys.readouterr().err
