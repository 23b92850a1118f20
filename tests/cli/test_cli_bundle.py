"""recpress-edge bundle: what it says, what it leaves, what it refuses."""

import json
import resource
import subprocess
import sys

import numpy as np
import pytest
from exports import DIM, exported, items_file

from recpress_edge.artifacts.bundle import open_bundle
from recpress_edge.cli import main


@pytest.fixture
def bundle(tmp_path):
    return exported(tmp_path / "my bundle")


@pytest.fixture
def items(tmp_path):
    return items_file(
        tmp_path / "new.npz", append_ids=["a", "b"], replace_ids=["item-7"], retire_ids=["item-4"]
    )


def test_update_and_rollback_say_what_they_did(bundle, items, capsys):
    assert main(["bundle", "update", str(bundle.folder), "--items", str(items)]) == 0
    out = capsys.readouterr().out
    new = open_bundle(bundle.folder)
    for words in (
        "changed    append 2, replace 1, retire 1 items",
        "catalogue  122 items, 1 retired; indices unchanged",
        "scores of unchanged items verified identical",
        "recall@20  ",
        f"sha256 {new.digest[:16]}…   (was {bundle.digest[:16]}…)",
        "self-test: 64 users, passed",
        f"device_bench run '{bundle.folder}'",
        f"recpress-edge bundle rollback '{bundle.folder}'",
    ):
        assert words in out, words
    assert main(["bundle", "rollback", str(bundle.folder)]) == 0
    out = capsys.readouterr().out
    assert f"sha256 {bundle.digest[:16]}…   self-test passed" in out
    assert f"set aside  {bundle.folder}.previous/   sha256 {new.digest[:16]}" in out
    assert open_bundle(bundle.folder).digest == bundle.digest


_TERMINATED = """\
import os, signal, sys
from recpress_edge.cli import main
from recpress_export.update import apply
real = apply._check_unchanged
def terminated(*args):
    os.kill(os.getpid(), signal.SIGTERM)
    return real(*args)
apply._check_unchanged = terminated
sys.exit(main(["bundle", "update", sys.argv[1], "--items", sys.argv[2]]))
"""


def test_a_terminated_update_leaves_nothing_behind(bundle, items):
    words = [sys.executable, "-c", _TERMINATED, str(bundle.folder), str(items)]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr.strip().partition(".")[0]) == (130, "stopped")
    there = {path.name for path in bundle.folder.parent.iterdir()}
    assert there == {bundle.folder.name, f"{bundle.folder.name}-model", items.name}
    assert open_bundle(bundle.folder).digest == bundle.digest


def test_json(bundle, items, tmp_path, capsys):
    out = tmp_path / "new"
    words = ["bundle", "update", str(bundle.folder), "--items", str(items), "--out", str(out), "--json"]
    assert main(words) == 0
    output = capsys.readouterr()
    facts = json.loads(output.out)
    new = open_bundle(out)
    assert (facts["sha256"], facts["previous_sha256"]) == (new.digest, bundle.digest)
    assert (facts["n_items"], facts["retired_items"]) == (122, 1)
    assert facts["update"] == new.provenance["updates"][0]
    assert "changed    append 2" in output.err
    assert "rollback" not in output.err  # BUNDLE is what it was
    assert open_bundle(bundle.folder).digest == bundle.digest


def test_dry_run_writes_nothing(bundle, items, tmp_path, capsys):
    before = sorted(p.name for p in tmp_path.iterdir())
    assert main(["bundle", "update", str(bundle.folder), "--items", str(items), "--dry-run"]) == 0
    assert (
        "would      append 2, replace 1, retire 1 items; 0 of 3 new rows clipped" in capsys.readouterr().out
    )
    assert main(["bundle", "rollback", str(bundle.folder), "--dry-run"]) == 2
    assert "there is no version before" in capsys.readouterr().err
    assert sorted(p.name for p in tmp_path.iterdir()) == before
    assert open_bundle(bundle.folder).digest == bundle.digest


