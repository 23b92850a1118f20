"""The tables of click bundles in docs/results/clicks.md, from records of benchmarks."""

from typing import Any

from result_tables import table

from recpress_edge.core.units import format_bytes


def bundles(record: dict[str, Any]) -> str:
    """A line a model, format and recipe, then one a model and budget, with the command."""
    rows = [
        [
            *_model(one),
            file["format"],
            f"`{file['recipe']}`",
            format_bytes(file["file_bytes"]),
            *(f"{file['test'][name]:.4f}" for name in ("auc", "logloss", "gauc", "calibration_error")),
            "met" if file["gate_met"] else "not met",
        ]
        for one in record["models"]
        for file in one["files"]
    ]
    headers = ["model", "layers", "taught by", "format", "recipe", "file"]
    headers += ["AUC", "log loss", "GAUC", "calibration", "gate"]
    fits = [[*_model(one), fit["budget"], *_fit(fit)] for one in record["models"] for fit in one["fits"]]
    fitted = table(["model", "layers", "taught by", "`--fit`", "takes", "file", "not taken"], fits)
    return f"`{record['command']}`\n\n{table(headers, rows)}\n\n{fitted}"


def _model(one: dict[str, Any]) -> list[str]:
    return [f"`{one['name']}`", "-".join(map(str, one["layers"])), "the four" if one["teacher"] else "none"]


def _fit(fit: dict[str, Any]) -> list[str]:
    """What was taken, its bytes, and why others were not."""
    if fit["recipe"] is None:
        return ["nothing", "", fit["error"].partition(": ")[2].partition(". Allow")[0]]
    tried = "; ".join(f"{one['recipe']} {one['why']}" for one in fit["tried"])
    return [f"`{fit['recipe']}`", format_bytes(fit["file_bytes"]), tried]


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
