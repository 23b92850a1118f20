"""Results as files: ``--csv`` and ``--latex`` of every command that prints figures."""

import argparse
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from recpress_edge.cli.common import say
from recpress_edge.core.errors import ConfigError
from recpress_edge.core.files import write_atomic
from recpress_edge.records.result_table import ResultTable


def add_table_options(parser: argparse.ArgumentParser, *, latex: str | None = None) -> None:
    """``--csv``, and ``--latex`` where the command has such a table; ``latex``: what is in it."""
    group = parser.add_argument_group("results as files")
    group.add_argument("--csv", type=Path, metavar="FILE", help="every figure, with every digit")
    if latex:
        group.add_argument("--latex", type=Path, metavar="FILE", help=f"a table for booktabs: {latex}")


def check_tables(args: argparse.Namespace) -> None:
    """Refuse, before anything is computed, to write over what is no earlier result of the same kind."""
    for flag, suffix in (("csv", ".csv"), ("latex", ".tex"), ("per_user", ".csv")):
        path = getattr(args, flag, None)
        if path and path.suffix != suffix:
            raise ConfigError(f"--{flag.replace('_', '-')} {path}: its name must end in {suffix}")
        if path and path.is_dir():
            raise ConfigError(f"--{flag.replace('_', '-')} {path} is a folder")


def write_tables(
    args: argparse.Namespace, table: ResultTable, latex: Callable[[], str] | None = None
) -> None:
    """Write the files that were asked for; one that is there is replaced."""
    check_tables(args)
    if args.csv:
        write_text(args, args.csv, table.to_csv())
    if latex and args.latex:
        write_text(args, args.latex, latex())


def variants_of(report: Mapping[str, Any]) -> ResultTable:
    """A line for each variant, as ``report --json`` says them: where, figures, ranges over seeds."""
    rows = []
    for number, section in enumerate(report["sections"]):
        of_all = {"section": number, **section["conditions"], "profile": section["profile"]}
        for variant in section["variants"]:
            row: dict[str, Any] = {"chosen": variant["name"] == section["winner"]}
            for name, value in variant.items():
                metric = name.removesuffix("_range")
                if metric != name:
                    row[f"{metric}_low"], row[f"{metric}_high"] = value or (None, None)
                else:
                    row[name] = " ".join(value) if isinstance(value, list) else value
            rows.append(of_all | row)
    return ResultTable.of_rows(rows)


def write_text(args: argparse.Namespace, path: Path, text: str) -> None:
    """Write a file and say so."""
    write_atomic(path, text.encode())
    say(args, f"wrote      {path}")
