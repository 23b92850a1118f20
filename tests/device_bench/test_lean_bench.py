"""device_bench run of lean bundles, whole: times and memory of the file, and where its quality is."""

import json

import jsonschema
import pytest
from bench_commands import QUICK, SCHEMA, called
from exports import exported
from made_click_bundles import of_many_items
from made_click_bundles import source_of as clicks_of
from made_two_stages import source_of

from recpress_edge.artifacts.manifest import full_of
from recpress_export.clicks.build import build_clicks
from recpress_export.lean.strip import lean_path, strip_bundle
from recpress_export.two_stages.build import build_two_stages

FULL = {
    "onnx": lambda folder: exported(folder),
    "c": lambda folder: exported(folder, file_format="c"),
    "tflite": lambda folder: exported(folder, file_format="tflite"),
    "clicks": lambda folder: build_clicks(of_many_items(clicks_of()), folder, "int8", force=True).bundle,
    "two stages": lambda folder: build_two_stages(source_of(), folder, force=False).bundle,
}


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("onnx", {}),
        ("onnx", {"order_only": True}),
        ("c", {}),
        ("tflite", {}),
        ("clicks", {}),
        ("two stages", {}),
    ],
)
def test_a_lean_bundle_is_timed_and_names_the_full_one_for_its_quality(kind, options, tmp_path):
    full = FULL[kind](tmp_path / "full")
    lean = strip_bundle(full.folder, lean_path(full.folder), **options).lean
    done = called("run", lean.folder, *QUICK, "--json", cwd=tmp_path)
    assert done.returncode in (0, 4), done.stderr  # also on a machine that is too busy to be relied on
    (run,) = json.loads(done.stdout)["runs"]
    record, said = run["record"], " ".join(done.stderr.split())
    jsonschema.Draft202012Validator(SCHEMA).validate(record)
    assert record["artifact"]["bundle_sha256"] == lean.digest
    assert record["artifact"]["bundle_bytes"] == lean.total_bytes < full.total_bytes
    assert (record["quality"]["users"], record["quality"]["split"]) == (0, None)
    assert f"of the full bundle's {full_of(lean.provenance).queries}" in said
    assert f"it is a lean bundle; measure the full one that it is of, {full.name}" in said
    assert "test rows" not in said
