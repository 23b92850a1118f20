"""The tables of updates on a board, from benchmarks/updates_on_a_board.py."""

import re

from result_tables import Result, mib, table

_PATH = re.compile(r"/\S*/")


def updates(result: Result) -> str:
    """What was sent, what was said, and what the board's bundle is then."""
    rows = []
    for entry in result["updates"][1:]:
        killed = f", killed at {entry['killed_at']:.0%} of its time" if "killed_at" in entry else ""
        said = _PATH.sub("", entry["said"]).removeprefix("error: ").partition(". ")[0]
        told = said if entry["exit"] == 1 else "applied before" * said.endswith("applied before")
        rows.append(
            [
                entry["update"].replace(", killed, then whole", "") + killed,
                str(entry["exit"]) if entry["exit"] >= 0 else "–",
                told,
                f"day {entry['day']}",
                f"{entry['nanoseconds'] / 1e9:.2f}",
                f"{mib(entry['peak_bytes'])} MiB",
                f"{mib(entry['worker_peak_bytes'])} MiB" if entry["worker_peak_bytes"] else "–",
            ]
        )
    headers = ("update", "exit", "said", "bundle then", "10⁹ instr", "peak", "of its worker")
    return table(headers, rows)


def cuts(result: Result) -> str:
    """When the power was cut, and what the next start found."""
    pairs = zip(result["power_cuts"], result["power_cuts"][1:], strict=False)
    rows = [
        [f"{cut['cut_after_s']:.2f} s", f"day {after['found']['day']}, whole", str(after["found"]["beside"])]
        for cut, after in pairs
        if cut["cut_after_s"] is not None  # runs of one cut each may stand one after the other
    ]
    return table(("power cut after", "bundle at the next start", "drafts left"), rows)
