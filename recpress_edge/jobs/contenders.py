"""One side of a comparison: a model or bundle, in one seed or several, with the figures of each user."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from recpress_edge.artifacts.bundle import HISTORY, MANIFEST, Evaluation, open_bundle
from recpress_edge.artifacts.model_folder import MODEL_FACTS, verified_facts
from recpress_edge.core.arrays import F64, I64
from recpress_edge.core.errors import ArtifactError, ConfigError
from recpress_edge.core.metrics import ndcg_by_user, recall_by_user, stated_cutoff
from recpress_edge.core.progress import OnEvent
from recpress_edge.data.holdout import Split, holdout, relevant_items
from recpress_edge.data.interactions import Dataset
from recpress_edge.device.runtime import Runtime
from recpress_edge.device.verify import verify_bundle
from recpress_edge.distill.methods import METHODS
from recpress_edge.jobs.data import load_data
from recpress_edge.jobs.models import settings_digest
from recpress_edge.training.store import OF_A_USER, load_model

LISTED: Final = 50
"""Items that a bundle is asked for."""


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Run:
    """A model or bundle of one seed."""

    folder: Path
    name: str
    seed: int
    dataset: Mapping[str, Any]
    """Name, digest and protocol of its data set."""
    cutoff: int
    """The K that judges."""
    settings: str
    """Equal for two seeds of one model."""
    seedless: bool
    """Whether another seed would be the same model."""
    is_bundle: bool
    reads_history: bool = False
    """Whether it is asked with what a user consumed before, on test with validation items too. A user's row
    knows the train items alone."""


@dataclass(frozen=True, slots=True, eq=False)
class MeasuredUsers:
    """What the users of a held-out split get."""

    asked: Evaluation
    """Users, what is masked and what is a hit (B rows)."""
    user_ids: list[str]
    """(B,); empty where a bundle says nobody's."""
    catalogue: tuple[int, tuple[int, ...]]
    """Number of items, and those that are retired."""
    values: F64
    """(M, B): each metric of each user."""


def runs_of(text: str, data: str | None, work: Path) -> list[Run]:
    """The runs that a word names: folders with commas between, or the seeds of a model by its name."""
    parts = [Path(part) for part in text.split(",")]
    is_named = not all((part / MANIFEST).exists() or (part / MODEL_FACTS).exists() for part in parts)
    runs = _named(text, data, work) if is_named else [_run_in(part) for part in parts]
    seeds = [run.seed for run in runs]
    if len(set(seeds)) < len(seeds):
        folders = ", ".join(str(run.folder) for run in runs)
        raise ConfigError(f"{text!r} names one seed twice: {folders}")
    if len({run.settings for run in runs}) > 1:
        raise ConfigError(f"{text!r} names models of different settings, which are no seeds of one model")
    return runs


def _run_in(folder: Path) -> Run:
    if (folder / MANIFEST).exists():
        bundle = open_bundle(folder)
        known = bundle.provenance
        return Run(
            folder=folder,
            name=bundle.name,
            seed=int(known["seed"]),
            dataset=known["dataset"],
            cutoff=stated_cutoff(bundle.quality),
            settings=str([bundle.contract.recipe, known.get("student")]),
            seedless=_is_seedless(known),
            is_bundle=True,
            reads_history=bundle.contract.profile == HISTORY,
        )
    return _run_of(folder, verified_facts(folder))


def _run_of(folder: Path, facts: Mapping[str, Any]) -> Run:
    return Run(
        folder=folder,
        name=facts["name"],
        seed=facts["seed"],
        dataset=facts["dataset"],
        cutoff=stated_cutoff(facts),
        settings=settings_digest(facts),
        seedless=_is_seedless(facts),
        is_bundle=False,
        reads_history=_reads_history(facts),
    )


def _reads_history(facts: Mapping[str, Any]) -> bool:
    """Whether a model makes its scores of what a user consumed, and has no row of each user."""
    row = METHODS.get(str(facts.get("method")))
    if row is not None:
        return row.stages or row.network not in (None, "neumf")
    return bool((facts.get("architecture") or {}).get("history_length"))


def _is_seedless(facts: Mapping[str, Any]) -> bool:
    """A closed form, but for an ensemble, whose members may have seeds."""
    row = METHODS.get(str(facts.get("method")))
    return bool(row and row.closed_form and not facts.get("members"))


