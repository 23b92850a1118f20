"""What a model file takes, returns and promises, as bundle.json states it."""

import dataclasses
import itertools
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

from recpress_edge.artifacts.formats import FORMATS
from recpress_edge.core.errors import ArtifactError

TIE_RULE: Final = "lower item index first"

ALL_USERS: Final = "all-users"
SINGLE_USER: Final = "single-user"
HISTORY: Final = "history"
PROFILES: Final = (ALL_USERS, SINGLE_USER, HISTORY)
"""Whose vectors a bundle holds: everybody's, one user's, nobody's."""
NOBODY: Final = -1
"""In place of a user index where a bundle holds no users."""

ORDER_ONLY: Final = "order-only"
"""Of scores that nobody should be shown: they order one user's items, each user's in a unit of their own."""

MAX_ENTITIES: Final = 2**31 - 1
MAX_TOLERANCE: Final = 0.02
"""Of scores that are not exact: as a share of the self-test's largest."""
MAX_TENSOR_NAME: Final = 256
_LATER_FIELDS: Final = ("retired", "seen_capacity", "history_length", "scores")
"""Of the contract: bundles were written before these were known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Contract:
    """What the model file takes, returns and promises."""

    model_file: str
    """Name of the model file inside the bundle."""
    format: str
    """File format: onnx, tflite. In tflite files the integer inputs and outputs are int32, not int64."""
    recipe: str
    """How numbers are stored: fp32, fp16, int8-dim, score16, int8-item, int4-item."""
    profile: str
    """Whose vectors are inside: all-users, single-user, or history, which makes them from the seen items."""
    n_users: int
    """1 in a single-user file, 0 in a history file."""
    n_items: int
    dim: int
    exact: bool
    """True when every runtime must return the same ids and scores (integer arithmetic)."""
    score_tolerance: float
    """Largest allowed difference from the self-test's scores; 0 when exact."""
    user_input: str = "user"
    """int64 (1,): user index, 0 <= user < n_users. The host must check: some runtimes wrap negatives.

    Empty where the file takes no such input: single-user, history.
    """
    seen_input: str = "seen"
    """int64 (n_seen,): item indices never to recommend; may be empty or repeat themselves.

    In a history file also what the user has consumed: distinct items, since each counts as often as it is
    given; oldest first where history_length is not 0. None at all asks for the answer to a user about whom
    nothing is known.
    """
    k_input: str = "k"
    """int64 (1,): list length, 1 <= k <= n_items - distinct seen items."""
    items_output: str = "items"
    """int64 (k,): item indices, best first."""
    scores_output: str = "scores"
    """float32 (k,): their scores."""
    tie_rule: str = TIE_RULE
    retired: tuple[int, ...] = ()
    """Items that keep their index but are never recommended, ascending; the model file excludes them too.

    With any of them, 1 <= k <= n_items - distinct items that are seen or retired.
    """
    seen_capacity: int = 0
    """tflite: entries that the seen input has in the file. Unused ones hold n_items, which is no item; the
    host resizes the input for a longer list. 0 in other formats: the input takes any number.
    """
    history_length: int = 0
    """A history file that reads its seen items as a sequence, oldest first, reads this many of the last.

    0: their order says nothing.
    """
    scores: str = ""
    """What scores_output says: empty where it is the model's scores; ORDER_ONLY where each user's are those
    divided by a positive number that the file does not hold, so that the items' order is all they tell.
    """


def contract_facts(contract: Contract) -> dict[str, Any]:
    """As plain JSON; later fields only where they say something, so that other bundles are as they were."""
    facts = dataclasses.asdict(contract) | {"retired": list(contract.retired)}
    return {name: value for name, value in facts.items() if value or name not in _LATER_FIELDS}


def read_contract(where: Path, values: Mapping[str, Any]) -> Contract:
    known: dict[str, Any] = {}
    for field in dataclasses.fields(Contract):
        if field.name in _LATER_FIELDS:
            continue
        if field.name not in values:
            raise ArtifactError(f"{where}: contract lacks {field.name!r}", fault="field")
        value = values[field.name]
        wanted = (int, float) if field.type is float else field.type
        if not isinstance(value, wanted) or (isinstance(value, bool) and field.type is not bool):  # type: ignore[arg-type]
            raise ArtifactError(
                f"{where}: contract field {field.name!r} has the wrong type: {value!r}", fault="field"
            )
        known[field.name] = value
    contract = Contract(
        **known,
        retired=_read_retired(where, values.get("retired", [])),
        seen_capacity=_read_capacity(where, values),
        history_length=_read_history_length(where, values),
        scores=_read_scores(where, values),
    )
    _check_names(where, contract)
    _check_profile(where, contract)
    _check_tolerance(where, contract)
    for name in ("n_items", "dim"):
        if not 0 < getattr(contract, name) <= MAX_ENTITIES:
            raise ArtifactError(
                f"{where}: contract field {name!r} out of range: {getattr(contract, name)}", fault="range"
            )
    if contract.tie_rule != TIE_RULE:
        raise ArtifactError(
            f"{where}: tie rule {contract.tie_rule!r}; this version knows {TIE_RULE!r}", fault="unsupported"
        )
    check_range(where, "item", contract.retired, contract.n_items)
    if len(contract.retired) >= contract.n_items:
        raise ArtifactError(
            f"{where}: all {contract.n_items} items are retired, nothing can be recommended", fault="range"
        )
    return contract


