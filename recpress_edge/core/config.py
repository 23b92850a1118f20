"""Strict configuration: TOML into frozen dataclasses; an unknown key is an error."""

import dataclasses
import itertools
import tomllib
import typing
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any, ClassVar, NamedTuple, TypeVar

from recpress_edge.core.errors import ConfigError, unknown_name

C = TypeVar("C")


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
