"""recpress-edge bundle diff and apply: what they say, what they leave, what a device needs for it."""

import json
import shutil
import subprocess
import sys

import pytest
from exports import exported, items_file

from recpress_edge import cli
from recpress_edge.artifacts.bundle import open_bundle
from recpress_edge.cli import main

pytestmark = pytest.mark.usefixtures("workers_here")


@pytest.fixture(scope="module")
def versions(tmp_path_factory):
    """Two versions of a bundle, and a key."""
    home = tmp_path_factory.mktemp("versions")
    exported(home / "old")
    items = items_file(home / "new.npz", append_ids=["a", "b"])
    for words in (
        ("update", str(home / "old"), "--items", str(items), "--out", str(home / "new")),
        ("keygen", str(home / "key"), "--comment", "the release"),
    ):
        assert main(["bundle", *words]) == 0
    return home


@pytest.fixture
def device(versions, tmp_path):
    return shutil.copytree(versions / "old", tmp_path / "on the device")


def run(capsys, *words):
    code = main(["bundle", *map(str, words)])
    output = capsys.readouterr()
    return code, output.out, output.err


def test_the_way_over_the_air(versions, device, tmp_path, capsys):
    old, new = open_bundle(versions / "old").digest, open_bundle(versions / "new").digest
    patch, key = tmp_path / "day.patch", versions / "key"
    _, out, _ = run(capsys, "diff", versions / "old", versions / "new", "--out", patch, "--key", key)
    for words in ("compressed", "changed    model.onnx", "new        bundle.sig", "signed     by key"):
        assert words in out, words
    assert f"recpress-edge bundle apply BUNDLE {patch} --trusted {key}.pub" in out
    trusted = ("--trusted", f"{key}.pub")
    code, out, _ = run(capsys, "apply", device, patch, *trusted, "--dry-run")
    assert (code, f"would      make {new[:16]}" in out) == (0, True)
    code, out, _ = run(capsys, "apply", device, patch, *trusted, "--expect-digest", new)
    assert (code, "self-test passed" in out, "the release" in out) == (0, True, True)
    assert f"set aside  {device}.previous/   sha256 {old[:16]}" in out
    code, out, _ = run(capsys, "apply", device, patch, *trusted, "--json")
    assert (code, json.loads(out)["files_written"], json.loads(out)["sha256"]) == (0, 0, new)
    assert run(capsys, "verify", device, *trusted)[0] == 0
    code, out, _ = run(capsys, "rollback", device)
    assert (code, open_bundle(device).digest) == (0, old)
    code, _, err = run(capsys, "rollback", device, *trusted)  # what it would bring back is signed
    assert (code, open_bundle(device).digest) == (0, new)
    code, _, err = run(capsys, "rollback", device, *trusted)
    assert (code, "is not signed" in err, open_bundle(device).digest) == (1, True, new)


def test_refusals_say_why_and_change_nothing(versions, device, tmp_path, capsys):
    patch, key = tmp_path / "day.patch", versions / "key"
    assert run(capsys, "diff", versions / "old", versions / "new", "--out", patch)[0] == 0
    before = open_bundle(device).digest
    cut = tmp_path / "cut.patch"
    cut.write_bytes(patch.read_bytes()[:-9])
    for words, code, why in (
        (("apply", device, patch, "--trusted", f"{key}.pub"), 1, "is not signed"),
        (("apply", device, cut), 1, "was cut short"),
        (("apply", device, key), 1, "is no patch"),
        (("apply", device, tmp_path / "nothing"), 2, "no such file"),
        (("apply", device, patch, "--expect-digest", "0" * 64), 1, "is another bundle"),
        (("diff", versions / "old", versions / "new", "--out", patch), 2, "exists already"),
        (("diff", versions / "old", versions / "old", "--out", patch, "--force"), 2, "nothing to send"),
        (("diff", versions / "old", versions / "new", "--out", tmp_path), 2, "is a folder"),
    ):
        found, _, err = run(capsys, *words)
        assert (found, why in err) == (code, True), (words, err)
        assert open_bundle(device).digest == before
    assert not device.with_name(f"{device.name}.previous").exists()


def test_json_has_the_bundle_s_path_as_it_was_given(versions, device, tmp_path, capsys, monkeypatch):
    patch = tmp_path / "day.patch"
    assert run(capsys, "diff", versions / "old", versions / "new", "--out", patch)[0] == 0
    monkeypatch.chdir(tmp_path)

    def bundle_of(*words):
        code, out, _ = run(capsys, *words, "--json")
        return code, json.loads(out)["bundle"]

    for verb in (("apply", device.name, patch), ("rollback", device.name)):
        assert bundle_of(*verb) == (0, device.name)
    _, out, _ = run(capsys, "rollback", device.name, "--dry-run", "--json")
    assert json.loads(out)["previous"] == f"{device.name}.previous"
    (tmp_path / "current").symlink_to(device.name)
    assert bundle_of("apply", "current", patch) == (0, str(device))  # beside which the version before is