def test_clipped_rows_are_reported_and_refused_above_the_limit(bundle, tmp_path, capsys):
    path = items_file(tmp_path / "big.npz", append_ids=["a"], append_emb=np.full((1, DIM), 50, np.float32))
    words = ["bundle", "update", str(bundle.folder), "--items", str(path)]
    assert main(words) == 3
    assert "1 of 1 new rows go beyond the range" in capsys.readouterr().err
    assert open_bundle(bundle.folder).digest == bundle.digest
    assert main([*words, "--force"]) == 0
    out = capsys.readouterr().out
    assert "clipped    1 new rows at the int8 range" in out
    assert "accepted by --force" in out


@pytest.mark.parametrize(
    ("arrays", "code", "message"),
    [
        ({"retire_ids": ["item-999"]}, 1, "unknown item id 'item-999'. Did you mean"),
        ({"append_ids": ["item-1"]}, 1, "is there already"),
        ({"append_ids": ["a"], "append_emb": np.ones((1, 3), np.float32)}, 1, "append_emb has dim 3"),
        ({"appended": ["a"]}, 2, "unknown array"),
    ],
)
def test_bad_items_are_one_line(bundle, tmp_path, capsys, arrays, code, message):
    path = items_file(tmp_path / "bad.npz", **arrays)
    assert main(["bundle", "update", str(bundle.folder), "--items", str(path)]) == code
    error = capsys.readouterr().err
    assert error.startswith("error: ")
    assert error.count("\n") == 1
    assert message in error
    assert open_bundle(bundle.folder).digest == bundle.digest


@pytest.mark.parametrize("words", [["update"], ["update", "b"], ["rollback"], [], ["restore", "b"]])
def test_wrong_usage(words, capsys):
    with pytest.raises(SystemExit) as ended:
        main(["bundle", *words])
    assert ended.value.code == 2
    assert capsys.readouterr().err.startswith("error: ")


def test_what_is_no_bundle(items, tmp_path, capsys):
    assert main(["bundle", "update", str(tmp_path), "--items", str(items)]) == 1
    assert "is not a bundle" in capsys.readouterr().err
    assert main(["bundle", "rollback", str(tmp_path / "none")]) == 2
    assert "there is no version before" in capsys.readouterr().err


def test_an_update_needs_no_torch(bundle, items):
    run = "from recpress_edge.cli import main; sys.exit(main(sys.argv[1:]))"
    script = f"import sys; sys.modules['torch'] = None; {run}"
    words = ["bundle", "update", str(bundle.folder), "--items", str(items)]
    done = subprocess.run([sys.executable, "-c", script, *words], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_a_disk_that_takes_no_more_is_one_line(bundle, items):
    """No file may grow beyond 2,000 bytes: the kernel refuses as it does on a full disk."""

    def little_space():
        resource.setrlimit(resource.RLIMIT_FSIZE, (2_000, 2_000))

    words = ["bundle", "update", str(bundle.folder), "--items", str(items)]
    done = subprocess.run(
        [sys.executable, "-c", "import sys; from recpress_edge.cli import main; sys.exit(main())", *words],
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=little_space,
    )
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert "File too large" in done.stderr.splitlines()[-1]
    assert open_bundle(bundle.folder).digest == bundle.digest
    assert [path.name for path in bundle.folder.parent.glob(".*")] == []


def test_a_dry_run_refuses_what_a_run_refuses(bundle, items, tmp_path):
    big = items_file(tmp_path / "big.npz", append_ids=["a"], append_emb=np.full((1, DIM), 50, np.float32))
    for words, code in (
        (["--items", str(big)], 3),
        (["--items", str(items), "--out", str(bundle.folder), "--force"], 2),
    ):
        for dry in ([], ["--dry-run"]):
            assert main(["bundle", "update", str(bundle.folder), *words, *dry]) == code
    assert main(["bundle", "update", str(bundle.folder), "--items", str(big), "--force", "--dry-run"]) == 0
