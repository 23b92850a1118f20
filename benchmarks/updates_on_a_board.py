"""A board that receives five updates: one whole, one cut, one corrupt, one unsigned, one for another bundle.

    python benchmarks/updates_on_a_board.py dist/als_dim32-int8 --power 1.2 1.9 2.3 --out OUT.json

BUNDLE is an all-users bundle of format onnx, whole. Three versions are made from it, each with 1 % more
items and without the best items of some users, and a signed patch from each to the next. The board is the
emulated machine of ``device_bench run --on armvm``, with the base install and the extra ``signed``; it runs

    recpress-edge bundle apply device PATCH --trusted release.key.pub

After every update its bundle is opened with --trusted and asked. Then a whole patch is applied, and the
process killed at several moments; with --power the whole machine ends at several more, with what its kernel
had not written to the disk. Nanoseconds of the emulated machine are instructions; without a disk they differ
between runs by a part in a thousand, since each run signs by a key of its own.
"""

import argparse
import shutil
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from _bench import options, run, table
from _board import Board, disk_errors, make_disk, prepare_board, start
from _board_guest import answers

from recpress_edge.artifacts.bundle import Bundle, open_bundle
from recpress_edge.core.errors import ArtifactError
from recpress_edge.core.files import scratch_folder
from recpress_edge.core.progress import Event
from recpress_edge.core.rng import stream
from recpress_edge.core.units import format_bytes
from recpress_edge.jobs.bundles.patching import DiffRequest
from recpress_edge.jobs.bundles.signing import KeygenRequest, SignRequest
from recpress_edge.jobs.update import UpdateRequest
from recpress_export.update.stored import read_stored

DAYS: Final = 3
USERS: Final = 4
KILLS: Final = (0.5, 0.8, 0.95)
"""Shares of the time of a whole update, after which its process is killed."""
MORE: Final = 0.01
"""New items of a day, as a share of the catalogue."""
AT: Final = "board/device"
KEYS: Final = "release.key.pub"


@dataclass(frozen=True, slots=True)
class Made:
    """What is sent to a board, in one folder, and what it must answer."""

    files: Path
    """The bundle as it was delivered, patches and the public key."""
    users: Sequence[str]
    expected: Mapping[str, list[list[str]]]
    """Digest of a version to the answers to those users."""
    versions: Sequence[str]
    """Digests, day by day."""
    sizes: Mapping[str, int]
    """Bytes of patches."""

    def plan(self, root: str, **more: Any) -> dict[str, Any]:
        """What the board is told, where its bundle lies under ``root``."""
        return {
            "bundle": f"{root}/{AT}",
            "trusted": f"/app/plan/{KEYS}",
            "asked": list(self.users),
            **more,
        }


