"""200 seeded corruptions of a bundle: every one is refused with a reason, and nothing of it is timed."""

import json
import re
import shutil
from pathlib import Path

import pytest
from bundles import make_bundle
from damage import ACCIDENTS, DEEDS, accident, oversized_arrays, pick, resign

from device_bench import measure, record
from device_bench.settings import Protocol
from recpress_edge.core.errors import ArtifactError
from recpress_edge.core.progress import silent
from recpress_edge.core.rng import stream
from recpress_edge.device.verify import verify_bundle

CASES = 200


@pytest.fixture(scope="module")
def pristine(tmp_path_factory):
    return make_bundle(tmp_path_factory.mktemp("pristine") / "tiny").folder


@pytest.fixture
def folder(pristine, tmp_path):
    """A fresh copy that a test may damage."""
    return Path(shutil.copytree(pristine, tmp_path / "tiny"))


@pytest.fixture
def never_timed(monkeypatch):
    """Workers run in this process, and any that would measure fails the test."""

    def worker(kind, job, *_):
        if kind != "selftest":
            pytest.fail(f"a {kind} process was started for a damaged bundle")
        return measure.self_test(job)

    monkeypatch.setattr(record, "run_worker", worker)


@pytest.mark.usefixtures("never_timed")
@pytest.mark.parametrize("index", range(CASES))
def test_a_damaged_bundle_is_refused_and_never_timed(folder, index):
    rng = stream(index, "corruption")
    what = accident(folder, rng) if index % 2 else pick(rng, DEEDS)(folder, rng)
    said = "accepted"
    try:
        record.measure_bundle(folder, Protocol(k=20), silent, "command")
    except ArtifactError as error:
        said = str(error)
    assert str(folder) in said or "self-test failed" in said, f"{what}: {said}"


@pytest.mark.usefixtures("never_timed")
def test_the_whole_bundle_would_be_timed(folder):
    """The counter-proof: undamaged, and signed again, it is not refused."""
    resign(folder)
    with pytest.raises(pytest.fail.Exception, match="a idle process was started"):
        record.measure_bundle(folder, Protocol(k=20), silent, "command")


def test_the_cases_cover_every_kind():
    done = set()
    for index in range(CASES):
        rng = stream(index, "corruption")
        if index % 2:
            rng.integers(6)  # the file
            done.add(pick(rng, ACCIDENTS))
        else:
            done.add(pick(rng, DEEDS))
    assert done == {*ACCIDENTS, *DEEDS}


def edit(name, change):
    """A deed: change one JSON file of the bundle and sign it again."""

    def deed(folder):
        path = folder / name
        value = json.loads(path.read_text())
        change(value)
        path.write_text(json.dumps(value))
        resign(folder)

    return deed


REASONS = {
    "path traversal": (
        lambda f: resign(f, lambda m: m["files"].update({"../x": m["files"].pop("users.txt")})),
        "lists no 'users.txt'",
    ),
    "traversal beside": (
        lambda f: resign(f, lambda m: m["files"].update({"../x": m["files"]["users.txt"]})),
        "lists '../x', which is not a plain file name",
    ),
    "wrong schema": (
        lambda f: resign(f, lambda m: m.update(schema="recpress.bundle/9")),
        "this version reads",
    ),
    "other format": (lambda f: resign(f, lambda m: m["contract"].update(format="coreml")), "runs 'onnx'"),
    "no capacity": (lambda f: resign(f, lambda m: m["contract"].update(format="tflite")), "seen_capacity"),
    "more users": (
        lambda f: resign(f, lambda m: m["contract"].update(n_users=41)),
        "must hold 41 distinct lines",
    ),
    "not a model": (
        lambda f: ((f / "model.onnx").write_bytes(b"\x08" * 99), resign(f)),
        "is not a readable onnx file",
    ),
    "huge arrays": (lambda f: oversized_arrays(f, stream(0, "size")), "is not a readable evaluation file"),
    "no zip": (lambda f: ((f / "evaluation.npz").write_bytes(b"PK"), resign(f)), "not a readable evaluation"),
    "repeated id": (
        lambda f: ((f / "items.txt").write_text("same\n" * 300), resign(f)),
        "must hold 300 distinct lines",
    ),
    "user out of range": (
        edit("selftest.json", lambda v: v["users"].__setitem__(0, -1)),
        "user index outside 0..39",
    ),
    "nan score": (
        edit("selftest.json", lambda v: v["scores"][0].__setitem__(0, float("nan"))),
        "a score is nan, which no model may answer",
    ),
}


@pytest.mark.parametrize("kind", REASONS)
def test_the_reason_is_the_right_one(folder, kind):
    damage, says = REASONS[kind]
    damage(folder)
    with pytest.raises(ArtifactError, match=re.escape(says)):
        verify_bundle(folder)
