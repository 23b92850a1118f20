"""Types of what manifests and records state beside figures: every reader may rely on them.

A field may be absent and others may stand beside it; one of another type is an ArtifactError that names it.
"""

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from recpress_edge.core.errors import ArtifactError

MAX_TEXT: Final = 10_000
"""Characters of one text: a command line of many paths is long, a page is longer."""
MAX_NESTING: Final = 24
MAX_VALUES: Final = 1_000_000
MAX_WHOLE: Final = 2**63 - 1
"""Of a whole number: what 64 bits hold. Python would take any, and fail where it makes a float of it."""


@dataclass(frozen=True, slots=True)
class Kind:
    """A plain value."""

    name: str
    fits: Callable[[Any], bool]


@dataclass(frozen=True, slots=True)
class Maybe:
    """A value, or null."""

    kind: "Form"


@dataclass(frozen=True, slots=True)
class ListOf:
    """Any number of values."""

    kind: "Form"


@dataclass(frozen=True, slots=True)
class MapOf:
    """Values under names of their own."""

    kind: "Form"


Form = Kind | Maybe | ListOf | MapOf | Mapping[str, Any]
"""What a value must be; a mapping names the fields of an object."""

TEXT: Final = Kind("a text", lambda value: isinstance(value, str))
COUNT: Final = Kind("a whole number of at least 0", lambda value: type(value) is int and value >= 0)
NUMBER: Final = Kind("a number", lambda value: type(value) in (int, float) and math.isfinite(value))
SHARE: Final = Kind("a number from 0 to 1", lambda value: type(value) in (int, float) and 0 <= value <= 1)
TRUTH: Final = Kind("true or false", lambda value: isinstance(value, bool))
NAME: Final = Kind(
    "a text, or an object with a name",
    lambda value: isinstance(value.get("name", "") if isinstance(value, dict) else value, str),
)

METRICS: Final = MapOf(Maybe(NUMBER))
PROVENANCE: Final[Mapping[str, Form]] = {
    **dict.fromkeys(("created_by", "command", "student", "core", "model_sha256"), TEXT),
    "method": Maybe(NAME),
    **dict.fromkeys(("dim", "seed"), COUNT),
    "teacher": Maybe({"name": TEXT, "sha256": Maybe(TEXT)}),
    "dataset": {"name": TEXT, "digest": TEXT},
    "versions": MapOf(TEXT),
    "lean": {
        **dict.fromkeys(("of", "sha256"), TEXT),
        **dict.fromkeys(("bytes", "queries"), COUNT),
        "left_out": ListOf(TEXT),
    },
    "options": {"order": TEXT, "model_h": TRUTH, "build": ListOf(TEXT)},
    "order": {
        **dict.fromkeys(("order", "why"), TEXT),
        **dict.fromkeys(("users", "k"), COUNT),
        "work_bytes": MapOf(COUNT),
    },
    "updates": ListOf(
        {
            **dict.fromkeys(("previous", "items_sha256", "created_by"), TEXT),
            **dict.fromkeys(("appended", "replaced", "retired", "n_items", "clipped_rows"), COUNT),
            "worst_clip": NUMBER,
            "overruled": TRUTH,
            "recall": {"cutoff": COUNT, "split": TEXT, **dict.fromkeys(("before", "after"), NUMBER)},
        }
    ),
}
_LIMITS: Final = (
    *("min_overlap", "max_recall_loss", "max_ndcg_loss", "max_item_shift"),
    *("max_recall_share", "max_ndcg_share"),
)
_PARITY: Final[Mapping[str, Form]] = {
    **dict.fromkeys(("users", "cutoff", "identical_users"), COUNT),
    "reference": TEXT,
    "overlap": MapOf({"mean": Maybe(NUMBER), "lowest": Maybe(NUMBER)}),
    "change": MapOf(
        {**dict.fromkeys(("before", "after"), Maybe(NUMBER)), "delta": MapOf(Maybe(NUMBER))},
    ),
    "item_shift": NUMBER,
    "certain": TRUTH,
    "exact_users": Maybe(COUNT),
    "first_difference": Maybe(NUMBER),
    **dict.fromkeys(("metrics_before", "metrics_after"), METRICS),
    "by_popularity": MapOf(
        {**dict.fromkeys(("items", "users"), COUNT), **dict.fromkeys(("before", "after"), Maybe(NUMBER))}
    ),
    "gate": {
        **dict.fromkeys(("met", "overruled"), TRUTH),
        "failure": Maybe(TEXT),
        **dict.fromkeys(_LIMITS, NUMBER),
        "lost_users": COUNT,
    },
}
QUALITY: Final[Mapping[str, Form]] = {
    "cutoff": COUNT,
    "chain": ListOf(
        {
            **dict.fromkeys(("stage", "name", "knows"), TEXT),
            "bytes": Maybe(COUNT),
            "valid": Maybe(METRICS),
            "test": Maybe(METRICS),
        }
    ),
    "parity": _PARITY,
    "fold_in": _PARITY,
}
_CUTOFFS: Final = (1, 2, 3, 5, 10, 20, 50)
_MEMORY: Final = MapOf(Maybe(COUNT))
RECORD: Final[Mapping[str, Form]] = {
    "created": TEXT,
    **dict.fromkeys(("invalid_reasons", "warnings"), ListOf(TEXT)),
    "artifact": {
        **dict.fromkeys(("name", "bundle_sha256", "model_sha256", "format", "recipe", "profile"), TEXT),
        **dict.fromkeys(("file_bytes", "bundle_bytes", "dim", "n_users", "n_items"), COUNT),
        "provenance": {**PROVENANCE, "teacher": Maybe(NAME)},
        "quality": QUALITY,
    },
    "device": {**dict.fromkeys(("id", "model"), TEXT), "core": Maybe(TEXT), "cores": COUNT},
    "software": MapOf(Maybe(TEXT)),
    "protocol": {**dict.fromkeys(("k", "threads", "batch", "candidates"), COUNT), "command": TEXT},
    "memory_bytes": {"idle": _MEMORY, "model": _MEMORY},
    "quality": {
        **dict.fromkeys(("split", "definition", "ids_sha256"), Maybe(TEXT)),
        **dict.fromkeys(("users", "cutoff", "rows"), Maybe(COUNT)),
        **dict.fromkeys(("auc", "gauc", "calibration_error"), Maybe(SHARE)),
        "logloss": NUMBER,
        "first_stage": MapOf(Maybe(SHARE)),
        **dict.fromkeys((f"{name}@{k}" for name in ("recall", "ndcg") for k in _CUTOFFS), Maybe(SHARE)),
    },
    "firmware": {
        **dict.fromkeys(("flash_bytes", "code_bytes", "engine_bytes", "model_bytes", "ram_bytes"), COUNT),
        **dict.fromkeys(("data_bytes", "scratch_bytes", "lists_bytes", "stack_bytes", "asked"), COUNT),
        "compiler": TEXT,
        "flags": ListOf(TEXT),
        "scores_equal": TRUTH,
        "cross_check": Maybe({**dict.fromkeys(("clock", "plugin"), COUNT), "apart": NUMBER}),
        "tries": ListOf(
            {"level": TEXT, "code_bytes": COUNT, "engine_bytes": COUNT, "instructions": Maybe(COUNT)}
        ),
    },
    "selftest": {"queries": COUNT, "exact": TRUTH, "overlap": NUMBER},
    "sustained": {
        **dict.fromkeys(("seconds", "window_s"), NUMBER),
        **dict.fromkeys(("at_s", "queries", "p50_ns", "p95_ns"), ListOf(NUMBER)),
        **dict.fromkeys(("temp_c", "clock_khz"), ListOf(Maybe(NUMBER))),
        "throttled": ListOf(Maybe(TEXT)),
    },
}
SUSTAINED: Final = ("at_s", "queries", "p50_ns", "p95_ns", "temp_c", "clock_khz", "throttled")
"""Lists of one length."""