def _check_names(where: Path, contract: Contract) -> None:
    """Two tensors of one name would make a runtime return one of them in place of the other."""
    names = [
        contract.user_input,
        contract.seen_input,
        contract.k_input,
        contract.items_output,
        contract.scores_output,
    ]
    used = [name for name in names if name]
    if max(map(len, [*used, contract.recipe, contract.format])) > MAX_TENSOR_NAME:
        raise ArtifactError(
            f"{where}: the contract holds a name of more than {MAX_TENSOR_NAME} characters", fault="field"
        )
    if len(set(used)) != len(used):
        raise ArtifactError(f"{where}: the contract gives two tensors one name: {used}", fault="field")


def _check_tolerance(where: Path, contract: Contract) -> None:
    """Against the scores it is held by check_score_tolerance, once these are known."""
    tolerance = contract.score_tolerance
    if not (0 <= tolerance <= sys.float_info.max) or (contract.exact and tolerance):
        raise ArtifactError(
            f"{where}: contract field 'score_tolerance' is {tolerance!r}, "
            f"expected {'0, since it is exact' if contract.exact else 'a number of at least 0'}",
            fault="range",
        )


def check_score_tolerance(where: Path, contract: Contract, largest: float) -> None:
    """A tolerance that is a good part of the scores themselves would let any answer pass."""
    if contract.score_tolerance > MAX_TOLERANCE * largest:
        raise ArtifactError(
            f"{where}: the contract allows scores to be off by {contract.score_tolerance:g}, and the largest "
            f"is {largest:g}: more than {MAX_TOLERANCE:.0%} of it would test nothing",
            fault="range",
        )


def _check_profile(where: Path, contract: Contract) -> None:
    if contract.profile not in PROFILES:
        raise ArtifactError(
            f"{where}: profile {contract.profile!r}; this version knows {', '.join(PROFILES)}. "
            "Install the recpress-edge that wrote it.",
            fault="unsupported",
        )
    low, high = {ALL_USERS: (1, MAX_ENTITIES), SINGLE_USER: (1, 1), HISTORY: (0, 0)}[contract.profile]
    if not low <= contract.n_users <= high:
        raise ArtifactError(
            f"{where}: contract field 'n_users' out of range: {contract.n_users}", fault="range"
        )
    if bool(contract.user_input) != (contract.profile == ALL_USERS):
        raise ArtifactError(
            f"{where}: a {contract.profile} file with user input {contract.user_input!r}", fault="field"
        )


def _read_capacity(where: Path, values: Mapping[str, Any]) -> int:
    value = values.get("seen_capacity", 0)
    fixed = values["format"] in FORMATS and FORMATS[values["format"]].seen_capacity > 0
    if type(value) is not int or not (0 < value <= MAX_ENTITIES if fixed else value == 0):
        raise ArtifactError(
            f"{where}: contract field 'seen_capacity' is {value!r} in a file of format {values['format']}",
            fault="field",
        )
    return value


def _read_history_length(where: Path, values: Mapping[str, Any]) -> int:
    value = values.get("history_length", 0)
    if type(value) is not int or not 0 <= value <= (MAX_ENTITIES if values["profile"] == HISTORY else 0):
        raise ArtifactError(
            f"{where}: contract field 'history_length' is {value!r} in a file of profile {values['profile']}",
            fault="field",
        )
    return value


def _read_scores(where: Path, values: Mapping[str, Any]) -> str:
    value = values.get("scores", "")
    if value not in ("", ORDER_ONLY):
        raise ArtifactError(
            f"{where}: contract field 'scores' is {value!r}; this version knows {ORDER_ONLY!r}",
            fault="unsupported" if isinstance(value, str) else "field",
        )
    return str(value)


def _read_retired(where: Path, value: Any) -> tuple[int, ...]:
    if not isinstance(value, list) or not all(type(item) is int for item in value):
        raise ArtifactError(f"{where}: contract field 'retired' is not a list of item indices", fault="field")
    if any(left >= right for left, right in itertools.pairwise(value)):
        raise ArtifactError(
            f"{where}: contract field 'retired' must be ascending and without repetition", fault="range"
        )
    return tuple(value)


def check_users(where: Path, users: Any, contract: Contract) -> None:
    if contract.n_users:
        check_range(where, "user", users, contract.n_users)
    elif any(user != NOBODY for user in users):
        raise ArtifactError(
            f"{where} names users, but the bundle holds none: each must be {NOBODY}", fault="range"
        )


def check_range(where: Path, kind: Literal["user", "item"], ids: Any, count: int) -> None:
    """Of a sequence, or of numpy's array, which knows its own extremes."""
    if not len(ids):
        return
    least, most = (ids.min(), ids.max()) if hasattr(ids, "min") else (min(ids), max(ids))
    if least < 0 or most >= count:
        raise ArtifactError(f"{where}: {kind} index outside 0..{count - 1}: {least}..{most}", fault="range")


def check_size(where: Path, most: int) -> None:
    """ArtifactError for a file of more than ``most`` bytes."""
    size = where.stat().st_size
    if size > most:
        raise ArtifactError(f"{where} has {size} bytes, more than {most}", fault="size")
