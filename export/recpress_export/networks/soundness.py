"""What is wrong with a network from outside: it is asked before it is taken.

Numbers that are not finite, an input that is not read, answers that depend on the place in a batch, padding
that is read.
"""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal, NamedTuple

import numpy as np
import onnx
from onnx import numpy_helper

from recpress_edge.artifacts.bundle import Evaluation
from recpress_edge.core.arrays import F64
from recpress_edge.core.errors import DataError
from recpress_export.networks.outside import Asked, OpenNetwork, Row, open_onnx
from recpress_export.networks.wiring import Wiring

TOLERANCE: Final = 1e-4
"""Of the largest score: float32 sums in another order."""
ASKED: Final = 64
"""Users who are asked one by one."""
_TRACED: Final = 300
"""Users for whom a traced file is compared with its module."""
_FIRST: Final = 10
_PASSES: Final = ("Cast", "Identity", "Reshape", "Squeeze", "Unsqueeze", "Flatten", "Slice", "Clip", "Concat")
"""Operators behind which a history is still a list of indices."""


@dataclass(frozen=True, slots=True, eq=False)
class Trials:
    """Whom a network is asked about: held-out users with what they had consumed."""

    users: Evaluation
    item_ids: Sequence[str]
    user_ids: Sequence[str]

    def rows(self, most: int) -> list[tuple[int, Row]]:
        """(row of the evaluation, what is asked), spread over all."""
        count = self.users.users.size
        chosen = np.unique(np.linspace(0, count - 1, min(most, count)).astype(np.int64)).tolist()
        return [(row, (int(self.users.users[row]), self.users.seen(row).astype(np.int64))) for row in chosen]

    def who(self, row: int) -> str:
        """The user in words."""
        return f"user {self.user_ids[int(self.users.users[row])]!r}"


def check_finite(asked: Asked, trials: Trials) -> None:
    """DataError where the score of an unseen, known item is no finite number, or all scores are the same."""
    known = asked.places.item_column >= 0
    constant = 0
    rows = trials.rows(ASKED)
    for at, row in rows:
        scores = asked.scores([row])[0]
        wanted = known.copy()
        wanted[row[1]] = False
        bad = np.flatnonzero(wanted & ~np.isfinite(scores))
        if bad.size:
            raise DataError(
                f"the network scores {scores[bad[0]]} for item {trials.item_ids[bad[0]]!r} and "
                f"{trials.who(at)} ({row[1].size} items consumed); {bad.size:,} scores are not finite. "
                "Is the side of padding right (--pad), and the length (--history-length)?"
            )
        constant += bool(wanted.sum() > 1 and np.ptp(scores[wanted]) == 0)
    if constant == len(rows):
        raise DataError("the network gives every item the same score, whoever is asked about")


def check_reads(asked: Asked, trials: Trials) -> None:
    """DataError where users with other histories of one length, or other users, get the same scores."""
    rows = [row for _, row in trials.rows(ASKED)]
    shortest = min((row[1].size for row in rows if row[1].size), default=0)
    if "history" in asked.wiring.inputs:
        rows = [(user, history[-shortest:]) for user, history in rows if history.size]
    found = np.concatenate([asked.scores([row]) for row in rows]) if rows else np.empty((0, 0))
    if len(rows) > 1 and (found == found[0]).all():
        name = next(iter(asked.wiring.inputs.values()))
        raise DataError(
            f"the network gives {len(rows)} users the same scores, whatever is fed to {name!r}: it does not "
            "read it, or reads another input in its place. Are the inputs named as in the code that wrote it?"
        )


def check_repeats(asked: Asked, trials: Trials) -> None:
    """DataError where the same question asked again is scored differently: chance is at work."""
    for _, row in trials.rows(3):
        first, again = (asked.scores([row])[0] for _ in range(2))
        _check_same(
            first,
            again,
            "asked the same twice, the network scores differently: {}. Is it in evaluation mode, without "
            "dropout and without random numbers?",
            trials.item_ids,
        )


def check_batches(asked: Asked, trials: Trials) -> bool:
    """DataError where the same history scores differently at another place of a batch.

    False where the network takes one history at a time, so that there is no other place.
    """
    rows = [row for _, row in trials.rows(3)]
    if len(rows) < 2 or not _takes_batches(asked):
        return False
    alone = [asked.scores([row])[0] for row in rows]
    for order in (range(len(rows)), range(len(rows) - 1, -1, -1)):
        together = asked.scores([rows[at] for at in order])
        for place, at in enumerate(order):
            _check_same(
                alone[at],
                together[place],
                f"at place {place + 1} of a batch of {len(rows)} the network scores the same history "
                "differently than alone: {}. Is it in evaluation mode, without batch normalisation over the "
                "batch and without dropout?",
                trials.item_ids,
            )
    return True


def _takes_batches(asked: Asked) -> bool:
    return all(len(port.axes) > 1 and port.axes[0] is None for port in asked.ports.values()) or all(
        port.axes[:1] == (None,) for port in asked.ports.values()
    )


def _check_same(left: F64, right: F64, words: str, item_ids: Sequence[str]) -> None:
    finite = np.isfinite(left) & np.isfinite(right)
    largest = _size(left[finite])
    gap = np.abs(np.subtract(left, right, out=np.zeros_like(left), where=finite))
    gap[np.isfinite(left) != np.isfinite(right)] = np.inf
    worst = int(gap.argmax())
    if gap[worst] > TOLERANCE * max(largest, 1e-30):
        found = f"item {item_ids[worst]!r} {left[worst]:.6g} and {right[worst]:.6g}"
        raise DataError(words.format(found))


