"""Data sets: import a log, fetch a public set, list what is here."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from recpress_edge.core.errors import ArtifactError, ConfigError
from recpress_edge.core.progress import Note, OnEvent, advance, silent
from recpress_edge.data import resolve
from recpress_edge.data.interactions import Dataset
from recpress_edge.data.public.fetch import fetch_set, how_to_have, is_local, local_folder, prepare_local
from recpress_edge.data.public.kinds import PublicFile, PublicSet
from recpress_edge.data.public.table import PUBLIC_SETS, public_set
from recpress_edge.data.resolve import SYNTHETIC
from recpress_edge.data.store import check_new, dataset_path, read_manifest, save_dataset, stored_names
from recpress_edge.jobs.data_import import ImportResult, counts

RECORD: Final = ("sources", "origin", "read", "strangers", "asked", "filters", "rows", "split", "tables")
"""Keys of a manifest that say how a data set was made."""


@dataclass(frozen=True, slots=True)
class FetchPlan:
    """Where a public set comes from and goes to."""

    chosen: PublicSet
    local: Path | None
    """The folder that RECPRESS_DATA_DIR names, where it has the files: then nothing is downloaded."""
    downloads: Path
    target: Path

    @property
    def files(self) -> tuple[PublicFile, ...]:
        """What is downloaded."""
        return () if self.local else self.chosen.sources()

    def facts(self) -> dict[str, Any]:
        """What ``--dry-run --json`` prints."""
        local = None if self.local is None else str(self.local)
        urls = [file.url for file in self.files]
        return {"dry_run": True, "target": str(self.target), "local": local, "urls": urls}


@dataclass(frozen=True, slots=True, kw_only=True)
class FetchRequest:
    """``recpress-edge data fetch``."""

    name: str
    force: bool = False
    work: Path = Path()

    def plan(self) -> FetchPlan:
        """What :meth:`run` downloads; nothing is written."""
        chosen, folder = public_set(self.name), local_folder()
        local = folder if folder is not None and is_local(self.name, folder) else None
        if local is None and not chosen.fetchable():
            raise ConfigError(
                f"no address is known that has exactly the files of {self.name}. {how_to_have(self.name)}"
            )
        target = check_new(self.work, self.name, force=self.force)
        return FetchPlan(chosen, local, self.work / "downloads" / self.name, target)

    def run(self, on_event: OnEvent = silent) -> ImportResult:
        """Copy or download what is missing, check its digests, split and store it."""
        plan = self.plan()
        prepared = None if plan.local is None else prepare_local(self.name, plan.local, plan.downloads)
        if prepared is None:
            prepared = fetch_set(self.name, plan.downloads, advance(on_event, f"fetching {self.name}"))
        return ImportResult(prepared, save_dataset(prepared, self.work, force=self.force), written=True)


def load_data(name: str, work: Path, on_event: OnEvent) -> Dataset:
    """The data set of this name; that it was imported on first use is an event."""
    return resolve.load_dataset(name, work, lambda text: on_event(Note(text)))


def list_data(work: Path) -> list[dict[str, Any]]:
    """Data sets that are here, and those that can be fetched: name, state, counts where known, about."""
    entries: list[dict[str, Any]] = [
        {"name": SYNTHETIC, "state": "built in", "about": "small, for trying things out"},
        *(_stored(work, name) for name in stored_names(work)),
    ]
    folder = local_folder()
    return entries + [
        {"name": name, **_public(name, known, folder)}
        for name, known in PUBLIC_SETS.items()
        if name not in {entry["name"] for entry in entries}
    ]


def _public(name: str, known: PublicSet, folder: Path | None) -> dict[str, Any]:
    if folder is not None and is_local(name, folder):
        return {"state": "local", "about": f"{known.about}, in {folder}; imported on first use"}
    state = "fetch" if known.fetchable() else "lay out"
    return {"state": state, "about": f"{known.about} ({known.how.licence})"}


def _stored(work: Path, name: str) -> dict[str, Any]:
    try:
        manifest = read_manifest(dataset_path(work, name))
        known = {"users": manifest["n_users"], "items": manifest["n_items"]}
        return {"name": name, "state": "ready", **known, "about": manifest["protocol"]}
    except (ArtifactError, KeyError):
        return {"name": name, "state": "damaged", "about": "import or fetch it again with --force"}


def data_facts(dataset: Dataset, work: Path) -> dict[str, Any]:
    """What ``data stats --json`` prints: counts, and how an imported or fetched set was made."""
    made: dict[str, Any] = {}
    if dataset.name in stored_names(work):
        manifest = read_manifest(dataset_path(work, dataset.name))
        made = {key: manifest[key] for key in RECORD if key in manifest}
    return {
        **counts(dataset),
        "protocol": dataset.protocol,
        "ties": dataset.ties,
        "licence": dataset.licence,
        "digest": dataset.digest(),
        **made,
        "titles": None if dataset.titles is None else sum(map(bool, dataset.titles)),
        **({} if dataset.labelled is None else {"labelled": dataset.labelled.facts()}),
        "features": {} if dataset.features is None else dataset.features.facts(),
    }
