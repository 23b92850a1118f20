"""Text on a terminal of any encoding: what it cannot show is written with what it can."""

import codecs
import contextlib
import os
import re
import shutil
import signal
import sys
import textwrap
import threading
import unicodedata
from collections.abc import Iterator, Mapping
from typing import Final, TextIO

from recpress_edge.core.errors import OUT_OF_MEMORY, RecPressError, told_by_system
from recpress_edge.core.install import BASE, EXTRAS, install_command
from recpress_edge.core.layout import wrap_lines
from recpress_edge.core.printable import one_line

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
_FEWEST_COLUMNS: Final = 40
_COLUMNS: Final = 80
"""Where nothing says how wide the terminal is."""
# A figure stays with its unit.
_HELD: Final = "\x1f"
_FIGURE: Final = re.compile(r"(?<=\d) (?=(?:[KMG]?i?B|ns|µs|ms|s|min|%)(?!\w))")
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


def stdout_encoding() -> str:
    """What stdout takes; UTF-8 where it is no text file."""
    return getattr(sys.stdout, "encoding", None) or "utf-8"


def terminal_width(stream: TextIO) -> int | None:
    """Columns of the terminal that the stream is, or that COLUMNS states; None for a file or a pipe."""
    stated = os.environ.get("COLUMNS", "")
    if stated.isdecimal() and int(stated) > 0:
        return int(stated)
    return shutil.get_terminal_size().columns if stream.isatty() else None


def print_error(text: str, label: str = "error") -> None:
    """What went wrong, on stderr: one line, which a terminal gets cut between words."""
    sys.stderr.write(wrap_lines(one_line(f"{label}: {text}"), terminal_width(sys.stderr)) + "\n")
    sys.stderr.flush()


class ExitCode:
    """How a command ends."""

    code: int = 0


@contextlib.contextmanager
def errors_in_one_line(stopped: str) -> Iterator[ExitCode]:
    """Run a command in the block: each error a user can meet becomes one line and an exit code.

    ``stopped``: what is said after Ctrl-C.
    """
    ending = ExitCode()
    try:
        yield ending
    except RecPressError as error:
        print_error(str(error), error.label)
        ending.code = error.exit_code
    except KeyboardInterrupt:
        sys.stderr.write(f"\nstopped{stopped}\n")
        ending.code = 130
    except BrokenPipeError:  # the reader of our output is gone
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        ending.code = 1
    except OSError as error:
        print_error(told_by_system(error))
        ending.code = 1
    except MemoryError:
        print_error(OUT_OF_MEMORY)
        ending.code = 1
    except ImportError as error:
        package = (error.name or "").partition(".")[0]
        if package not in EXTRAS[BASE].values():
            raise
        print_error(
            f"this command needs {package}, which an install without dependencies leaves out. "
            f"Run in the checkout: {install_command()}"
        )
        ending.code = 1


@contextlib.contextmanager
def stopped_by_signals() -> Iterator[None]:
    """SIGTERM and SIGHUP end the block as Ctrl-C does, so that everything it made is removed."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    before = {number: signal.signal(number, stop) for number in (signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def text_width(stream: TextIO | None = None) -> int:
    """Columns that talk and tables fit in: of the stream's terminal, by COLUMNS, else 80. None: stdout."""
    return max(terminal_width(stream or sys.stdout) or _COLUMNS, _FEWEST_COLUMNS)


def hanging(label: str, text: str, indent: int = 11) -> str:
    """A label, then a text whose further lines are indented to it. A long name or path is not broken."""
    held = _FIGURE.sub(_HELD, text)
    filled = textwrap.fill(
        held,
        text_width(),
        initial_indent=label.ljust(indent),
        subsequent_indent=" " * indent,
        break_long_words=False,
        break_on_hyphens=False,
    )
    return filled.replace(_HELD, " ")
