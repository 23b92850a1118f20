"""Of more held-out users than files are compared on: all of a chain is of the same sample."""

import pytest
import torch
from small_data import two_tastes

from recpress_edge.data.holdout import judged_users
from recpress_edge.data.prepare import Prepared
from recpress_edge.data.store import save_dataset
from recpress_edge.jobs.export import ExportRequest
from recpress_edge.training.evaluate import evaluate
from recpress_edge.training.store import load_model

FEW = 20


def test_every_stage_is_of_the_users_whom_files_are_asked_about(tmp_path, monkeypatch):
    for module in ("jobs.subject", "training.evaluate"):
        monkeypatch.setattr(f"recpress_edge.{module}.MOST_COMPARED", FEW)
    data = two_tastes()
    save_dataset(Prepared(data, {}), tmp_path)
    made = ExportRequest(
        student="svd_dim4", teacher="als_dim8", data=data.name, int8=True, work=tmp_path
    ).run()
    quality = made.exported.bundle.quality
    teacher, student, *_ = quality["chain"]
    assert "20 users drawn with seed 0" in quality["definition"]["test"]
    (folder,) = (tmp_path / "models").glob("svd_dim4-*")
    model = load_model(folder)
    for split in ("valid", "test"):
        found = evaluate(torch.from_numpy(model.user_emb), torch.from_numpy(model.item_emb), data, split)
        asked = judged_users(data, split, FEW)
        assert asked.size == FEW < found.users.size
        assert student[split] == found.means(asked)
        assert student[split] != model.metadata["metrics"][split] == found.means()
        assert teacher[split] == model.metadata["teacher"]["metrics_compared"][split]
    metric = f"recall@{quality['cutoff']}"
    assert student["valid"][metric] == pytest.approx(quality["parity"]["change"][metric]["before"])
