"""An update takes the bundle's place whole or not at all, and can be taken back."""

import importlib
import os
import shutil
import signal
from pathlib import Path

import pytest
from exports import exported, items_file
from forks import end_of, killed

from recpress_edge.artifacts.bundle import open_bundle
from recpress_edge.core import files
from recpress_edge.core.errors import ArtifactError, ConfigError, StorageError
from recpress_export.update import versions
from recpress_export.update.apply import update_bundle
from recpress_export.update.changes import read_changes
from recpress_export.update.versions import previous_path, roll_back

pytestmark = pytest.mark.usefixtures("workers_here")


def update_killed(bundle, items, place, when, turn=0):
    """The exit code of an update that dies just before or after this call of a function."""
    module, name = place
    owner, left = importlib.import_module(module), [turn]
    real = getattr(owner, name)

    def die(*args, **kwargs):
        left[0] -= 1
        if left[0] >= 0:
            return real(*args, **kwargs)
        if when == "after":
            real(*args, **kwargs)
        return killed()

    def work():
        setattr(owner, name, die)
        updated(bundle, items)

    return end_of(work)


STEPS = [
    ("recpress_export.update.apply", "_copy_unchanged", "before"),
    ("recpress_export.update.apply", "_copy_unchanged", "after"),
    ("recpress_export.update.apply", "write_atomic", "after"),
    ("recpress_export.update.apply", "_check_unchanged", "before"),
    ("recpress_export.update.apply", "write_manifest", "before"),
    ("recpress_export.update.apply", "write_manifest", "after"),
    ("recpress_export.update.apply", "_check_tables", "after"),
    ("recpress_export.update.versions", "_keep", "before"),
    ("recpress_export.update.versions", "_keep", "after"),
    ("recpress_edge.core.files", "_swap", "before"),
    ("recpress_edge.core.files", "exchange", "before"),
    ("recpress_edge.core.files", "_swap", "after"),
]


@pytest.fixture
def bundle(tmp_path):
    return exported(tmp_path / "bundle")


@pytest.fixture
def items(tmp_path):
    return items_file(tmp_path / "items.npz", append_ids=["a"], retire_ids=["item-4"])


def updated(bundle, items):
    return update_bundle(bundle.folder, read_changes(items), None, force=False).bundle


@pytest.mark.parametrize(("module", "name", "when"), STEPS, ids=lambda part: part.rpartition(".")[2])
def test_killed_at_any_moment_the_bundle_is_whole(bundle, items, module, name, when):
    assert update_killed(bundle, items, (module, name), when) == -signal.SIGKILL
    there = open_bundle(bundle.folder)  # every digest is checked
    # _swap is also what puts .previous in place, so dying in or behind it is dying before the exchange.
    assert there.digest == bundle.digest
    left = drafts(bundle)
    assert left  # a killed process cannot clean up behind itself
    for draft in left:
        os.utime(draft, (0, 0))
    assert updated(bundle, items).contract.retired == (4,)  # and the same command goes on
    assert not drafts(bundle)  # and removes what the killed one left


def test_drafts_of_the_living_and_of_others_are_left_alone(bundle, items):
    """Another process still fills its draft; and a bundle of a longer name has one."""
    parent, name = bundle.folder.parent, bundle.folder.name
    others = parent / f".{name}-2.draft-abcd1234"
    others.mkdir()
    with files.new_directory(bundle.folder, force=True) as draft:
        os.utime(draft, (0, 0))
        os.utime(others, (0, 0))
        updated(bundle, items)
        assert draft.is_dir()
        shutil.copytree(bundle.folder, draft, dirs_exist_ok=True)
    assert others.is_dir()


def drafts(bundle):
    return list(bundle.folder.parent.glob(".bundle*.draft-*"))


def test_killed_after_the_exchange_the_new_bundle_is_whole(bundle, items):
    """Where there is a ``.previous``, the first exchange is its own; the second is the bundle's."""
    first = updated(bundle, items)
    more = items_file(items.with_name("more.npz"), append_ids=["b"])
    place = ("recpress_edge.core.files", "exchange")
    assert update_killed(first, more, place, "after", turn=1) == -signal.SIGKILL
    assert open_bundle(bundle.folder).item_ids()[-1] == "b"
    assert open_bundle(previous_path(bundle.folder)).digest == first.digest
    assert roll_back(bundle.folder)[0].digest == first.digest


def test_what_somebody_else_put_there_is_not_replaced(bundle, items):
    where = previous_path(bundle.folder)
    where.mkdir()
    (where / "photo.jpg").write_text("mine")
    with pytest.raises(ConfigError, match=r"\.previous is a folder without bundle\.json"):
        updated(bundle, items)
    assert (where / "photo.jpg").read_text() == "mine"
    assert open_bundle(bundle.folder).digest == bundle.digest


def test_a_version_before_that_lies_elsewhere_is_left_there(bundle, items, tmp_path):
    elsewhere = shutil.copytree(bundle.folder, tmp_path / "elsewhere")
    previous_path(bundle.folder).symlink_to(elsewhere)
    updated(bundle, items)
    assert open_bundle(elsewhere).digest == open_bundle(previous_path(bundle.folder)).digest == bundle.digest
    assert drafts(bundle) == [] == list(bundle.folder.parent.glob(".bundle.previous.*"))


