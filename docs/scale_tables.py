"""Tables of time and memory as data grow: docs/results/scale.md, and reading beside other engines."""

from collections.abc import Mapping
from typing import Any, Final

from result_tables import Result, table

from recpress_edge.core.units import format_bytes


def scale(result: Result) -> str:
    """What an int8 file costs at every size."""
    rows = []
    for at, size in enumerate(result["sizes"]):
        found = {name: values[at] for name, values in result["medians"].items()}
        levels = result["two_levels"][str(size)]
        rows.append(
            [
                f"{size:,}",
                format_bytes(int(found["file_bytes"])),
                f"{found['export_s']:.2f} s",
                f"{found['load_ms']:.1f} ms",
                f"{found['query_p50_us']:,.0f} µs",
                f"{found['query_cold_p50_us']:,.0f} µs",
                format_bytes(int(found["model_memory_bytes"])),
                f"{levels['ratio']:.2f} [{levels['low']:.2f}, {levels['high']:.2f}]",
            ]
        )
    headers = "items", "file", "export", "load", "query p50", "cold", "memory", "two levels / one"
    return table(headers, rows)


STEPS: Final = ("import", "teacher", "student", "bundle", "bench")


def growth(*results: Result) -> str:
    """CPU time and peak memory of each step from a log to a bundle, by size."""
    rows = []
    for record, size in ((one, size) for one in results for size in one["sizes"]):
        steps = [size["steps"][step] for step in STEPS]
        rows.append(
            [
                f"{size['interactions']:,}",
                f"{size['users']:,} × {size['items']:,}",
                f"`{record['teacher']}`",
                *(minutes(step) for step in steps),
                minutes(size),
            ]
        )
    return table(["interactions", "users × items", "of", *STEPS, "all"], rows)


def minutes(taken: Mapping[str, float]) -> str:
    """12.3 min, 1.5 GiB"""
    return f"{taken['cpu_s'] / 60:.1f} min, {format_bytes(int(taken['peak_bytes']))}"


def reading(*records: Result) -> str:
    """Each log and job: time and memory of all subjects, and ours over the better of the others."""
    cases: dict[tuple[Any, ...], dict[str, Result]] = {}
    for one in (one for record in records for one in record["cases"]):
        key = (one["rows"], one["ids"], one["container"], one["job"])
        cases.setdefault(key, {})[one["subject"]] = one
    rows = []
    for (count, ids, container, job), by in cases.items():
        quiet = all(one["wall_s"] is not None for one in by.values())
        unit = "wall_s" if quiet else "cpu_s"
        cells = [f"{one[unit]:.1f} s, {one['peak_memory_bytes'] / 2**30:.2f} GiB" for one in by.values()]
        best = min(one[unit] for name, one in by.items() if name != "ours")
        log = f"{count / 1e6:g} M, {ids}, {container}"
        rows.append([log, job, *cells, f"{by['ours'][unit] / best:.2f} ({'wall' if quiet else 'CPU'})"])
    return table(["log", "", *next(iter(cases.values())), "first over the better of the others"], rows)
