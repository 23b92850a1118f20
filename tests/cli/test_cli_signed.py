"""recpress-edge bundle keygen, sign and verify, and --trusted and --expect-digest of the other commands."""

import json
import shutil

import pytest
from exports import exported, items_file

from device_bench.__main__ import main as device_bench
from recpress_edge.artifacts.bundle import open_bundle
from recpress_edge.artifacts.manifest import SIGNATURE
from recpress_edge.cli import main

pytestmark = pytest.mark.usefixtures("workers_here")


@pytest.fixture
def key(tmp_path):
    assert main(["bundle", "keygen", str(tmp_path / "our key"), "--comment", "the release"]) == 0
    return tmp_path / "our key"


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return exported(tmp_path_factory.mktemp("made") / "bundle")


@pytest.fixture
def bundle(tmp_path, made):
    shutil.copytree(made.folder, tmp_path / "bundle")
    return open_bundle(tmp_path / "bundle")


def run(capsys, *words, by=main):
    code = by(list(map(str, words)))
    output = capsys.readouterr()
    return code, output.out, output.err


def test_the_way_of_a_key(bundle, key, capsys):
    trusted = f"{key}.pub"
    _, out, _ = run(capsys, "bundle", "sign", bundle.folder, "--key", key)
    assert f"sha256     {bundle.digest}" in out
    assert f"recpress-edge bundle verify {bundle.folder} --trusted '{trusted}'" in out
    code, out, _ = run(capsys, "bundle", "verify", bundle.folder, "--trusted", trusted, "--json")
    assert (code, json.loads(out)["comment"], json.loads(out)["sha256"]) == (0, "the release", bundle.digest)
    assert run(capsys, "bundle", "sign", bundle.folder, "--key", key)[0] == 0  # the same again
    words = ("recommend", bundle.folder, "--user", "user-007", "--trusted", trusted)
    assert run(capsys, *words)[0] in (0, 2)


def test_without_a_signature_nothing_runs_it(bundle, key, capsys, tmp_path):
    trusted = ("--trusted", f"{key}.pub")
    other = items_file(tmp_path / "items.npz", retire_ids=["item-1"])
    before = {path.name for path in tmp_path.iterdir()}
    for by, words in (
        (main, ("bundle", "verify", bundle.folder)),
        (main, ("bundle", "update", bundle.folder, "--items", other)),
        (main, ("bundle", "retire", bundle.folder, "item-1")),
        (main, ("bundle", "retire", bundle.folder, "item-1", "--dry-run")),
        (main, ("bundle", "fold-in", bundle.folder, "--like", "new=item-1")),
        (main, ("bundle", "strip", bundle.folder)),
        (main, ("bundle", "diff", bundle.folder, bundle.folder, "--out", tmp_path / "p")),
        (main, ("inspect", bundle.folder)),
        (main, ("web", bundle.folder, "--dry-run")),
        (main, ("recommend", bundle.folder, "--user", "u")),
        (main, ("recommend", bundle.folder, "--user", "u", "--dry-run")),
        (main, ("bench", bundle.folder)),
        (device_bench, ("self-test", bundle.folder)),
        (device_bench, ("run", bundle.folder, "--runs", tmp_path / "runs")),
        (device_bench, ("ask", bundle.folder, "--user", "u")),
    ):
        code, _, err = run(capsys, *words, *trusted, by=by)
        assert (code, "is not signed" in err) == (1, True), words
    assert not (tmp_path / "runs").exists()
    assert {path.name for path in tmp_path.iterdir()} == before


def test_another_bundle_than_the_expected_is_not_run(bundle, capsys, tmp_path):
    for by, words in (
        (main, ("recommend", bundle.folder, "--user", "u")),
        (main, ("bundle", "retire", bundle.folder, "item-1")),
        (main, ("inspect", bundle.folder)),
        (device_bench, ("self-test", bundle.folder)),
        (device_bench, ("run", bundle.folder, "--runs", tmp_path / "runs")),
    ):
        code, _, err = run(capsys, *words, "--expect-digest", "0" * 64, by=by)
        assert (code, "is another bundle" in err) == (1, True), words
        code, _, err = run(capsys, *words, "--expect-digest", "4f1c", by=by)
        assert (code, "--expect-digest '4f1c' is no digest" in err) == (2, True), words
    words = ("recommend", bundle.folder, "--user", "u", "--seen", "item-1", "--or-history", bundle.folder)
    code, _, err = run(capsys, *words, "--expect-digest", bundle.digest)
    assert (code, "would be taken from anybody. Add --trusted" in err) == (2, True)
    words = ("self-test", bundle.folder, "--expect-digest", bundle.digest)
    assert run(capsys, *words, by=device_bench)[0] == 0
    code, _, err = run(capsys, *words[:2], *words[1:], by=device_bench)
    assert (code, "names one bundle, and 2 are given" in err) == (2, True)


def test_an_update_is_unsigned_and_a_rollback_brings_the_signature_back(bundle, key, capsys, tmp_path):
    run(capsys, "bundle", "sign", bundle.folder, "--key", key)
    items = items_file(tmp_path / "new.npz", append_ids=["a"])
    _, out, _ = run(capsys, "bundle", "update", bundle.folder, "--items", items)
    assert "unsigned   the signature of the version before is not one of this version" in out
    assert not (bundle.folder / SIGNATURE).exists()
    verify = ("bundle", "verify", bundle.folder, "--trusted", f"{key}.pub")
    assert run(capsys, *verify)[0] == 1
    _, out, _ = run(capsys, "bundle", "rollback", bundle.folder)
    assert "signed     by key" in out
    assert run(capsys, *verify)[0] == 0
    assert open_bundle(bundle.folder).digest == bundle.digest


