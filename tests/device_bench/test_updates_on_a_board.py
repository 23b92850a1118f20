"""Five updates on a board: each is taken or refused for its own reason, and the bundle always answers."""

import dataclasses
import sys
from pathlib import Path

import pytest
from exports import exported

from device_bench.emulation.machine import Console
from device_bench.emulation.tools import EmulationError
from recpress_edge.core.errors import ArtifactError

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))

import _board
import _board_guest
import updates_on_a_board as updates


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return updates.make(
        exported(tmp_path_factory.mktemp("board") / "made").folder, tmp_path_factory.mktemp("sent")
    )


@pytest.fixture(scope="module")
def entries(made):
    """What the board says, here: the same driver, without the machine."""
    plan = updates.five_updates(made, kills=(0.5, 0.9), root=str(made.files))
    plan |= {"trusted": str(made.files / updates.KEYS)}
    return updates.checked(list(_board_guest.play(plan)), made)


REASONS = {
    "whole": (0, 1, "bundle "),
    "cut short": (1, 1, "was cut short"),
    "corrupt": (1, 1, "is damaged"),
    "unsigned": (1, 1, "is not signed"),
    "for another bundle": (1, 1, "is for another bundle"),
    "day 2, once more": (0, 2, "applied before"),
    "day 3": (0, 3, "bundle "),
    "rollback": (0, 2, "bundle "),
}


@pytest.mark.parametrize("name", REASONS)
def test_an_update_is_taken_or_refused_for_its_own_reason(entries, name):
    code, day, said = REASONS[name]
    (entry,) = [entry for entry in entries if entry["update"] == name]
    assert (entry["exit"], entry["day"]) == (code, day)
    assert said in entry["said"] or name in ("day 2, once more", "rollback")
    assert entry["beside"] == 0
    assert entry["peak_bytes"] > 2**24


def test_a_killed_update_leaves_a_whole_bundle_and_starts_over(entries):
    *killed, last = [entry for entry in entries if entry["update"].startswith("day 2, killed")]
    assert killed
    assert all(entry["day"] in (1, 2) and entry["exit"] in (-9, 0) for entry in killed)
    assert (last["exit"], last["day"], last["beside"]) == (0, 2, 0)


def test_a_bundle_that_answers_otherwise_is_no_result(made):
    entry = {"update": "whole", "sha256": made.versions[0], "answers": made.expected[made.versions[1]]}
    with pytest.raises(ArtifactError, match="not whole"):
        updates.checked([entry], made)
    with pytest.raises(ArtifactError, match="is missing"):
        updates.checked([{**entry, "sha256": None, "broken": "bundle.json is missing"}], made)


def test_a_boot_that_ends_otherwise_is_no_result():
    whole = Console(('@@{"update": "whole"}', "@@exit 0"), timed_out=False)
    assert _board.said_by(whole, cut=False) == [{"update": "whole"}]
    cut = Console(whole.lines[:1], timed_out=False)
    assert _board.said_by(cut, cut=True) == [{"update": "whole"}]
    for console in (cut, dataclasses.replace(whole, timed_out=True), Console(("@@exit 1",), timed_out=False)):
        with pytest.raises(EmulationError, match="ended otherwise"):
            _board.said_by(console, cut=False)
