"""What the fields of a settings class are for, and settings as TOML that ``--config`` takes back."""

import ast
import dataclasses
import inspect
import itertools
import json
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

_WIDTH: Final = 78


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
