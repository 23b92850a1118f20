"""Tables and lines of text within a terminal's width: cut between words, and between columns."""

import textwrap
from collections.abc import Sequence
from typing import Final

_GAP: Final = "  "
_HANGING: Final = 11
"""Under the text of a line that begins with a label, such as 'trained    bpr_dim10'."""


def columns(headers: Sequence[str], rows: Sequence[Sequence[str]], width: int | None) -> str:
    """Columns that line up: the first to the left, the others to the right.

    Where they are wider than ``width`` the table is parted: each part has the first column again, and the
    second where the first does not tell the rows apart. Where these leave no room for another column, each
    row becomes a list of its cells. None: as wide as it is.
    """
    cells = [list(headers), *map(list, rows)]
    widths = [max(len(row[c]) for row in cells) for c in range(len(headers))]
    firsts = [row[0] for row in rows]
    keys = 1 if len(set(firsts)) == len(firsts) else min(2, len(headers))
    parts = _parts(widths, keys, width)
    if parts is None:
        return "\n\n".join(_listed(headers, row, width or 0) for row in rows)
    return "\n\n".join(
        _table([[row[c] for c in part] for row in cells], [widths[c] for c in part]) for part in parts
    )


def _parts(widths: Sequence[int], keys: int, width: int | None) -> list[list[int]] | None:
    """Columns of each part, the first ``keys`` in all; None where another does not fit beside these."""
    if width is None or sum(widths) + len(_GAP) * (len(widths) - 1) <= width:
        return [list(range(len(widths)))]
    parts: list[list[int]] = []
    room = width - sum(widths[:keys]) - len(_GAP) * (keys - 1)
    left = 0
    for column in range(keys, len(widths)):
        needed = len(_GAP) + widths[column]
        if needed > room:
            return None
        if not parts or needed > left:
            parts.append(list(range(keys)))
            left = room
        parts[-1].append(column)
        left -= needed
    return parts or None


def _table(cells: Sequence[Sequence[str]], widths: Sequence[int]) -> str:
    lines = [
        _GAP.join(
            cell.ljust(w) if c == 0 else cell.rjust(w)
            for c, (cell, w) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in cells
    ]
    return "\n".join([lines[0], _GAP.join("─" * w for w in widths), *lines[1:]])


def _listed(headers: Sequence[str], row: Sequence[str], width: int) -> str:
    label = max(map(len, headers))
    lines = []
    for header, cell in zip(headers, row, strict=True):
        indent = " " * min(label + len(_GAP), max(width // 2, 4))
        lines.append(_wrapped(f"{header.ljust(label)}{_GAP}{cell}".rstrip(), width, indent))
    return "\n".join(lines)


def wrap_lines(text: str, width: int | None) -> str:
    """Each line cut between words where it is longer than ``width``; a word that is longer stays whole."""
    if width is None:
        return text
    return "\n".join(
        line if len(line) <= width else _wrapped(line, width, _indent_of(line)) for line in text.split("\n")
    )


def _indent_of(line: str) -> str:
    """Under its own beginning, or under what follows a label."""
    own = len(line) - len(line.lstrip())
    if line.startswith("error: "):
        return " " * len("error: ")
    return " " * (_HANGING if line[:_HANGING].rstrip() != line[:_HANGING] and own < _HANGING else own)


def _wrapped(line: str, width: int, indent: str) -> str:
    return textwrap.fill(
        line,
        width,
        subsequent_indent=indent,
        break_long_words=False,
        break_on_hyphens=False,
        drop_whitespace=True,
        replace_whitespace=False,
    )


def wrap_command(command: str, width: int | None, indent: int) -> str:
    """A command cut between words, with backslashes at the ends of lines, so that a shell takes it as one."""
    if width is None or indent + len(command) <= width:
        return command
    lines = textwrap.wrap(command, width - indent - 2, break_long_words=False, break_on_hyphens=False)
    return (" \\\n" + " " * indent).join(lines)
