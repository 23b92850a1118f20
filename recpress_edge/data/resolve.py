"""From a name on the command line to a data set."""

from collections.abc import Callable
from pathlib import Path
from typing import Final

from recpress_edge.core.errors import ConfigError, unknown_name
from recpress_edge.data.fetch import REGISTRY
from recpress_edge.data.interactions import Dataset
from recpress_edge.data.local import LOCAL_SETS, VARIABLE, how_to_have, local_files, local_folder
from recpress_edge.data.prepare import prepare
from recpress_edge.data.store import dataset_path, open_dataset, save_dataset, stored_names
from recpress_edge.data.synthetic import synthetic

SYNTHETIC: Final = "synthetic"


def _quiet(text: str) -> None:
    """Say nothing."""


def load_dataset(name: str, work: Path, say: Callable[[str], None] = _quiet) -> Dataset:
    """The data set of this name, from the first place that has it.

    'synthetic' is built; then what was imported or fetched into ``work``; then a named set below
    RECPRESS_DATA_DIR, which is imported on first use, saying so. A public set that is not there yet
    is an error with the command that fetches it.
    """
    if name == SYNTHETIC:
        return synthetic()
    folder = dataset_path(work, name)
    if folder.exists():
        return open_dataset(folder)
    if (found := _import_local(name, work, say)) is not None:
        return found
    if name in REGISTRY:
        raise ConfigError(f"data set {name!r} is not here yet. Run: recpress-edge data fetch {name}")
    if name in LOCAL_SETS:
        raise ConfigError(
            f"data set {name!r} is not in {work / 'data'}, nor in a folder that {VARIABLE} names. "
            f"{how_to_have(name)}"
        )
    raise unknown_name("data set", name, known_names(work))


def known_names(work: Path) -> list[str]:
    """Every name that could be meant."""
    return sorted({SYNTHETIC, *stored_names(work), *LOCAL_SETS, *REGISTRY})


def _import_local(name: str, work: Path, say: Callable[[str], None]) -> Dataset | None:
    folder = local_folder()
    if folder is None or name not in LOCAL_SETS:
        return None
    files = local_files(name, folder)
    if files is None:
        return None
    prepared = prepare(name, files, LOCAL_SETS[name].how)
    target = save_dataset(prepared, work)
    say(f"data       imported {name} from {files[0].parent} into {target} (first use)")
    return prepared.dataset
