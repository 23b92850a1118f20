"""How a network from outside is asked and read: which input takes what, padding, tokens, its output.

In numpy. :mod:`recpress_export.networks.wrap` writes the same as nodes of a file, and each export compares
the two.
"""

import dataclasses
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

from recpress_edge.artifacts.contract import ALL_USERS, HISTORY
from recpress_edge.core.arrays import F32, I64
from recpress_edge.core.errors import ConfigError

ROLES: Final[Mapping[str, str]] = {
    "history": "the items consumed, oldest first",
    "length": "how many tokens of the history are no padding",
    "mask": "1 where the history holds a token, 0 where it is padded",
    "user": "the user",
}
"""What an input of a network from outside may take."""
SCORES: Final = "scores"
VECTOR: Final = "vector"
TYPES: Final = ("int64", "int32", "float32", "bool")
"""Of inputs."""
_PAIR: Final = re.compile(r"([a-z]+)=(.+)")

Pad = Literal["left", "right", "none"]
Empty = Literal["popular", "network"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Wiring:
    """The inputs and the output of a network from outside."""

    inputs: Mapping[str, str]
    """The network's input for each role of :data:`ROLES`."""
    output: str
    """Its output that is read."""
    gives: str = SCORES
    """scores, or a vector whose product with an item's row is its score."""
    history_length: int = 0
    """Items of a history that are read, the last ones; 0 of a network that knows its users."""
    pad: Pad = "right"
    """On which side a short history is filled up; none: the network takes any length."""
    pad_value: int = 0
    start_token: int | None = None
    """In front of every history."""
    end_token: int | None = None
    """Behind every history: the mask token of a BERT4Rec."""
    empty: Empty = "popular"
    """Who answers an empty history: the items' popularity, or the network with nothing but padding."""

    @property
    def profile(self) -> str:
        """Whose vectors its file holds."""
        return ALL_USERS if "user" in self.inputs else HISTORY

    @property
    def tokens(self) -> int:
        """Length of the history input."""
        return self.history_length + (self.start_token is not None) + (self.end_token is not None)

    def facts(self) -> dict[str, Any]:
        """As plain JSON."""
        return {name: value for name, value in dataclasses.asdict(self).items() if value is not None}


@dataclass(frozen=True, slots=True)
class Port:
    """An input as the network declares it."""

    type: str
    axes: tuple[int | None, ...]
    """None: any length."""


@dataclass(frozen=True, slots=True, eq=False)
class Places:
    """Where the network keeps the items and users of a data set."""

    item_index: I64
    """(I,) what stands for each item in a history; -1: unknown."""
    item_column: I64
    """(I,) the score of each item, or its row of the item table; -1: unknown."""
    user_index: I64 = field(default_factory=lambda: np.empty(0, np.int64))
    """(U,)"""
    item_table: F32 | None = None
    """(V, d) of a network that gives a vector."""

    @property
    def unknown(self) -> I64:
        """Items that the network does not know."""
        return np.flatnonzero(self.item_column < 0)


def parse_pairs(texts: Sequence[str], flag: str, known: Sequence[str]) -> dict[str, str]:
    """``ROLE=NAME`` of a flag that may be repeated; ConfigError for another role or a role twice."""
    found: dict[str, str] = {}
    for text in texts:
        match = _PAIR.fullmatch(text)
        if match is None or match[1] not in known:
            raise ConfigError(f"{flag} {text}: write ROLE=NAME with a role of {', '.join(known)}")
        if match[1] in found:
            raise ConfigError(f"{flag} names {match[1]} twice: {found[match[1]]} and {match[2]}")
        found[match[1]] = match[2]
    return found


def feed(wiring: Wiring, ports: Mapping[str, Port], rows: Sequence[tuple[int, I64]]) -> dict[str, Any]:
    """The network's inputs for a batch of (user index, history in item indices): (B, ...) each."""
    laid = [_laid_out(wiring, history) for _, history in rows]
    parts = {
        "user": [np.array(user, np.int64) for user, _ in rows],
        "history": [tokens for tokens, _ in laid],
        "length": [np.array(max(int(mask.sum()), 1), np.int64) for _, mask in laid],
        "mask": [mask for _, mask in laid],
    }
    found = {}
    for role, name in wiring.inputs.items():
        port = ports[name]
        array = np.stack(parts[role]).astype(port.type)
        found[name] = array.reshape(_shape(array.shape, port))
    return found


def _laid_out(wiring: Wiring, history: I64) -> tuple[I64, I64]:
    """Tokens and mask of one history, padded."""
    read = history[-wiring.history_length :] if wiring.history_length else history[:0]
    start, end = (
        np.array([] if token is None else [token], np.int64)
        for token in (wiring.start_token, wiring.end_token)
    )
    tokens = np.concatenate([start, read, end])
    if wiring.pad == "none":
        tokens = tokens if tokens.size else np.full(1, wiring.pad_value)
        return tokens, np.ones_like(tokens)
    empty = wiring.tokens - tokens.size
    sides = (empty, 0) if wiring.pad == "left" else (0, empty)
    return np.pad(tokens, sides, constant_values=wiring.pad_value), np.pad(np.ones_like(tokens), sides)


def _shape(shape: tuple[int, ...], port: Port) -> tuple[int, ...]:
    """With the axes that the network declares: some take (1, 1) for a number, some (L,) for a history."""
    if len(port.axes) == len(shape):
        return shape
    if len(port.axes) == len(shape) + 1:
        return (*shape, 1)
    return shape[1:]


def places_read(wiring: Wiring, mask_sums: Sequence[int], width: int) -> list[int]:
    """Of an output for each token: where each row of a batch is read, the last token."""
    if wiring.pad == "left":
        return [width - 1] * len(mask_sums)
    return [max(count - 1, 0) for count in mask_sums]


def read(
    wiring: Wiring, places: Places, output: NDArray[Any], rows: Sequence[tuple[int, I64]]
) -> NDArray[np.float64]:
    """Scores (B, I) of a batch's output; unknown items get -inf."""
    batch = len(rows)
    if output.ndim == 3 and output.shape[1] > 1:
        counts = [int(_laid_out(wiring, history)[1].sum()) for _, history in rows]
        at = places_read(wiring, counts, output.shape[1])
        output = output[np.arange(batch), at]
    wide = np.asarray(output, np.float64).reshape(batch, -1)
    if places.item_table is not None:
        wide = wide @ places.item_table.T.astype(np.float64)
    scores = wide[:, np.maximum(places.item_column, 0)]
    scores[:, places.unknown] = -np.inf
    return scores