def _size(scores: F64) -> float:
    """The largest of the better half of finite scores; a mask of -1e9 is among the others."""
    best = np.sort(scores)[scores.size // 2 :]
    return float(np.abs(best).max(initial=0.0))


class LookUpTable(NamedTuple):
    """The constant in which a network looks its history's tokens or its users up."""

    name: str
    rows: int
    dim: int


def lookup_table(onnx_bytes: bytes, wiring: Wiring) -> LookUpTable | None:
    """The first such table; None where none is found."""
    model = onnx.load_model_from_string(onnx_bytes)
    constants = {tensor.name: tensor for tensor in model.graph.initializer}
    indices = {wiring.inputs[role] for role in ("history", "user") if role in wiring.inputs}
    for node in model.graph.node:
        if node.op_type in _PASSES and indices & set(node.input):
            indices.update(node.output)
        if node.op_type == "Gather" and len(node.input) > 1 and node.input[1] in indices:
            tensor = constants.get(node.input[0])
            if tensor is not None and len(tensor.dims) == 2:
                return LookUpTable(str(tensor.name), *tensor.dims)
    return None


def check_padding(onnx_bytes: bytes, asked: Asked, trials: Trials) -> Literal["unread", "none", "unknown"]:
    """DataError where the scores of a short history depend on the row of the padding.

    The row of the token that fills up is changed in the table where tokens are looked up, and nothing may
    come of it. "none" where nothing is padded, "unknown" where no such table is found.
    """
    wiring = asked.wiring
    if "history" not in wiring.inputs or wiring.pad == "none":
        return "none"
    table = lookup_table(onnx_bytes, wiring)
    if table is None or not 0 <= wiring.pad_value < table.rows:
        return "unknown"
    changed = _with_other_row(onnx_bytes, table.name, wiring.pad_value)
    same, other = (
        dataclasses.replace(asked, ports=opened.ports, run=opened.run)
        for opened in (open_onnx(data, wiring.output) for data in (onnx_bytes, changed))
    )
    items = np.flatnonzero(
        (asked.places.item_index >= 0)
        & (asked.places.item_index != wiring.pad_value)
        & (asked.places.item_column >= 0)
    )
    stays = asked.places.item_column == wiring.pad_value  # its own score may follow
    for length in sorted({1, 2, max(wiring.history_length // 2, 1)}):
        history = items[np.linspace(0, items.size - 1, min(length, items.size)).astype(np.int64)]
        row = (0, history)
        before, after = same.scores([row])[0], other.scores([row])[0]
        after[stays] = before[stays]
        _check_same(
            before,
            after,
            f"the padding is read as if it were an item: with another row {wiring.pad_value} of "
            f"{table.name!r} it scores a history of {length} of {wiring.history_length} items "
            "differently: {}. Is --pad-value right, is its mask fed (--input mask=NAME, length=NAME)? If "
            "the network was trained so: --padding-counts.",
            trials.item_ids,
        )
    return "unread"


def _with_other_row(onnx_bytes: bytes, table: str, row: int) -> bytes:
    model = onnx.load_model_from_string(onnx_bytes)
    for tensor in model.graph.initializer:
        if tensor.name == table:
            array = numpy_helper.to_array(tensor).copy()
            if np.issubdtype(array.dtype, np.integer):
                array[row] = np.iinfo(array.dtype).max - array[row]
            else:  # floats, bfloat16 among them, which numpy counts as none
                wide = array.astype(np.float64)
                spread = float(np.abs(wide).mean()) or 1.0
                array[row] = wide[row] + 3 * spread * np.where(np.arange(array.shape[1]) % 2, 1, -1)
            tensor.CopyFrom(numpy_helper.from_array(array, table))
    return bytes(model.SerializeToString())


@dataclass(frozen=True, slots=True)
class Agreement:
    """A torch module and the file that was traced from it, asked the same."""

    users: int
    same_lists: int
    """Users whose first ten are the same, scores that tie aside."""
    largest_difference: float
    """As a share of the largest score."""


def agreement(module: Asked, traced: OpenNetwork, trials: Trials) -> Agreement:
    """How far a traced file is from its module; DataError where they answer differently."""
    file = dataclasses.replace(module, ports=traced.ports, run=traced.run)
    largest, same = 0.0, 0
    chosen = trials.rows(_TRACED)
    for at, row in chosen:
        left, right = module.scores([row])[0], file.scores([row])[0]
        finite = np.isfinite(left)
        gap = float(np.abs(left[finite] - right[finite]).max() / max(_size(left[finite]), 1e-30))
        largest = max(largest, gap)
        if not gap <= TOLERANCE:
            raise DataError(
                f"the traced network differs from its module for {trials.who(at)} by {gap:.2g} of the "
                "largest score: it computes something that depends on Python values of the input or on "
                "chance, or in half precision. Write it with tensor operations alone, in float32."
            )
        first = [np.argsort(-scores, kind="stable")[:_FIRST].tolist() for scores in (left, right)]
        same += first[0] == first[1]
    return Agreement(len(chosen), same, largest)