@pytest.mark.parametrize("name", ["_copy_unchanged", "_check_unchanged", "write_manifest", "read_stored"])
def test_a_failure_leaves_everything_as_it_was(bundle, items, monkeypatch, name):
    def fail(*args, **kwargs):
        raise OSError(28, "No space left on device")

    before = {p.name: p.read_bytes() for p in bundle.folder.iterdir()}
    around = sorted(p.name for p in bundle.folder.parent.iterdir())
    monkeypatch.setattr(f"recpress_export.update.apply.{name}", fail)
    with pytest.raises((StorageError, OSError)):
        updated(bundle, items)
    assert {p.name: p.read_bytes() for p in bundle.folder.iterdir()} == before
    assert sorted(p.name for p in bundle.folder.parent.iterdir()) == around


def test_round_trip(bundle, items):
    new = updated(bundle, items)
    assert open_bundle(previous_path(bundle.folder)).digest == bundle.digest
    back, was = roll_back(bundle.folder)
    assert (back.digest, was) == (bundle.digest, new.digest)
    assert open_bundle(bundle.folder).digest == bundle.digest
    forth, was = roll_back(bundle.folder)
    assert (forth.digest, was) == (new.digest, bundle.digest)
    assert sorted(p.name for p in bundle.folder.parent.glob(".*")) == []


def test_an_update_after_a_rollback_starts_from_the_old(bundle, items):
    updated(bundle, items)
    roll_back(bundle.folder)
    again = updated(bundle, items)
    assert [entry["previous"] for entry in again.provenance["updates"]] == [bundle.digest]
    assert open_bundle(previous_path(bundle.folder)).digest == bundle.digest


def test_a_damaged_or_lost_bundle_is_rolled_back_too(bundle, items):
    updated(bundle, items)
    (bundle.folder / "model.onnx").write_bytes(b"")
    back, was = roll_back(bundle.folder)
    assert (back.digest, was) == (bundle.digest, None)
    shutil.rmtree(previous_path(bundle.folder))
    updated(bundle, items)
    shutil.rmtree(bundle.folder)
    assert roll_back(bundle.folder)[0].digest == bundle.digest
    assert not previous_path(bundle.folder).exists()


def test_nothing_to_go_back_to(bundle, items, tmp_path):
    with pytest.raises(ConfigError, match="there is no version before"):
        roll_back(bundle.folder)
    shutil.copytree(bundle.folder, previous_path(bundle.folder))
    with pytest.raises(ConfigError, match="nothing to roll back"):
        roll_back(bundle.folder)
    shutil.rmtree(previous_path(bundle.folder))
    other = exported(tmp_path / "other", "fp32")
    other.folder.rename(previous_path(bundle.folder))
    with pytest.raises(ConfigError, match="neither names the other"):
        roll_back(bundle.folder)


def test_a_damaged_previous_version_is_refused(bundle, items):
    new = updated(bundle, items)
    where = previous_path(bundle.folder) / "selftest.json"
    where.write_text(where.read_text().replace("0", "1"))
    with pytest.raises(ArtifactError, match="was changed"):
        roll_back(bundle.folder)
    assert open_bundle(bundle.folder).digest == new.digest


def test_somebody_elses_change_is_not_lost(bundle, items, monkeypatch):
    real = versions.open_any

    def meanwhile(folder):
        found = real(folder)
        object.__setattr__(found, "digest", "0" * 64)
        return found

    monkeypatch.setattr(versions, "open_any", meanwhile)
    with pytest.raises(ArtifactError, match="by somebody else"):
        updated(bundle, items)


def test_without_exchange_and_links_it_works_too(bundle, items, monkeypatch):
    """FAT has no links; some systems cannot exchange two folders in one step."""

    def no_links(*_):
        raise OSError(1, "Operation not permitted")

    monkeypatch.setattr(files, "exchange", lambda *_: False)
    monkeypatch.setattr(versions, "exchange", lambda *_: False)
    monkeypatch.setattr(os, "link", no_links)
    new = updated(bundle, items)
    assert roll_back(bundle.folder)[0].digest == bundle.digest
    assert roll_back(bundle.folder)[0].digest == new.digest
    assert sorted(p.name for p in bundle.folder.parent.glob(".*")) == []


def test_a_link_to_a_bundle_keeps_pointing_to_it(bundle, items, tmp_path):
    (tmp_path / "current").symlink_to(bundle.folder)
    new = update_bundle(tmp_path / "current", read_changes(items), None, force=False).bundle
    assert (tmp_path / "current").is_symlink()
    assert open_bundle(bundle.folder).digest == new.digest


def test_exchange_swaps_folders_and_files(tmp_path):
    folder, file = tmp_path / "folder", tmp_path / "file"
    folder.mkdir()
    (folder / "inside").write_text("x")
    file.write_text("y")
    if not files.exchange(folder, file):
        pytest.skip("this file system cannot exchange two paths")
    assert (file / "inside").read_text() == "x"
    assert folder.read_text() == "y"
    with pytest.raises(OSError, match="No such file"):
        files.exchange(folder, Path(tmp_path / "missing"))
