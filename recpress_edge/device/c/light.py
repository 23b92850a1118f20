"""A model.bin asked without numpy: lists of integers in, arrays of the standard library out."""

import math
import os
from array import array
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, SupportsIndex

import recpress_edge
from recpress_edge.core.errors import ArtifactError, ConfigError
from recpress_edge.core.registry import named
from recpress_edge.device.c import library, model_bin
from recpress_edge.device.c.engine import CompiledEngine, EngineQuery, ModelEngine
from recpress_edge.device.c.mapped import Mapped
from recpress_edge.device.request import check_k, check_user, items_outside

if TYPE_CHECKING:
    from recpress_edge.artifacts.contract import Contract

CHOICE: Final = "RECPRESS_ENGINE"
"""Variable of the environment: "plain" answers in Python, the path of a compiled engine is loaded."""
PLAIN: Final = "plain"
_PLAIN_ENGINE: Final = "recpress_edge.device.c.plain:PlainEngine"


Answer = tuple["array[int]", "array[float]"]
"""Item indices (k,), best first, and their scores (k,)."""


class LightRuntime:
    """One model file; answers are exact wherever the contract is, compiled or not."""

    def __init__(self, model_path: Path, contract: "Contract", threads: int = 1) -> None:
        if threads != 1:
            raise ConfigError(f"format c answers in one thread, not in {threads}: leave --threads out")
        self.exact, self.version = contract.exact, recpress_edge.__version__
        self.n_users, self.n_items = contract.n_users, contract.n_items
        self._in_order = contract.history_length > 0
        self.engine = open_engine(model_path, contract)
        self.name, self.built = self.engine.name, self.engine.built

    def audit(self) -> None:
        """ArtifactError where the file's numbers are not what its header says."""
        self.engine.audit()

    def prepare(self, user: SupportsIndex | None, seen: Iterable[Any], k: SupportsIndex) -> EngineQuery:
        """Check a request; ConfigError for a user, a k or a type that does not fit."""
        who, length = check_user(user, self.n_users), check_k(k)
        items = self._indices(seen)
        if not (self.n_users or self._in_order) and len(items) > 1:
            items = array("I", sorted(set(items)))  # the order in which float32 rows are summed
        return self.engine.prepare(who, items, min(length, self.n_items))

    def _indices(self, seen: Iterable[Any]) -> "array[int]":
        """Seen items as the engine takes them; ConfigError where one is no index of the catalogue."""
        items = list(seen) if isinstance(seen, bytes | bytearray) else seen
        try:
            found = array("I", items)
        except TypeError as error:
            raise ConfigError(f"seen items must be a list of item indices: {error}") from None
        except OverflowError:  # below 0, or beyond 32 bits
            given = list(items)
            raise items_outside(min(given), max(given), self.n_items) from None
        if found and max(found) >= self.n_items:
            raise items_outside(min(found), max(found), self.n_items)
        return found

    def run(self, feed: EngineQuery) -> Answer:
        """Items and scores (k,), fewer where fewer are left."""
        found = self.engine.fill(feed)
        return feed.items[:found], feed.scores[:found]

    def recommend(self, user: SupportsIndex | None, seen: Iterable[Any], k: SupportsIndex) -> Answer:
        """Best k unseen items; ConfigError on an id out of range, ArtifactError when the engine fails."""
        return self.run(self.prepare(user, seen, k))


def open_engine(path: Path, contract: "Contract") -> ModelEngine:
    """The compiled engine with the file opened, or plain Python where it is asked for or nothing compiles."""
    mapped = Mapped(path)
    header = _header(path, mapped, contract)
    chosen = os.environ.get(CHOICE, "")
    compiled = None if chosen == PLAIN else library.load_for(header) if not chosen else _given(chosen)
    if compiled is None:
        from_python: ModelEngine = named(_PLAIN_ENGINE)(mapped.bytes[:], header)
        return from_python
    return CompiledEngine(path, mapped, compiled, header.n_items)


def _given(path: str) -> library.Library:
    if not Path(path).is_file():
        raise ConfigError(f"{CHOICE} is {path!r}: it may be {PLAIN!r}, a compiled engine's path, or not set")
    return library.load_library(Path(path).resolve())


def _header(path: Path, mapped: Mapped, contract: "Contract") -> model_bin.Header:
    """The file's header, when the file is what its contract says; else ArtifactError."""
    try:
        header = model_bin.read_header(memoryview(mapped.bytes))
    except ValueError as error:
        raise ArtifactError(f"{path} is not a readable c file: {error}", fault="model") from None
    found = (
        header.recipe_name,
        model_bin.PROFILES[header.profile],
        header.n_users,
        header.n_items,
        header.dim,
        header.history_length,
    )
    wanted = (
        contract.recipe,
        contract.profile,
        contract.n_users,
        contract.n_items,
        contract.dim,
        contract.history_length,
    )
    if found != wanted:
        raise ArtifactError(
            f"{path} does not fit its contract: it has recipe, profile, users, items, dim and history length "
            f"{found}, the contract says {wanted}",
            fault="model",
        )
    if model_bin.words(memoryview(mapped.bytes), header, "retired_at").tolist() != list(contract.retired):
        raise ArtifactError(f"{path} retires other items than its contract says", fault="model")
    if not math.isfinite(sum(model_bin.user_scales(memoryview(mapped.bytes), header))):
        raise ArtifactError(f"{path} has a user scale that is no finite number", fault="model")
    return header
