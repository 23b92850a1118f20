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
    plan = updates.five_updates(made, root=str(made.files))
    plan |= {"updates": plan["updates"][:5], "trusted": str(made.files / updates.KEYS)}
    return updates.checked(list(_board_guest.play(plan)), made)


REASONS = {
    "whole": (0, 1, "bundle "),
    "cut short": (1, 1, "was cut short"),
    "corrupt": (1, 1, "is damaged"),
    "unsigned": (1, 1, "is not signed"),
    "for another bundle": (1, 1, "is for another bundle"),
    "rollback": (0, 0, "bundle "),
}


@pytest.mark.parametrize("name", REASONS)
def test_an_update_is_taken_or_refused_for_its_own_reason(entries, name):
    code, day, said = REASONS[name]
    (entry,) = [entry for entry in entries if entry["update"] == name]
    assert (entry["exit"], entry["day"], entry["beside"]) == (code, day, 0)
    assert said in entry["said"] or name == "rollback"
    assert entry["peak_bytes"] > 2**24


def test_what_is_killed_says_so():
    done = _board_guest.command(["apply", "there is", "none"], kill_after_s=0.0)
    assert done["exit"] == -9
    assert done["nanoseconds"] < 5e9


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


@pytest.mark.armvm
def test_the_machine_takes_one_update_refuses_another_and_survives_a_cut(made, tmp_path):
    """On armvm with the real emulator: make test-armvm."""
    board = _board.prepare_board("onnx", print)
    plan = updates.five_updates(made)
    plan |= {"updates": [plan["updates"][0], plan["updates"][3]]}
    found = updates.checked(_board.start(board, plan, made.files, print), made)
    assert [(entry.get("exit"), entry["day"]) for entry in found] == [(None, 0), (0, 1), (1, 1), (0, 0)]
    cuts = updates.power_cuts(board, made, tmp_path, [1.5], print)
    assert [cut["found"]["day"] for cut in cuts] == [0, 0]
    assert cuts[-1]["ended"][0]["exit"] == 0
