"""A Sphinx extension: ``reference/cli.md`` from the parsers, so that it is what ``--help`` prints."""

import argparse
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

WIDTH: Final = "100"
_HEAD: Final = """\
# Command line

Written from the parsers: each block is what `--help` prints.
"""


def write_cli_page(app: Any) -> None:
    """Write ``reference/cli.md`` before Sphinx reads its sources."""
    os.environ["COLUMNS"] = WIDTH
    from device_bench.__main__ import build_parser as bench_parser
    from recpress_edge.cli import build_parser

    parts = [_HEAD]
    for parser in (build_parser(), bench_parser()):
        parts.extend(_sections(parser, level=2))
    Path(app.srcdir, "reference", "cli.md").write_text("\n".join(parts), encoding="utf-8")


def _sections(parser: argparse.ArgumentParser, level: int) -> Iterator[str]:
    yield f"{'#' * level} {parser.prog}\n\n```text\n{parser.format_help().rstrip()}\n```\n"
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for command in action.choices.values():
                yield from _sections(command, level + 1)


def setup(app: Any) -> dict[str, Any]:
    """Sphinx's entry."""
    app.connect("builder-inited", write_cli_page)
    return {"parallel_read_safe": True}
