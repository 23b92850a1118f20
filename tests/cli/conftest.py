"""Fixtures shared by tests of the export command: its models are drawn, not trained."""

import pytest
from exports import random_tables

from recpress_edge.cli import build_parser
from recpress_edge.core.progress import TrainingEvent
from recpress_edge.data import resolve
from recpress_edge.data.synthetic import synthetic
from recpress_edge.models.outputs import Tables
from recpress_edge.training import ensure
from recpress_edge.training.store import save_model


@pytest.fixture(scope="module")
def data():
    return synthetic(n_users=80, n_items=150)


@pytest.fixture
def trained(data, monkeypatch):
    """Models are drawn, not trained; the list tells which were asked for."""
    asked = []

    def ensure_model(request, given, work, on_event):
        name, seed = request.name, request.seed
        asked.append((name, seed, request.options.teacher))
        folder = work / "models" / f"{name}-s{seed}"
        if (folder / "model.json").exists():
            on_event(TrainingEvent(kind="cached", name=name, seed=seed, folder=folder))
        else:
            on_event(
                TrainingEvent(
                    kind="train", name="bpr_dim200", seed=0, folder=folder, teacher_of=name, epochs=1
                )
            )
            on_event(TrainingEvent(kind="epoch", name="bpr_dim200", seed=0, folder=folder, epoch=1, epochs=1))
            on_event(TrainingEvent(kind="done", name="bpr_dim200", seed=0, folder=folder, seconds=3.0))
        dim = int(name.partition("dim")[2])
        dataset = {"name": given.name, "digest": given.digest(), "protocol": given.protocol}
        teacher = {"name": "bpr_dim200", "table_width": 200, "metrics": {"valid": {}, "test": {}}}
        facts = {"name": name, "method": name.partition("_")[0], "dim": dim, "seed": seed, "metrics": {}}
        tables = random_tables(given.n_users, given.n_items, dim, seed)
        return save_model(folder, facts | {"dataset": dataset, "teacher": teacher}, Tables(*tables))

    monkeypatch.setattr(ensure, "ensure_model", ensure_model)
    monkeypatch.setattr(resolve, "load_dataset", lambda name, work, say: data)
    return asked


@pytest.fixture
def run(tmp_path):
    def command(*words: str) -> int:
        args = build_parser().parse_args(["export", "--work", str(tmp_path), "--threads", "1", *words])
        return int(args.func(args))

    return command
