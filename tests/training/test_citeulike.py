"""Training and evaluation on real data: a short run must reach the figure of a short run."""

import pytest

from recpress_edge.data.resolve import load_dataset
from recpress_edge.training.ensure import ensure_model
from recpress_edge.training.plan import ModelRequest, TrainOptions


@pytest.mark.slow
def test_bpr_on_citeulike(real_data, tmp_path, monkeypatch):
    monkeypatch.setenv("RECPRESS_DATA_DIR", str(real_data))
    data = load_dataset("citeulike", tmp_path)
    assert (data.n_users, data.n_items, len(data.train)) == (5219, 25181, 115142)
    options = TrainOptions(training={"epochs": 20, "evaluate_every": 20})
    model = ensure_model(
        ModelRequest(name="bpr_dim10", role="student", seed=0, options=options),
        data,
        tmp_path,
        lambda event: None,
    )
    # .122 to .124 here for seed 0; 50 items drawn blindly find .002
    assert 0.11 < model.metadata["metrics"]["test"]["recall@50"] < 0.135
    assert 0.11 < model.metadata["metrics"]["valid"]["recall@50"] < 0.135
    assert "the other held-out item masked" in model.metadata["definitions"]["valid"]
