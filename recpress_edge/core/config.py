"""Strict configuration: TOML into frozen dataclasses and back, with what each field is for."""

import ast
import dataclasses
import inspect
import itertools
import json
import math
import textwrap
import tomllib
import typing
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, ClassVar, Final, NamedTuple, TypeVar

from recpress_edge.core.errors import ConfigError, unknown_name

C = TypeVar("C")
_WIDTH: Final = 78
"""Of a comment in TOML."""


class Bound(NamedTuple):
    """What a number must be: the end of "learning_rate must be …", and whether a value is."""

    says: str
    holds: Callable[[float], bool]


# Written so that a NaN is within no bound.
_POSITIVE = Bound("above 0", lambda value: value > 0)
_NOT_NEGATIVE = Bound("at least 0", lambda value: value >= 0)
_BELOW_ONE = Bound("at least 0 and below 1", lambda value: 0 <= value < 1)
_SHARE = Bound("between 0 and 1", lambda value: 0 <= value <= 1)

PositiveFloat = Annotated[float, _POSITIVE]
PositiveInt = Annotated[int, _POSITIVE]
NotNegativeFloat = Annotated[float, _NOT_NEGATIVE]
NotNegativeInt = Annotated[int, _NOT_NEGATIVE]
BelowOneFloat = Annotated[float, _BELOW_ONE]
ShareFloat = Annotated[float, _SHARE]


def at_least(least: float) -> Bound:
    """The bound of numbers from ``least`` on."""
    return Bound(f"at least {least}", lambda value: value >= least)


class Bounded:
    """Base of settings: a dataclass whose annotations carry bounds refuses a value outside of them."""

    __slots__ = ()
    section: ClassVar[str] = "method"
    """Table of the configuration file that the fields stand in, for the error."""

    def __post_init__(self) -> None:
        for name, hint in typing.get_type_hints(type(self), include_extras=True).items():
            value = getattr(self, name)
            if isinstance(value, float) and math.isinf(value):
                raise ConfigError(f"{self.section}.{name} must be finite, got {value}")
            bounds = [getattr(part, "__metadata__", ()) for part in (hint, *typing.get_args(hint))]
            for bound in itertools.chain.from_iterable(bounds):
                if value is not None and not bound.holds(value):
                    raise ConfigError(f"{self.section}.{name} must be {bound.says}, got {value}")


def load_config(cls: type[C], values: Mapping[str, Any], where: str) -> C:
    """Build the dataclass ``cls`` from ``values``; unknown keys and wrong types name ``where``."""
    hints = typing.get_type_hints(cls)
    known = [f.name for f in dataclasses.fields(cls)]  # type: ignore[arg-type]
    checked: dict[str, Any] = {}
    for key, value in values.items():
        if key not in known:
            raise unknown_name(f"key in {where}", key, known)
        checked[key] = _typed(value, hints[key], f"{where}.{key}")
    return cls(**checked)


def _typed(value: Any, hint: Any, where: str) -> Any:
    allowed = typing.get_args(hint)
    if typing.get_origin(hint) is typing.Literal:
        if value not in allowed:
            raise ConfigError(f"{where} must be one of {', '.join(map(repr, allowed))}, got {value!r}")
        return value
    if typing.get_origin(hint) is tuple:  # tuple[X, ...] or tuple[X, Y]
        if not isinstance(value, list | tuple):
            raise ConfigError(f"{where} must be a list, got {value!r}")
        kinds = allowed[:1] * len(value) if allowed[-1] is ... else allowed
        if len(kinds) != len(value):
            raise ConfigError(f"{where} must be a list of {len(kinds)}, got {value!r}")
        return tuple(_typed(one, kind, where) for one, kind in zip(value, kinds, strict=True))
    if type(None) in allowed:  # X | None: TOML has no null, so what is written must be an X
        (hint,) = (kind for kind in allowed if kind is not type(None))
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if isinstance(hint, type) and (not isinstance(value, hint) or (hint is int and isinstance(value, bool))):
        raise ConfigError(f"{where} must be {hint.__name__}, got {value!r}")
    return value


def read_toml(path: Path) -> dict[str, Any]:
    """Parse a TOML file; a missing or malformed file is a one-line error."""
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ConfigError(f"no configuration file at {path}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} is not valid TOML: {error}") from None


@dataclass(frozen=True, slots=True)
class DescribedSetting:
    """A field of a settings object."""

    name: str
    value: Any
    text: str
    """What stands below it in the source; empty where nothing does."""


def described(config: Any) -> list[DescribedSetting]:
    """The fields of a settings object, in their order."""
    texts: dict[str, str] = {}
    for kind in reversed(type(config).__mro__):
        texts |= _texts(kind)
    return [
        DescribedSetting(field.name, getattr(config, field.name), texts.get(field.name, ""))
        for field in dataclasses.fields(config)
    ]


def _texts(kind: type[Any]) -> dict[str, str]:
    """The docstrings below a class's own fields: Python keeps none, so its source is read."""
    if not vars(kind).get("__annotations__"):
        return {}
    try:
        (node,) = ast.parse(textwrap.dedent(inspect.getsource(kind))).body
    except (OSError, TypeError):  # without a source
        return {}
    body = node.body if isinstance(node, ast.ClassDef) else []
    return {
        field.target.id: inspect.cleandoc(below.value.value)
        for field, below in itertools.pairwise(body)
        if isinstance(field, ast.AnnAssign)
        and isinstance(field.target, ast.Name)
        and isinstance(below, ast.Expr)
        and isinstance(below.value, ast.Constant)
        and isinstance(below.value.value, str)
    }


def toml_value(value: Any) -> str:
    """A number, text, boolean or list of such as TOML writes it."""
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(toml_value, value))}]"
    if isinstance(value, bool):
        return str(value).lower()
    return json.dumps(value, ensure_ascii=False) if isinstance(value, str) else repr(value)


def toml_table(name: str, settings: Sequence[DescribedSetting]) -> str:
    """A table of TOML, each setting below its text; None, which TOML cannot write, is a comment."""
    lines = [f"[{name}]"]
    for setting in settings:
        lines += [f"# {line}" for line in textwrap.wrap(" ".join(setting.text.split()), _WIDTH)]
        unset = setting.value is None
        lines += [
            f"# {setting.name} is not set" if unset else f"{setting.name} = {toml_value(setting.value)}",
            "",
        ]
    return "\n".join(lines).rstrip() + "\n"
