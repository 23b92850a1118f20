"""Strict configuration: TOML into frozen dataclasses; an unknown key is an error."""

import dataclasses
import tomllib
import typing
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

from recpress_edge.core.errors import ConfigError, unknown_name

C = TypeVar("C")


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
