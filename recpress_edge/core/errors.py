"""Every error a user can meet. Each says what is wrong, what was found, and how to fix it."""

from collections.abc import Sequence
from typing import ClassVar, Final, Literal, NoReturn

from recpress_edge.core.install import install_command
from recpress_edge.core.registry import named

Fault = Literal[
    "missing",  # a file that must be there is not, or is not a plain file
    "json",  # not JSON at all
    "schema",  # another format, or another major version of it
    "field",  # a field is absent or of the wrong type
    "digest",  # the bytes are not those that were written
    "size",  # another size than stated, or more than any reader takes
    "path",  # a name that is no plain file name
    "range",  # a number or an index outside its range
    "unsupported",  # well-formed, but of a kind that this reader does not know
    "content",  # a file inside does not hold what it must
    "model",  # the model file does not load, run, or fit its contract
    "answers",  # the model answers, but not as the self-test says
    "signature",  # not signed, or by none of the keys that the caller trusts
]
"""What is wrong with a bundle, for programs; the message says it to people. The Java reader uses the same."""


class RecPressError(Exception):
    """Base of all errors that are reported in one line, without a traceback."""

    exit_code: ClassVar[int] = 1
    label: ClassVar[str] = "error"
    """What the one line begins with."""


class ConfigError(RecPressError):
    """Wrong usage or configuration: an unknown name, flag, key or combination."""

    exit_code = 2


class DataError(RecPressError):
    """An interaction log or split that cannot be used as it is."""


class ArtifactError(RecPressError):
    """A model, checkpoint, bundle or record that is damaged, incomplete or not what it claims.

    ``fault`` is set wherever a bundle is refused.
    """

    def __init__(self, message: str, *, fault: Fault | None = None) -> None:
        super().__init__(message)
        self.fault = fault


class StorageError(RecPressError):
    """A file or folder that could not be written; what was there before is untouched."""


class MissingExtraError(RecPressError):
    """A command needs packages that this installation leaves out."""


class SkippedError(RecPressError):
    """Nothing was done for want of a program; the message says what to install. Never a pass."""

    label = "skipped"


class GateError(RecPressError):
    """A gate (parity, budget) is not met."""

    exit_code = 3


class InvalidRunError(RecPressError):
    """A measurement was made but may not be used for the headline (throttled, unstable)."""

    exit_code = 4


OUT_OF_MEMORY: Final = "memory ran out. Close other programs, or take a smaller data set, dim or batch."


_CLOSE_MATCHES: Final = "difflib:get_close_matches"  # named: only a mistake needs it


def told_by_system(error: OSError) -> str:
    """What the system says about a file, in one line: a full disk, a missing permission."""
    return f"{error.strerror or error}{f': {error.filename}' if error.filename else ''}"


def unknown_name(kind: str, name: str, known: Sequence[str]) -> ConfigError:
    """An error that suggests the nearest known name.

    >>> str(unknown_name("student", "htdd", ["htd", "ftd"]))
    "unknown student 'htdd'. Did you mean 'htd'? Known: ftd, htd."
    """
    close = named(_CLOSE_MATCHES)(name, known, n=1)
    hint = f" Did you mean {close[0]!r}?" if close else ""
    return ConfigError(f"unknown {kind} {name!r}.{hint} Known: {', '.join(sorted(known))}.")


def missing_extra(package: str | None, extra: str) -> NoReturn:
    """Raise the one-line error for a package that an optional extra would bring."""
    raise MissingExtraError(
        f"this command needs {package or 'a package'}, which the base install leaves out. "
        f"Run in the checkout: {install_command(extra)}"
    )
