"""From a name on the command line to a data set."""

from collections.abc import Callable
from pathlib import Path
from typing import Final

from recpress_edge.core.errors import ConfigError, unknown_name
from recpress_edge.data.interactions import Dataset
from recpress_edge.data.public.fetch import VARIABLE, how_to_have, local_folder, prepare_local
from recpress_edge.data.public.table import PUBLIC_SETS
from recpress_edge.data.store import dataset_path, open_dataset, save_dataset, stored_names
from recpress_edge.data.synthetic import synthetic

SYNTHETIC: Final = "synthetic"


def _quiet(text: str) -> None:
    """Say nothing."""


def load_dataset(name: str, work: Path, say: Callable[[str], None] = _quiet) -> Dataset:
    """The data set of this name, from the first place that has it.

    'synthetic' is built; then what was imported or fetched into ``work``; then a public set of which
    RECPRESS_DATA_DIR has a copy, which is imported on first use, saying so. A public set that is in neither
    is an error that says how to have it.
    """
    if name == SYNTHETIC:
        return synthetic()
    folder = dataset_path(work, name)
    if folder.exists():
        return open_dataset(folder)
    if name not in PUBLIC_SETS:
        unknown = unknown_name("data set", name, known_names(work))
        raise ConfigError(
            f"{unknown} A log of your own is named by recpress-edge data import LOG --name NAME."
        )
    if (found := _import_local(name, work, say)) is not None:
        return found
    raise ConfigError(
        f"data set {name!r} is not in {work / 'data'}, nor in a folder that {VARIABLE} names. "
        f"{how_to_have(name)}"
    )


def known_names(work: Path) -> list[str]:
    """Every name that could be meant."""
    return sorted({SYNTHETIC, *stored_names(work), *PUBLIC_SETS})


def _import_local(name: str, work: Path, say: Callable[[str], None]) -> Dataset | None:
    folder = local_folder()
    prepared = None if folder is None else prepare_local(name, folder, work / "downloads" / name)
    if prepared is None:
        return None
    target = save_dataset(prepared, work)
    say(f"data       imported {name} from {folder} into {target} (first use)")
    return prepared.dataset