def check_facts(where: str, facts: Mapping[str, Any], forms: Mapping[str, Form]) -> None:
    """ArtifactError naming the first field that is not what its readers expect."""
    check_plain(where, {name: facts[name] for name in forms if name in facts})
    for name, form in forms.items():
        if name in facts:
            for path, wanted, found in _misfits(facts[name], form, name):
                raise ArtifactError(
                    f"{where}: field {path!r} is {_told(found)}, expected {wanted}", fault="field"
                )


def _misfits(value: Any, form: Form, path: str) -> Iterator[tuple[str, str, Any]]:
    match form:
        case Maybe():
            if value is not None:
                yield from _misfits(value, form.kind, path)
        case Kind():
            if not form.fits(value):
                yield path, form.name, value
        case ListOf():
            if not isinstance(value, list):
                yield path, "a list", value
                return
            for index, entry in enumerate(value):
                yield from _misfits(entry, form.kind, f"{path}[{index}]")
        case MapOf():
            if not isinstance(value, dict):
                yield path, "an object", value
                return
            for name, entry in value.items():
                yield from _misfits(entry, form.kind, f"{path}.{name}")
        case _:
            if not isinstance(value, dict):
                yield path, "an object", value
                return
            for name, kind in form.items():
                if name in value:
                    yield from _misfits(value[name], kind, f"{path}.{name}")


def _told(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:80]}…"


def check_plain(where: str, facts: Any) -> None:
    """Bounded texts, depth and count, finite numbers: whatever else a reader does with it ends."""
    waiting: list[tuple[Any, int]] = [(facts, 0)]
    count = 0
    while waiting:
        value, depth = waiting.pop()
        count += 1
        if depth > MAX_NESTING or count > MAX_VALUES:
            raise ArtifactError(
                f"{where} is nested more than {MAX_NESTING} deep or holds more than {MAX_VALUES:,} values",
                fault="field",
            )
        if isinstance(value, str) and len(value) > MAX_TEXT:
            raise ArtifactError(f"{where} holds a text of {len(value):,} characters", fault="field")
        if isinstance(value, int) and abs(value) > MAX_WHOLE:
            raise ArtifactError(f"{where} holds a number of more than 64 bits", fault="field")
        if isinstance(value, float) and not math.isfinite(value):
            raise ArtifactError(f"{where} holds {value}, which is no figure", fault="field")
        if isinstance(value, dict):
            waiting += [(entry, depth + 1) for pair in value.items() for entry in pair]
        elif isinstance(value, list):
            waiting += [(entry, depth + 1) for entry in value]
