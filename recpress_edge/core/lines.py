"""Lines for a terminal: broken between words, never inside one, and never wider than it."""

import re
import shutil
import textwrap
from typing import Final

_FEWEST_COLUMNS: Final = 40
_COLUMNS: Final = 80
"""Where nothing says how wide the terminal is."""


# A figure stays with its unit.
_HELD: Final = "\x1f"
_FIGURE: Final = re.compile(r"(?<=\d) (?=(?:[KMG]?i?B|ns|µs|ms|s|min|%)(?!\w))")


def columns() -> int:
    """Width of the terminal, or what COLUMNS says; 80 where neither is known."""
    return max(shutil.get_terminal_size((_COLUMNS, 24)).columns, _FEWEST_COLUMNS)


def hanging(label: str, text: str, indent: int = 11) -> str:
    """A label and a text beside it; further lines begin below the text. A long name or path is not broken."""
    held = _FIGURE.sub(_HELD, text)
    filled = textwrap.fill(
        held,
        columns(),
        initial_indent=label.ljust(indent),
        subsequent_indent=" " * indent,
        break_long_words=False,
        break_on_hyphens=False,
    )
    return filled.replace(_HELD, " ")
