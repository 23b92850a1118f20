"""One model.bin behind the compiled engine: mapped, opened once, asked through arrays that are made once."""

import ctypes
from array import array
from pathlib import Path
from typing import Final, Protocol

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
}
"""What the engine's codes say."""
ALIGNMENT: Final = 16
_USUAL_K: Final = 64
"""Lists for which room is made at once."""

Answer = tuple["array[int]", "array[float]"]
"""Item indices (k,), best first, and their scores (k,)."""


class ModelEngine(Protocol):
    """What answers from a model.bin, compiled or not."""

    name: str
    built: str
    """Compiler and flags that made it; empty for none."""

    def answer(self, user: int, seen: "array[int]", k: int) -> Answer: ...


class CompiledEngine:
    """Answers of the compiled engine. For one thread at a time: its scratch memory is one."""

    name = "recpress-c"

    def __init__(self, path: Path, mapped: Mapped, library: Library, n_items: int) -> None:
        self._path, self._library, self._n_items = path, library, n_items
        self.built = library.built
        self._file = mapped
        self._model = ModelStruct()
        self._model_at = ctypes.addressof(self._model)
        wrong = library.open(self._model_at, self._file.address, self._file.size)
        if wrong:
            raise ArtifactError(f"{path} is refused by the engine: {ERRORS.get(wrong, wrong)}", fault="model")
        self._query = QueryStruct()
        self._query_at = ctypes.addressof(self._query)
        self._recommend = library.recommend
        self._make_room(min(_USUAL_K, n_items))

    def _make_room(self, k: int) -> None:
        """Arrays for lists of up to ``k``."""
        self._room = k
        self.items, self.scores = array("I", bytes(4 * k)), array("f", bytes(4 * k))
        self._size = self._library.scratch_bytes(self._model_at, k)
        self._scratch = ctypes.create_string_buffer(self._size + ALIGNMENT)
        at = ctypes.addressof(self._scratch)
        self._places = (
            self.items.buffer_info()[0],
            self.scores.buffer_info()[0],
            at + -at % ALIGNMENT,
            self._size,
        )

    def fill(self, user: int, seen: "array[int]", k: int) -> int:
        """Answer into ``items`` and ``scores``; how many of ``k`` there are.

        ConfigError for a seen item that there is not, ArtifactError for a damaged file.
        """
        if k > self._room:
            self._make_room(k)
        query = self._query
        query.user, query.k = user, k
        query.seen, query.n_seen = seen.buffer_info()
        found: int = self._recommend(self._model_at, self._query_at, *self._places)
        if found < 0:
            raise self._error(found, seen)
        return found

    def answer(self, user: int, seen: "array[int]", k: int) -> Answer:
        """The best ``k`` of the items that are left, 1 <= k <= n_items; uint32 and float32."""
        found = self.fill(user, seen, k)
        return self.items[:found], self.scores[:found]

    def _error(self, code: int, seen: "array[int]") -> ArtifactError | ConfigError:
        if code == BAD_ITEM:
            return items_outside(min(seen), max(seen), self._n_items)
        return ArtifactError(f"the engine failed on {self._path}: {ERRORS.get(code, code)}", fault="model")
