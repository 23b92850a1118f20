"""One model.bin behind the compiled engine: mapped, opened once, asked through arrays that are made once."""

import ctypes
from array import array
from pathlib import Path
from typing import Any, Final, NamedTuple, Protocol

from recpress_edge.core.errors import ArtifactError, ConfigError
from recpress_edge.device.c.library import Library, ModelStruct, QueryStruct
from recpress_edge.device.c.mapped import Mapped
from recpress_edge.device.request import items_outside

BAD_ITEM: Final = -7
ERRORS: Final = {
    -1: "it does not start as a model.bin does",
    -2: "it has a version that this engine does not read",
    -3: "sizes, places or codes do not fit the file",
    -4: "its bytes are not aligned to 16",
    -5: "the engine was compiled for another recipe, dim, order or layout",
    -6: "there is no such user",
    BAD_ITEM: "there is no such seen item",
    -8: "k is 0 or above the number of items",
    -9: "the scratch memory is too small",
    -10: "a score does not fit the 16 bits that its header promises",
    -11: "an item is beyond what bounds its block, so that it would be left out",
}
"""What the engine's codes say."""
ALIGNMENT: Final = 16
_USUAL_K: Final = 50
"""Lists for which room is made at once."""


class EngineQuery(NamedTuple):
    """A checked request, laid out for an engine."""

    user: int
    seen: "array[int]"
    """uint32; each below the number of items, or the engine says so."""
    k: int
    items: "array[int]"
    """Where the engine writes; other requests share it."""
    scores: "array[float]"
    call: tuple[Any, ...] = ()
    """What the compiled engine is called with."""
    keep: Any = None
    """What those arguments point to."""


class ModelEngine(Protocol):
    """What answers from a model.bin, compiled or not. For one thread at a time."""

    name: str
    built: str
    """Compiler and flags that made it; empty for none."""

    def prepare(self, user: int, seen: "array[int]", k: int) -> EngineQuery:
        """A request, 1 <= k <= n_items."""

    def fill(self, query: EngineQuery) -> int:
        """Write the best k of the items that are left, and say how many there are.

        ConfigError for a seen item that there is not, ArtifactError for a damaged file.
        """

    def audit(self) -> None:
        """ArtifactError where the file's numbers are not what its header says and the engine believes."""


class CompiledEngine:
    """Answers of the compiled engine. Its scratch memory is made once, or again for longer lists."""

    name = "recpress-c"

    def __init__(self, path: Path, mapped: Mapped, library: Library, n_items: int) -> None:
        self._path, self._library, self._n_items = path, library, n_items
        self.built = library.built
        self._file = mapped
        self._model = ModelStruct()
        wrong = library.open(ctypes.byref(self._model), mapped.address, mapped.size)
        if wrong:
            raise ArtifactError(f"{path} is refused by the engine: {ERRORS.get(wrong, wrong)}", fault="model")
        self._recommend = library.recommend
        self._make_room(min(_USUAL_K, n_items))

    def _make_room(self, k: int) -> None:
        """Arrays for lists of up to ``k``."""
        self._items, self._scores = array("I", bytes(4 * k)), array("f", bytes(4 * k))
        size = self._library.scratch_bytes(ctypes.byref(self._model), k)
        scratch = ctypes.create_string_buffer(size + ALIGNMENT)
        self._places = (
            ctypes.byref((ctypes.c_uint32 * k).from_buffer(self._items)),
            ctypes.byref((ctypes.c_float * k).from_buffer(self._scores)),
            ctypes.byref(scratch, -ctypes.addressof(scratch) % ALIGNMENT),
            ctypes.c_size_t(size),
        )

    def audit(self) -> None:
        """ArtifactError where a score leaves 16 bits, or an item its block's bounds, unlike the file says."""
        wrong = self._library.audit(ctypes.byref(self._model)) if self._library.audit else 0
        if wrong:
            raise ArtifactError(
                f"{self._path} does not hold what it promises: {ERRORS[wrong]}", fault="content"
            )

    def prepare(self, user: int, seen: "array[int]", k: int) -> EngineQuery:
        """A request; what ctypes would convert in every call is converted here."""
        if k > len(self._items):
            self._make_room(k)
        at, count = seen.buffer_info()
        query = QueryStruct(user, at, count, k)
        call = (ctypes.byref(self._model), ctypes.byref(query), *self._places)
        return EngineQuery(user, seen, k, self._items, self._scores, call, query)

    def fill(self, query: EngineQuery) -> int:
        """Write the best items of a request, and say how many there are."""
        found: int = self._recommend(*query.call)
        if found < 0:
            raise self._error(found, query.seen)
        return found

    def _error(self, code: int, seen: "array[int]") -> ArtifactError | ConfigError:
        if code == BAD_ITEM:
            return items_outside(min(seen), max(seen), self._n_items)
        return ArtifactError(f"the engine failed on {self._path}: {ERRORS.get(code, code)}", fault="model")