@pytest.mark.parametrize("name", [".", "../on the device"])
def test_a_bundle_is_changed_from_inside_its_folder(name, versions, device, tmp_path, capsys, monkeypatch):
    """Where the working folder is, is another version afterwards, or nothing."""
    old, new = open_bundle(versions / "old").digest, open_bundle(versions / "new").digest
    patch = tmp_path / "day.patch"
    assert run(capsys, "diff", versions / "old", versions / "new", "--out", patch)[0] == 0
    for words, found in (
        (("apply", name, patch), new),
        (("rollback", name), old),
        (("retire", name, "item-4"), None),
    ):
        monkeypatch.chdir(device)
        code, out, err = run(capsys, *words, "--json")
        assert code == 0, err
        facts = json.loads(out)
        assert (facts["bundle"], facts["sha256"]) == (str(device), found or open_bundle(device).digest)
    assert open_bundle(device).contract.retired == (4,)


def test_a_signature_alone_is_no_patch_and_travels_by_itself(versions, device, tmp_path, capsys):
    signed, key, patch = tmp_path / "signed", versions / "key", tmp_path / "patch"
    shutil.copytree(versions / "old", signed)
    assert run(capsys, "sign", signed, "--key", key)[0] == 0
    for dry in ((), ("--dry-run",)):
        code, _, err = run(capsys, "diff", versions / "old", signed, "--out", patch, *dry)
        assert (code, f"Copy {signed / 'bundle.sig'} into" in err) == (2, True), err
        code, _, err = run(capsys, "diff", signed, versions / "old", "--out", patch, *dry)
        assert (code, "there is nothing to send" in err) == (2, True), err
    assert not patch.exists()
    shutil.copy(signed / "bundle.sig", device)
    assert run(capsys, "verify", device, "--trusted", f"{key}.pub")[0] == 0
    manifest = (signed / "bundle.json").read_text()
    (signed / "bundle.json").write_text(manifest + "\n")  # the same content in other bytes, so signed apart
    assert run(capsys, "sign", signed, "--key", key)[0] == 0
    code, _, err = run(capsys, "diff", versions / "old", signed, "--out", patch)
    assert f"Copy {signed / 'bundle.json'} and {signed / 'bundle.sig'} into" in err


_BASE = """\
import sys
LEFT_OUT = {left_out!r}
class Finder:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in LEFT_OUT:
            raise ImportError(name, name=name.partition(".")[0])
sys.meta_path.insert(0, Finder())
from recpress_edge.cli import main
sys.exit(main(sys.argv[1:]))
"""
LEFT_OUT = {
    "torch",
    "onnx",
    "scipy",
    "safetensors",
    "rich",
    "duckdb",
    "flatbuffers",
    "cryptography",
    "jinja2",
}


def on_the_base_install(*words):
    code = _BASE.format(left_out=LEFT_OUT)
    command = [sys.executable, "-c", code, "bundle", *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_a_device_applies_and_rolls_back_with_the_base_install(versions, device, tmp_path, capsys):
    patch = tmp_path / "day.patch"
    run(capsys, "diff", versions / "old", versions / "new", "--out", patch)
    done = on_the_base_install("apply", device, patch)
    assert (done.returncode, "self-test passed" in done.stdout) == (0, True), done.stderr
    assert open_bundle(device).digest == open_bundle(versions / "new").digest
    assert on_the_base_install("rollback", device).returncode == 0
    done = on_the_base_install("apply", device, patch, "--trusted", versions / "key.pub")
    assert (done.returncode, "is not signed" in done.stderr) == (1, True)
    done = on_the_base_install("verify", device, "--trusted", versions / "key.pub")
    assert done.returncode == 1


def test_a_verb_whose_packages_are_missing_says_so_when_it_is_asked_for(monkeypatch, capsys):
    real = cli.importlib.import_module

    def absent(name):
        if name.endswith(".update"):
            raise ImportError(name, name="safetensors")
        return real(name)

    monkeypatch.setattr(cli.importlib, "import_module", absent)
    with pytest.raises(SystemExit):
        main(["bundle", "--help"])
    assert "append, replace or retire items" in capsys.readouterr().out
    code, _, err = run(capsys, "update", "BUNDLE", "--items", "new.npz")
    assert (code, "this command needs safetensors" in err) == (1, True)
