"""What a user may ask of a file format beside its tables; the format's row names what it honours."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from recpress_edge.artifacts.contract import Contract
from recpress_edge.artifacts.formats import FORMATS, files_of
from recpress_edge.artifacts.selftest import SelfTest
from recpress_edge.core.errors import ConfigError


@dataclass(frozen=True, slots=True, kw_only=True)
class FileOptions:
    """Flags of an export that only some formats know."""

    model_h: bool = False
    """--model-h: the model as a C array, too."""

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


def check_options(options: FileOptions, file_format: str) -> None:
    """ConfigError for an option that the format does not know."""
    for name in options.given:
        if name not in FORMATS[file_format].options:
            fitting = " or ".join(row.name for row in FORMATS.values() if name in row.options)
            raise ConfigError(
                f"{_flag(name)} goes with --format {fitting}, not with {file_format}. Leave it out."
            )


def options_of(provenance: Mapping[str, Any]) -> FileOptions:
    """What a bundle was made with."""
    known = {field.name for field in dataclasses.fields(FileOptions)}
    stated = provenance.get("options", {})
    given: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value
        for name, value in stated.items()
        if name in known
    }
    return FileOptions(**given)


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
