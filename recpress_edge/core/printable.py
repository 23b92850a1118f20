"""Texts of files on their way to a terminal: printable characters only, on one line each."""

import json
import re
from collections.abc import Mapping
from typing import Any, Final

_BREAKS: Final = re.compile(r"\s*[\t\n\v\f\r]\s*")
_REPLACEMENT: Final = "\N{REPLACEMENT CHARACTER}"


def printable(text: str) -> str:
    """The text without anything that steers a terminal: escapes, line breaks, bidi and zero-width controls.

    >>> printable("two\\nlines \\x1b[2J")
    'two�lines �[2J'
    """
    return text if text.isprintable() else "".join(c if c.isprintable() else _REPLACEMENT for c in text)


def one_line(text: str) -> str:
    """The same for a message, whose line breaks become spaces.

    >>> one_line("cannot load:\\n\\tno graph\\x07")
    'cannot load: no graph�'
    """
    return printable(_BREAKS.sub(" ", text))


def printable_lines(text: str) -> str:
    """The same for a text of our own that has line breaks, such as a table."""
    return "\n".join(map(printable, text.split("\n")))


def printable_facts(value: Any) -> Any:
    """A JSON-like value with every text in it, names too, made printable."""
    if isinstance(value, str):
        return printable(value)
    if isinstance(value, Mapping):
        return {printable_facts(name): printable_facts(entry) for name, entry in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(map(printable_facts, value))
    return value


def json_text(value: Any, *, indent: int | None = None, encoding: str = "utf-8") -> str:
    """JSON that means the same, is printable and can be encoded: what is not stands as an escape."""
    text = json.dumps(value, indent=indent, ensure_ascii=False)
    return "".join(c if c == "\n" or (c.isprintable() and _fits(c, encoding)) else _escape(c) for c in text)


def _fits(character: str, encoding: str) -> bool:
    try:
        character.encode(encoding)
    except UnicodeEncodeError:
        return False
    return True


def _escape(character: str) -> str:
    return json.dumps(character)[1:-1]
