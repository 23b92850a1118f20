"""Text on a terminal of any encoding: what it cannot show is written with what it can."""

import codecs
import json
import sys
import unicodedata
from collections.abc import Mapping
from typing import Any, Final, TextIO

STAND_INS: Final[Mapping[str, str]] = {
    "–": "-",
    "—": "-",
    "−": "-",
    "─": "-",
    "·": "|",
    "×": "x",
    "→": "->",
    "…": "...",
    "≤": "<=",
    "≥": ">=",
    "≈": "~",
    "±": "+-",
    "µ": "u",
    "μ": "u",
    "°": " deg ",
    "Σ": "sum",
    "“": '"',
    "”": '"',
    "‘": "'",
    "’": "'",
}
_HANDLER: Final = "recpress_stand_in"


def stand_in(text: str) -> str:
    """ASCII for each character: its stand-in, its letter without accents, or a question mark."""
    return "".join(map(_ascii, text))


def _ascii(char: str) -> str:
    if char < "\x80":
        return char
    plain = unicodedata.normalize("NFKD", char).encode("ascii", "ignore").decode()
    return STAND_INS.get(char) or plain or "?"


def _replace(error: UnicodeError) -> tuple[str, int]:
    assert isinstance(error, UnicodeEncodeError)
    return stand_in(error.object[error.start : error.end]), error.end


def any_encoding() -> None:
    """From now on nothing that is printed fails for want of a character, whatever the locale."""
    codecs.register_error(_HANDLER, _replace)
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors=_HANDLER)


def json_text(value: Any, stream: TextIO, indent: int | None = None) -> str:
    """JSON for this stream: what it cannot show is escaped, so that every text arrives as it was."""
    encoding = (getattr(stream, "encoding", None) or "utf-8").lower().replace("-", "")
    return json.dumps(value, indent=indent, ensure_ascii=encoding != "utf8")
