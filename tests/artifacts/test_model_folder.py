"""A model's folder gives back what was put into it."""

import numpy as np
import pytest
from safetensors.numpy import load

from recpress_edge.artifacts.model_folder import MODEL_FILE, write_model


@pytest.mark.parametrize("lies", [np.asfortranarray, lambda table: np.repeat(table, 2, axis=1)[:, ::2]])
def test_tables_come_back_however_they_lie_in_memory(tmp_path, lies):
    table = np.arange(12, dtype=np.float32).reshape(4, 3)
    write_model(tmp_path, {"name": "toy"}, {"user_emb": lies(table), "item_emb": lies(table)[:2]})
    arrays = load((tmp_path / MODEL_FILE).read_bytes())
    assert np.array_equal(arrays["user_emb"], table)
    assert np.array_equal(arrays["item_emb"], table[:2])
