"""The table of click bundles of docs/results/clicks.md, from a record of benchmarks/click_bundles.py."""

from typing import Any

from result_tables import table

from recpress_edge.core.units import format_bytes


def bundles(record: dict[str, Any]) -> str:
    """A line a model and recipe, with the command."""
    rows = [
        [
            f"`{one['name']}`",
            "-".join(map(str, one["layers"])),
            "the four" if one["teacher"] else "none",
            f"`{recipe}`",
            format_bytes(file["file_bytes"]),
            *(f"{file['test'][name]:.4f}" for name in ("auc", "logloss", "gauc", "calibration_error")),
        ]
        for one in record["models"]
        for recipe, file in one["files"].items()
    ]
    headers = ["model", "layers", "taught by", "recipe", "file", "AUC", "log loss", "GAUC", "calibration"]
    return f"`{record['command']}`\n\n{table(headers, rows)}"


def fields(record: dict[str, Any]) -> str:
    """What the fuzz of fields compared, and what it would have found."""
    read, refused = (f"{record['outcomes'][name]:,}" for name in ("read", "refused"))
    readings = ", ".join(record["readings"])
    rows = [[mistake, f"{count:,}"] for mistake, count in record["altered"].items()]
    told = (
        f"`{record['command']}`: {record['rows']:,} rows of {record['contracts']:,} contracts, {read} read "
        f"and {refused} refused, alike by all of {readings}: {record['findings']} findings."
    )
    return f"{told}\n\n{table(['a second reading with', 'rows that differ'], rows)}"
