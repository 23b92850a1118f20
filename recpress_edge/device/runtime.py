"""Which runtime runs which file format. Importing this imports none of them."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol, SupportsIndex, runtime_checkable

from recpress_edge.artifacts.contract import Contract
from recpress_edge.artifacts.formats import FORMATS
from recpress_edge.core.errors import ArtifactError, ConfigError, unknown_name
from recpress_edge.core.registry import named

if TYPE_CHECKING:
    from recpress_edge.device.query import Answer, SeenItems

Feed = Any
"""A prepared request; only the runtime that made it knows what is inside."""


class Runtime(Protocol):
    """Answers from one model file."""

    name: str
    version: str
    exact: bool
    """Whether ids and scores are those that the contract promises; else within a tolerance."""

    def prepare(self, user: SupportsIndex | None, seen: "SeenItems", k: SupportsIndex) -> Feed: ...

    def run(self, feed: Feed) -> "Answer": ...

    def recommend(self, user: SupportsIndex | None, seen: "SeenItems", k: SupportsIndex) -> "Answer": ...


class Numbers(Protocol):
    """An array, numpy's or the standard library's."""

    def __len__(self) -> int: ...

    def __getitem__(self, at: int, /) -> Any: ...

    def tolist(self) -> list[Any]: ...


class Answering(Protocol):
    """What a recommender needs of a runtime; a format may have a light one, which needs no numpy."""

    @property
    def name(self) -> str: ...

    @property
    def version(self) -> str: ...

    @property
    def exact(self) -> bool: ...

    def recommend(
        self, user: SupportsIndex | None, seen: Sequence[int], k: SupportsIndex
    ) -> tuple[Numbers, Numbers]: ...


@runtime_checkable
class Believing(Protocol):
    """A runtime that takes something for granted which its file says of its own numbers."""

    def audit(self) -> None:
        """ArtifactError where it is not so."""


REFERENCE: Final = "reference"
"""As --runtime: numpy on the file's own tables, whatever its format (reference_file.py)."""
_REFERENCE: Final = "recpress_edge.device.reference_file:FileReference"


def check_format(file_format: str, where: Path, delegate: str | None = None) -> None:
    """ArtifactError for a format without a runtime, ConfigError for a delegate that its runtime lacks."""
    if file_format not in FORMATS:
        raise ArtifactError(
            f"{where} holds a {file_format!r} model; this device_bench runs "
            f"{', '.join(map(repr, FORMATS))}. Export the student as one of them, or install a newer "
            "recpress-edge.",
            fault="unsupported",
        )
    if delegate and delegate not in FORMATS[file_format].delegates:
        fitting = ", ".join(row.name for row in FORMATS.values() if delegate in row.delegates) or "no"
        raise ConfigError(
            f"--delegate {delegate} is for {fitting} bundles; {where} is {file_format}. Leave it out."
        )


def import_runtime(file_format: str, runtime: str | None = None) -> None:
    """Load the library that runs the format; MissingExtraError in one line where it is not installed."""
    if runtime == REFERENCE:
        named(_REFERENCE)
        return
    named(FORMATS[file_format].load_library)()


def has_light_runtime(file_format: str) -> bool:
    """Whether :func:`open_light` can answer from a file of this format."""
    return file_format in FORMATS and bool(FORMATS[file_format].light_runtime)


def open_light(model_path: Path, contract: Contract, threads: int = 1) -> Answering:
    """The light runtime of the contract's format, with the model loaded."""
    opened: Answering = named(FORMATS[contract.format].light_runtime)(model_path, contract, threads)
    return opened


def open_runtime(
    model_path: Path,
    contract: Contract,
    threads: int = 1,
    delegate: str | None = None,
    runtime: str | None = None,
) -> Runtime:
    """The runtime of the contract's format, or the one that is named, with the model loaded."""
    check_format(contract.format, model_path, delegate)
    if runtime not in (None, REFERENCE):
        raise unknown_name("runtime", runtime, [REFERENCE])
    if threads < 1:
        raise ConfigError(f"threads must be at least 1, got {threads}")
    options = {"delegate": delegate} if delegate else {}
    make = named(_REFERENCE if runtime else FORMATS[contract.format].runtime)
    opened: Runtime = make(model_path, contract, threads, **options)
    return opened