def _named(name: str, data: str | None, work: Path) -> list[Run]:
    """Every seed of a trained model; where the name means several models, they are named instead."""
    models = work / "models"
    found, damaged = [], []
    for where in sorted(models.glob(f"*/{MODEL_FACTS}")):
        try:
            facts = verified_facts(where.parent)
        except ArtifactError as error:
            damaged.append(f" Damaged: {error}.")
            continue
        if facts["name"] == name and data in (None, facts["dataset"].get("name")):
            found.append(_run_of(where.parent, facts))
    if not found:
        of_data = f" on data set {data!r}" if data else ""
        raise ConfigError(
            f"no model {name!r} is trained{of_data} in {models}, and no such folder is there. What is: "
            f"recpress-edge models{'' if work == Path() else f' --work {work}'}.{''.join(damaged)}"
        )
    if len({run.settings for run in found}) > 1:
        listed = "; ".join(f"{run.folder} ({run.dataset.get('name')})" for run in found)
        raise ConfigError(
            f"{name!r} is several models, by their settings, teachers or data: {listed}. Give --data, or the "
            "folders of the seeds with commas between."
        )
    return sorted(found, key=lambda run: run.seed)


class Measurer:
    """Measures runs; their data set is read once."""

    def __init__(self, split: Split, metrics: Sequence[str], work: Path, on_event: OnEvent) -> None:
        self._split = split
        self._metrics = [(name.partition("@")[0], int(name.partition("@")[2])) for name in metrics]
        self._work = work
        self._on_event = on_event
        self._data: dict[str, Dataset] = {}
        self._asked: dict[str, Evaluation] = {}

    def measure(self, run: Run) -> MeasuredUsers:
        """The metrics of each user, by the model's tables or kept ranks, or by the bundle's answers."""
        return self._bundle(run) if run.is_bundle else self._model(run)

    def _model(self, run: Run) -> MeasuredUsers:
        from recpress_edge.training.evaluate import metrics_from_ranks  # torch
        from recpress_edge.training.ranks import held_out_ranks

        data = self._dataset(run)
        ranks = held_out_ranks(load_model(run.folder, OF_A_USER), data, self._split)
        relevant = relevant_items(data, self._split)
        users, by_user = metrics_from_ranks(ranks, relevant, sorted({k for _, k in self._metrics}))
        values = np.stack([by_user[f"{kind}@{k}"] for kind, k in self._metrics])
        user_ids = [data.user_ids[user] for user in users.tolist()]
        return MeasuredUsers(self._asked[str(run.dataset.get("name"))], user_ids, (data.n_items, ()), values)

    def _dataset(self, run: Run) -> Dataset:
        name = str(run.dataset.get("name"))
        if name not in self._data:
            self._data[name] = load_data(name, self._work, self._on_event)
            self._asked[name] = holdout(self._data[name], self._split)
        if self._data[name].digest() != run.dataset.get("digest"):
            raise ConfigError(
                f"{run.folder} was trained on another split than the {name!r} here, or on validation too: "
                "its digest differs"
            )
        return self._data[name]

    def _bundle(self, run: Run) -> MeasuredUsers:
        if self._split != "test":
            raise ConfigError(f"{run.folder} is a bundle, which has test users alone. Leave --split out.")
        for kind, k in self._metrics:
            if k > LISTED:
                raise ConfigError(f"--metric {kind}@{k}: a bundle is asked for {LISTED} items at most")
        verified = verify_bundle(run.folder)
        bundle, rows = verified.bundle, verified.bundle.rows()
        topk = _answers(rows, verified.runtime)
        relevant = [rows.relevant(row).tolist() for row in range(rows.users.size)]
        by_kind = {"recall": recall_by_user, "ndcg": ndcg_by_user}
        values = np.stack([by_kind[kind](topk[:, :k], relevant) for kind, k in self._metrics])
        known = rows.users.min(initial=0) >= 0 and bundle.contract.n_users > 0
        user_ids = [verified.user_ids[user] for user in rows.users.tolist()] if known else []
        return MeasuredUsers(rows, user_ids, (bundle.contract.n_items, bundle.contract.retired), values)


def _answers(rows: Evaluation, runtime: Runtime) -> I64:
    """(B, 50), padded with -1, which is no item."""
    topk = np.full((rows.users.size, LISTED), -1, np.int64)
    for row in range(rows.users.size):
        items, _ = runtime.recommend(rows.user(row), rows.seen(row), LISTED)
        topk[row, : items.size] = items
    return topk
