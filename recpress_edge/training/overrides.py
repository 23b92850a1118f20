"""Settings that differ from the usual ones: a configuration file, and ``key=value`` texts that beat it."""

import dataclasses
import re
import shlex
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from recpress_edge.artifacts.cell import read_cell
from recpress_edge.core.config import read_toml, toml_value
from recpress_edge.core.errors import ConfigError, unknown_name
from recpress_edge.distill.students import ModelName
from recpress_edge.models.ecae.settings import AEConfig, ECAEConfig
from recpress_edge.models.sequences.settings import (
    AdaRecConfig,
    LRHConfig,
    SASRecConfig,
    TransformerConfig,
    check_heads,
    check_length,
    check_positions,
)
from recpress_edge.training.settings import TrainingConfig

Tables = dict[str, dict[str, Any]]
"""Settings by table, ``method`` and ``training``, and name."""
TABLES: Final = ("method", "training")
_OF_TEACHER: Final[Mapping[type[Any], tuple[str, ...]]] = {
    SASRecConfig: ("teacher_weight", "hint_weight"),
    LRHConfig: ("teacher_weight", "hint_weight"),
    AdaRecConfig: ("teacher_weight", "layer_weight", "adaptive"),
    AEConfig: ("soft_share", "temperature"),
}
"""Settings that say how a teacher is listened to."""
_OF_SEARCH: Final = ("cost", "cost_weight", "search_epochs", "search_rate", "search_share", "decided")
_OF_RETRAINING: Final = ("soft_share", "temperature", "through")
_OF_DECAYS: Final = ("least_decay", "most_decay")
_WORD: Final = re.compile(r"[A-Za-z_][\w@.:+-]*")


def chosen_settings(model: ModelName, config: Path | None, texts: Sequence[str]) -> Tables:
    """The tables of a configuration file with those of :func:`overrides` laid over them."""
    found: dict[str, Any] = read_toml(config) if config else {}
    for key, value in found.items():
        if key not in TABLES or not isinstance(value, Mapping):
            raise unknown_name(f"table in {config}", key, [f"[{name}]" for name in TABLES])
    given = overrides(model, texts)
    return {name: {**found.get(name, {}), **given[name]} for name in TABLES}


def cell_settings(model: ModelName, path: Path, given: Mapping[str, Any]) -> dict[str, Any]:
    """The settings that a cell's file stands for; ConfigError beside others that say the same."""
    if model.entry.network != "adarec":
        raise ConfigError(f"--cell {path} is of an adarec, and {model} has no cells. Leave it out.")
    if said := sorted({"cell", "cells", "nodes"} & given.keys()):
        raise ConfigError(f"--cell {path} and method.{said[0]} say the same. Leave one out.")
    cell = read_cell(path)
    return {"cell": str(cell), "cells": cell.cells, "nodes": cell.nodes}


def check_settings(model: ModelName, config: Any, teacher: Any) -> None:
    """ConfigError for a setting that changes nothing beside the others, and for those that do not fit.

    ``teacher``: the settings of its method, as that has them or as a record does; None without a teacher.
    """
    usual = {field.name: field.default for field in dataclasses.fields(config)}
    for name, why in _unused(config, taught=teacher is not None):
        if getattr(config, name) != usual[name]:
            raise ConfigError(f"method.{name} of {model} changes nothing {why}. Leave it out.")
    _check_fits(model, config, teacher)


def _check_fits(model: ModelName, config: Any, teacher: Any) -> None:
    """ConfigError for settings that a method would refuse, but only once its teacher is trained."""
    if isinstance(config, TransformerConfig):
        check_heads(config, model.dim)
    length = None
    if teacher is not None and model.entry.needs == "sequences":
        known = teacher if isinstance(teacher, Mapping) else dataclasses.asdict(teacher)
        length = known.get("history_length")
    if isinstance(config, SASRecConfig) and length:
        check_length(config, length)
    if isinstance(config, AdaRecConfig):
        check_positions(config, length)


def _unused(config: Any, *, taught: bool) -> Iterator[tuple[str, str]]:
    """Settings without a say beside the others, and what takes it."""
    if not taught:
        for name in _OF_TEACHER.get(type(config), ()):
            yield name, "without a teacher (--teacher NAME)"
    if isinstance(config, AdaRecConfig):
        if config.cell:
            for name in _OF_SEARCH:
                yield name, "where the cell is given, since nothing is searched"
        if not (config.layer_weight and config.teacher_weight):
            yield "adaptive", "where no layers are compared"
    if isinstance(config, LRHConfig) and config.decays == "none":
        for name in _OF_DECAYS:
            yield name, "with method.decays none"
    if isinstance(config, ECAEConfig) and config.retraining_weight == 0:
        for name in _OF_RETRAINING:
            yield name, "with method.retraining_weight 0, where the generator is alone"


def no_overrides() -> Tables:
    """The usual settings."""
    return {name: {} for name in TABLES}


def set_flags(tables: Tables) -> list[str]:
    """Settings as the words of a command, in one spelling."""
    texts = [
        f"{table}.{name}={toml_value(value)}"
        for table in TABLES
        for name, value in sorted(tables[table].items())
    ]
    return [word for text in texts for word in ("--set", shlex.quote(text))]


def overrides(model: ModelName, texts: Sequence[str]) -> Tables:
    """``--set`` texts by table: ``method.learning_rate=0.01``, or the name alone where one table has it."""
    fields = {
        "method": [field.name for field in dataclasses.fields(model.entry.config)],
        "training": [field.name for field in dataclasses.fields(TrainingConfig)],
    }
    if model.entry.closed_form:
        fields["training"] = []
    found = no_overrides()
    for text in texts:
        key, equals, value = (part.strip() for part in text.partition("="))
        if not equals or not key or not value:
            raise ConfigError(f"--set {text!r} must be KEY=VALUE, such as method.learning_rate=0.01")
        table, name = _place(key, fields, model)
        if name in found[table]:
            raise ConfigError(f"--set {table}.{name} is given twice. Leave one out.")
        found[table][name] = _value(text, value)
    return found


def _place(key: str, fields: Mapping[str, Sequence[str]], model: ModelName) -> tuple[str, str]:
    """Table and name of a setting."""
    first, dot, rest = key.partition(".")
    places = [(first, rest)] if dot else [(table, key) for table in TABLES if key in fields[table]]
    if len(places) > 1:
        raise ConfigError(f"--set {key}: both tables have it. Write method.{key} or training.{key}.")
    if places and places[0][1] in fields.get(places[0][0], ()):
        return places[0]
    known = [name if not dot else f"{table}.{name}" for table in TABLES for name in fields[table]]
    raise unknown_name(f"setting of {model}, --set", key, known)


def _value(text: str, value: str) -> Any:
    """What TOML reads; a word needs no quotes, which a shell takes away."""
    try:
        found = tomllib.loads(f"value = {value}")
    except tomllib.TOMLDecodeError as error:
        if _WORD.fullmatch(value):
            return value
        raise ConfigError(f"--set {text!r}: {value!r} is no TOML value: {error}") from None
    if found.keys() != {"value"}:
        raise ConfigError(f"--set {text!r} must be one setting")
    return found["value"]
