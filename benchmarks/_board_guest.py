"""What the board runs: updates as they come in, and after each what its bundle is and answers.

    python _board_guest.py PLAN.json

It takes the base install and, for signatures, the extra ``signed``. Each line that begins with @@ is JSON.
"""

import json
import os
import re
import select
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import psutil

from recpress_edge import Recommender, Trust
from recpress_edge.artifacts.bundle import open_bundle
from recpress_edge.artifacts.trust.policy import ANYBODY
from recpress_edge.core.errors import RecPressError

MARK: Final = "@@"
_SAMPLE_S: Final = 0.05
_PEAK: Final = re.compile(r"VmHWM:\s+(\d+) kB")
_POWER: Final = Path("/proc/sysrq-trigger")
"""Here 'b' restarts a machine at once: nothing that the kernel holds back is written any more."""


def main(plan_path: str) -> None:
    plan = json.loads(Path(plan_path).read_text())
    lines = power_cut(plan) if "cut_after_s" in plan else play(plan)
    for facts in lines:
        print(MARK + json.dumps(facts), flush=True)


def play(plan: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """One entry for each update, and one for each time that applying it is killed.

    ``kills`` of an update are shares of the time that the first update took.
    """
    yield {"update": "as it was delivered", **state(plan)}
    whole_s = 0.0
    for update in plan["updates"]:
        for share in update.get("kills", ()):
            done = apply(plan, update["patch"], kill_after_s=share * whole_s)
            yield {"update": update["name"], "killed_at": share, **done, **state(plan)}
            if done["exit"] == 0:
                break
        done = apply(plan, update["patch"])
        whole_s = whole_s or done["nanoseconds"] / 1e9
        yield {"update": update["name"], **done, **state(plan)}
    done = command(["rollback", plan["bundle"], "--trusted", plan["trusted"]])
    yield {"update": "rollback", **done, **state(plan)}


def power_cut(plan: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """One boot: what is there; then an update is applied, and the power fails ``cut_after_s`` later.

    None: it does not fail, and the update is applied to its end.
    """
    yield {"update": "after the start", **state(plan)}
    done = apply(plan, plan["patch"], cut_after_s=plan["cut_after_s"])
    yield {"update": "applied to its end", **done, **state(plan)}


def state(plan: Mapping[str, Any]) -> dict[str, Any]:
    """Digest and answers of the bundle, and what lies beside it."""
    folder = Path(plan["bundle"])
    kept = {folder.name, f"{folder.name}.previous", f"{folder.name}.steps"}
    beside = sorted(path.name for path in folder.parent.iterdir() if path.name not in kept)
    try:
        trust = Trust(keys=Path(plan["trusted"]))
        return {
            "sha256": open_bundle(folder, trust=trust).digest,
            "answers": answers(folder, plan["asked"], trust),
            "beside": len(beside),
        }
    except RecPressError as error:
        return {"sha256": None, "answers": None, "beside": len(beside), "broken": str(error)}


def answers(folder: Path, users: Sequence[str], trust: Trust = ANYBODY) -> list[list[str]]:
    """The ten best items of each user, by a bundle that is verified whole."""
    model = Recommender.load(folder, trust=trust)
    return [model.recommend(user, k=10).items for user in users]


def apply(plan: Mapping[str, Any], patch: str, **ends: float | None) -> dict[str, Any]:
    """``recpress-edge bundle apply``, as a device's owner types it."""
    return command(["apply", plan["bundle"], patch, "--trusted", plan["trusted"]], **ends)


def command(
    words: Sequence[str], *, kill_after_s: float | None = None, cut_after_s: float | None = None
) -> dict[str, Any]:
    """Exit code, what was said last, nanoseconds and peak memory of a verb of ``recpress-edge bundle``.

    ``kill_after_s``: the process is killed then. ``cut_after_s``: the whole machine is.
    """
    peaks: dict[int, int] = {}
    with tempfile.TemporaryFile() as said:
        start = time.perf_counter_ns()
        process = subprocess.Popen(
            [sys.executable, "-m", "recpress_edge", "bundle", *words], stdout=said, stderr=said
        )
        ended = os.pidfd_open(process.pid)
        while not select.select([ended], [], [], _SAMPLE_S)[0]:
            after = (time.perf_counter_ns() - start) / 1e9
            if cut_after_s is not None and after >= cut_after_s:
                _POWER.write_text("b")
            if kill_after_s is not None and after >= kill_after_s:
                process.kill()
            _sample(process.pid, peaks)
        code, took = process.wait(), time.perf_counter_ns() - start
        os.close(ended)
        said.seek(0)
        lines = [line for line in said.read().decode(errors="replace").splitlines() if line.strip()]
    own = peaks.pop(process.pid, 0)
    told = [line for line in lines if not line.startswith("next ")]
    return {
        "exit": code,
        "said": told[-1] if code and told else (told[0] if told else ""),
        "nanoseconds": took,
        "peak_bytes": own,
        "worker_peak_bytes": max(peaks.values(), default=0),
    }


def _sample(pid: int, peaks: dict[int, int]) -> None:
    """The most that the process and its workers have held so far."""
    try:
        family = [pid, *(child.pid for child in psutil.Process(pid).children(recursive=True))]
    except psutil.Error:
        return
    for one in family:
        try:
            found = _PEAK.search(Path(f"/proc/{one}/status").read_text())
        except OSError:
            continue
        if found:
            peaks[one] = max(peaks.get(one, 0), 1024 * int(found[1]))


if __name__ == "__main__":
    main(sys.argv[1])