def make(bundle: Path, folder: Path) -> Made:
    """The versions of a bundle, signed, and the patches between them, whole and spoilt."""
    key, days = folder / "release.key", [folder / f"day{n}" for n in range(DAYS + 1)]
    KeygenRequest(private=key, comment="release machine").run()
    files = folder / "files"
    shutil.copytree(bundle, days[0])
    SignRequest(bundle=days[0], key=key, force=True).run()
    users = open_bundle(days[0]).user_ids()[:USERS]
    for day in range(1, DAYS + 1):
        _next_day(days[day - 1], days[day], users, day)
        SignRequest(bundle=days[day], key=key).run()
    shutil.copytree(days[0], files / AT)
    shutil.copy(f"{key}.pub", files / KEYS)
    for day in range(1, DAYS + 1):
        DiffRequest(old=days[day - 1], new=days[day], out=files / f"day{day}.patch", key=key).run()
    DiffRequest(old=days[1], new=days[2], out=files / "unsigned.patch").run()
    whole = (files / "day2.patch").read_bytes()
    (files / "cut.patch").write_bytes(whole[: len(whole) // 2])
    (files / "corrupt.patch").write_bytes(whole[:-100] + bytes([whole[-100] ^ 1]) + whole[-99:])
    digests = [open_bundle(one).digest for one in days]
    return Made(
        files,
        users,
        {digest: answers(one, users) for digest, one in zip(digests, days, strict=True)},
        digests,
        {path.name: path.stat().st_size for path in sorted(files.glob("*.patch"))},
    )


def _next_day(before: Path, after: Path, users: Sequence[str], day: int) -> None:
    """A version with new items, near to items that there are, and without what some users get first."""
    old = open_bundle(before)
    rows, rng = read_stored(old).item_rows, stream(day, "new items of a day")
    count = max(1, round(MORE * old.contract.n_items))
    like = rows[rng.integers(len(rows), size=count)]
    best = dict.fromkeys(items[0] for items in answers(before, users))
    changes = after.parent / f"day{day}.npz"
    np.savez(
        changes,
        append_ids=np.array([f"day {day} item {n}" for n in range(count)]),
        append_emb=(0.9 * like).astype(np.float32),
        retire_ids=np.array(list(best)),
    )
    UpdateRequest(bundle=before, items=changes, out=after).run()


def five_updates(made: Made, kills: Sequence[float] = KILLS, root: str = "/app/plan") -> dict[str, Any]:
    """The plan of the boot with the five updates; what comes behind them brings the board up to date."""
    updates = [
        ("whole", "day1.patch", ()),
        ("cut short", "cut.patch", ()),
        ("corrupt", "corrupt.patch", ()),
        ("unsigned", "unsigned.patch", ()),
        ("for another bundle", "day3.patch", ()),
        ("day 2, killed, then whole", "day2.patch", kills),
        ("day 2, once more", "day2.patch", ()),
        ("day 3", "day3.patch", ()),
    ]
    sent = [{"name": name, "patch": f"{root}/{patch}", "kills": k} for name, patch, k in updates]
    return made.plan(root, updates=sent)


def checked(entries: Sequence[Mapping[str, Any]], made: Made) -> list[dict[str, Any]]:
    """Each entry with the day of its bundle; ArtifactError where one is not whole, or answers otherwise."""
    rows = []
    for entry in entries:
        digest = entry["sha256"]
        if digest not in made.expected or entry["answers"] != made.expected[digest]:
            what = entry.get("broken") or f"{digest} answers {entry['answers']}"
            raise ArtifactError(f"after {entry['update']!r} the board's bundle is not whole: {what}")
        rows.append({**entry, "day": made.versions.index(digest), "works": True})
    return [{key: value for key, value in row.items() if key != "answers"} for row in rows]


def power_cuts(
    board: Board, made: Made, folder: Path, times_s: Sequence[float], tell: Callable[[str], None]
) -> list[dict[str, Any]]:
    """Boots of a board with one disk: each finds what was left, applies day 1, and loses its power.

    Ends with the boot that finds day 1, or with one that keeps its power.
    """
    disk, rows = make_disk(folder / "disk", made.files), []
    for cut in (*times_s, None):
        plan = made.plan("/disk", patch="/disk/day1.patch", cut_after_s=cut)
        found, *ended = checked(start(board, plan, made.files, tell, disk), made)
        rows.append({"cut_after_s": cut, "found": found, "ended": ended})
        if found["day"] == 1:
            break
    if errors := disk_errors(disk):
        raise ArtifactError(f"the disk is damaged in the end: {errors}")
    return rows


def parser() -> argparse.ArgumentParser:
    made = options(__doc__)
    made.add_argument("bundle", type=Path, metavar="BUNDLE")
    made.add_argument(
        "--power", type=float, nargs="*", default=(), metavar="S", help="cut the power after so many seconds"
    )
    return made


def measure(args: argparse.Namespace) -> dict[str, Any]:
    """All updates on the board, and the cuts."""

    def tell(line: str) -> None:
        print(line[:200], file=sys.stderr, flush=True)

    def tell_event(event: Event) -> None:
        tell(str(event))

    with scratch_folder("recpress-updates-") as folder:
        bundle = open_bundle(args.bundle)
        made = make(args.bundle, folder)
        board = prepare_board(bundle.contract.format, tell_event)
        updates = checked(start(board, five_updates(made), made.files, tell), made)
        cuts = power_cuts(board, made, folder, args.power, tell) if args.power else []
    return {
        "schema": "recpress.updates-on-a-board/1",
        "bundle": bundle_facts(bundle),
        "versions": list(made.versions),
        "patch_bytes": dict(made.sizes),
        "emulator": board.facts(),
        "updates": updates,
        "power_cuts": cuts,
    }


def bundle_facts(bundle: Bundle) -> dict[str, Any]:
    """Of the bundle as it was delivered."""
    return {
        "name": bundle.name,
        "sha256": bundle.digest,
        "bytes": bundle.total_bytes,
        "n_items": bundle.contract.n_items,
    }


def show(record: dict[str, Any]) -> str:
    """A line for each update, and one for each cut."""
    rows = []
    for entry in record["updates"]:
        killed = f", killed at {entry['killed_at']:.0%}" if "killed_at" in entry else ""
        rows.append(
            [
                entry["update"] + killed,
                str(entry.get("exit", "")),
                f"{entry.get('nanoseconds', 0) / 1e9:.2f}",
                format_bytes(entry.get("peak_bytes", 0)),
                format_bytes(entry.get("worker_peak_bytes", 0)),
                f"day {entry['day']}",
                entry.get("said", "")[:80],
            ]
        )
    lines = [table(("update", "exit", "10^9 instr", "peak", "worker", "bundle", "said"), rows)]
    for cut in record["power_cuts"]:
        when = "not cut" if cut["cut_after_s"] is None else f"cut after {cut['cut_after_s']} s"
        lines.append(f"day {cut['found']['day']} is there, whole; power {when}")
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(run(parser(), measure, show))