def test_a_lean_bundle_of_a_signed_one_says_that_it_is_unsigned(bundle, key, capsys, tmp_path):
    lean = tmp_path / "lean"
    strip = ("bundle", "strip", bundle.folder, "--out", lean)
    assert "unsigned" not in run(capsys, *strip)[1]
    run(capsys, "bundle", "sign", bundle.folder, "--key", key)
    _, out, _ = run(capsys, *strip)
    assert "unsigned   the signature of the full bundle is not one of the lean bundle" in out
    assert f"recpress-edge bundle sign {lean} --key FILE" in out
    run(capsys, "bundle", "sign", lean, "--key", key)
    code, out, _ = run(capsys, *strip, "--trusted", f"{key}.pub")
    assert (code, "unsigned" in out) == (0, False)
    assert run(capsys, "bundle", "verify", lean, "--trusted", f"{key}.pub")[0] == 0


def test_what_a_rollback_would_do_is_refused_as_the_rollback_is(bundle, key, capsys, monkeypatch):
    monkeypatch.chdir(bundle.folder)
    code, _, err = run(capsys, "bundle", "rollback", ".", "--dry-run")
    assert (code, "there is no version before" in err) == (2, True)
    shutil.copytree(bundle.folder, bundle.folder.with_name("bundle.previous"))
    code, out, _ = run(capsys, "bundle", "rollback", ".", "--dry-run")
    assert (code, "bundle.previous" in out) == (0, True)
    for more in ([], ["--dry-run"]):
        code, _, err = run(capsys, "bundle", "rollback", bundle.folder, "--trusted", f"{key}.pub", *more)
        assert (code, "is not signed" in err) == (1, True), more


def test_one_signature_a_bundle(bundle, key, capsys, tmp_path):
    other = tmp_path / "other"
    run(capsys, "bundle", "keygen", other)
    run(capsys, "bundle", "sign", bundle.folder, "--key", key)
    before = (bundle.folder / SIGNATURE).read_bytes()
    code, _, err = run(capsys, "bundle", "sign", bundle.folder, "--key", other)
    assert (code, "signed by another key" in err) == (2, True)
    assert (bundle.folder / SIGNATURE).read_bytes() == before
    code, out, _ = run(capsys, "bundle", "sign", bundle.folder, "--key", other, "--force", "--dry-run")
    assert (code, "would      sign" in out) == (0, True)
    assert (bundle.folder / SIGNATURE).read_bytes() == before
    assert run(capsys, "bundle", "sign", bundle.folder, "--key", other, "--force")[0] == 0
    assert run(capsys, "bundle", "verify", bundle.folder, "--trusted", f"{other}.pub")[0] == 0


def test_one_bundle_is_verified_by_its_digest_alone(bundle, capsys):
    words = ("bundle", "verify", bundle.folder, "--expect-digest")
    code, out, _ = run(capsys, *words, bundle.digest)
    assert (code, "signed by" in out) == (0, False)
    shown = " ".join(out.replace("\\\n", "").split())
    assert f"device_bench self-test {bundle.folder} --expect-digest {bundle.digest}" in shown
    code, out, _ = run(capsys, *words, bundle.digest, "--json")
    assert json.loads(out)["key"] is None
    code, _, err = run(capsys, *words, "0" * 64)
    assert (code, "is another bundle" in err) == (1, True)


def test_wrong_usage_names_the_flag(bundle, key, capsys):
    code, _, err = run(capsys, "bundle", "verify", bundle.folder)
    assert (code, "--trusted FILE" in err) == (2, True)
    code, _, err = run(capsys, "bundle", "sign", bundle.folder, "--key", f"{key}.pub")
    assert (code, "chmod 600" in err or "no private key" in err) == (2, True)
    code, _, err = run(capsys, "bundle", "keygen", key)
    assert (code, "never replaced" in err) == (2, True)
    for words in (["."], [".", "--dry-run"], ["/"]):
        code, _, err = run(capsys, "bundle", "keygen", *words)
        assert (code, "is a folder, and a key is a file" in err) == (2, True), words
    code, _, err = run(capsys, "bundle", "sign", bundle.folder, "--key", key, "--ask-passphrase")
    assert (code, "needs a terminal" in err) == (2, True)


def test_a_damaged_bundle_is_not_signed(bundle, key, capsys):
    (bundle.folder / "items.txt").write_bytes(b"x" * (bundle.folder / "items.txt").stat().st_size)
    code, _, err = run(capsys, "bundle", "sign", bundle.folder, "--key", key)
    assert (code, "was changed" in err) == (1, True)
    assert not (bundle.folder / SIGNATURE).exists()


def test_signatures_that_lie_there_are_kept_where_they_hold_alone(bundle, key, capsys, tmp_path):
    trusted = ("--trusted", f"{key}.pub")
    assert run(capsys, "bundle", "strip", bundle.folder)[0] == 0
    lean = tmp_path / "bundle-lean"
    assert run(capsys, "bundle", "sign", lean, "--key", key)[0] == 0
    assert run(capsys, "bundle", "strip", bundle.folder, "--force")[0] == 0
    assert run(capsys, "bundle", "verify", lean, *trusted)[0] == 0
    new, patch = tmp_path / "new", tmp_path / "patch"
    assert run(capsys, "bundle", "retire", bundle.folder, "item-1", "--out", new)[0] == 0
    shutil.copyfile(lean / SIGNATURE, new / SIGNATURE)  # of another manifest
    assert run(capsys, "bundle", "diff", bundle.folder, new, "--out", patch, "--key", key)[0] == 0
    assert run(capsys, "bundle", "apply", bundle.folder, patch, *trusted)[0] == 0
