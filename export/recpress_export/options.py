"""What a user may ask of a file format beside its tables; the format's row names what it honours."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from recpress_edge.artifacts.contract import Contract
from recpress_edge.artifacts.formats import FORMATS, files_of
from recpress_edge.artifacts.recipes import Recipe
from recpress_edge.artifacts.selftest import SelfTest
from recpress_edge.core.errors import ArtifactError, ConfigError, unknown_name
from recpress_edge.device.c.model_bin import CATALOGUE, ORDERS
from recpress_edge.device.cores import check_core
from recpress_export.c.build import TARGETS, check_toolchain


@dataclass(frozen=True, slots=True, kw_only=True)
class FileOptions:
    """Flags of an export that only some formats know."""

    order: str | None = None
    """--order: how items are stored; None: what the exporter counts to be cheapest."""
    model_h: bool = False
    """--model-h: the model as a C array, too."""
    build: tuple[str, ...] = ()
    """--build: machines for which programs are compiled."""

    @property
    def given(self) -> dict[str, Any]:
        """Those that are not at their default."""
        values = ((field, getattr(self, field.name)) for field in dataclasses.fields(self))
        return {field.name: value for field, value in values if value != field.default}

    @property
    def words(self) -> list[str]:
        """As flags of the command."""
        words: list[str] = []
        for name, value in self.given.items():
            words += [_flag(name), *([] if value is True else [_text(value)])]
        return words

    @property
    def facts(self) -> dict[str, Any]:
        """As plain JSON, for a bundle's provenance."""
        return {
            name: list(value) if isinstance(value, tuple) else value for name, value in self.given.items()
        }


NO_OPTIONS: Final = FileOptions()


@dataclass(frozen=True, slots=True, eq=False)
class FilePlan:
    """How a file stores its tables."""

    metadata: Mapping[str, str] = field(default_factory=dict)
    """For the writer."""
    facts: Mapping[str, Any] = field(default_factory=dict)
    """For the bundle's provenance; empty where nothing was to be chosen."""


def plainest(file_format: str) -> FileOptions:
    """Options of the file whose bytes :func:`recpress_export.size.file_bytes` foresees."""
    return FileOptions(order=ORDERS[CATALOGUE]) if "order" in FORMATS[file_format].options else NO_OPTIONS


def check_options(options: FileOptions, file_format: str, recipe: Recipe, core: str | None = None) -> None:
    """ConfigError for an option or core that the format does not know, or that the recipe does not take.

    MissingExtraError where no compiler is there for a target.
    """
    _check_known(options, file_format)
    check_core(core, file_format, recipe)
    plain = ORDERS[CATALOGUE]
    if options.order not in (None, *ORDERS):
        raise unknown_name("order", str(options.order), ORDERS)
    if options.order not in (None, plain) and (recipe.item_bits != 8 or recipe.item_extra_bytes):
        raise ConfigError(
            f"--order {options.order} needs items that share their scales, and recipe {recipe.name} gives "
            "each its own or none. Choose --recipe int8-dim or score16, or leave --order out."
        )
    if core and options.order not in (None, plain):
        raise ConfigError(f"--core {core} keeps the order {plain}. Leave --order out.")
    for target in options.build:
        if target not in TARGETS:
            raise unknown_name("target of --build", target, list(TARGETS))
    check_toolchain(options.build)


def _check_known(options: FileOptions, file_format: str) -> None:
    for name in options.given:
        if name not in FORMATS[file_format].options:
            fitting = " or ".join(row.name for row in FORMATS.values() if name in row.options)
            raise ConfigError(
                f"{_flag(name)} goes with --format {fitting}, not with {file_format}. Leave it out."
            )


def options_of(provenance: Mapping[str, Any]) -> FileOptions:
    """What a bundle was made with; ArtifactError where another version made it for other machines."""
    known = {field.name for field in dataclasses.fields(FileOptions)}
    stated = provenance.get("options", {})
    given: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value
        for name, value in stated.items()
        if name in known
    }
    options = FileOptions(**given)
    if any(target not in TARGETS for target in options.build):
        raise ArtifactError(
            f"the bundle has programs for {', '.join(options.build)}, and this version builds for "
            f"{', '.join(TARGETS)}. Export the student again."
        )
    return options


def format_files(
    folder: Path, contract: Contract, test: SelfTest, options: FileOptions
) -> Mapping[str, bytes]:
    """What a bundle of the contract's format holds beside its model, which is in the folder already."""
    make = files_of(contract.format)
    return make((folder / contract.model_file).read_bytes(), contract, test, options) if make else {}


def _flag(name: str) -> str:
    return f"--{name.replace('_', '-')}"


def _text(value: Any) -> str:
    return ",".join(value) if isinstance(value, tuple) else str(value)
