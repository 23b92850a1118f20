"""Models that need much memory say how much, and are not begun without it."""

import pytest
from small_data import two_tastes

from recpress_edge.core import memory
from recpress_edge.core.errors import DataError
from recpress_edge.models.config import IAEConfig, ItemKNNConfig, MultVAEConfig
from recpress_edge.models.iae import IAE
from recpress_edge.models.itemknn import ItemKNN
from recpress_edge.models.method import Job
from recpress_edge.models.multvae import MultVAE

SAID: list[int] = []
JOB = Job(two_tastes().train, 4, 0, 1, on_need=SAID.append)  # 60 users, 80 items

CASES = {
    # weights, gradients and two moments of 80 · (6 + 4), twice 80 · 5, 10 rows of 80 scores: 4,800 numbers
    "Mult-VAE of 80 items": (lambda: MultVAE(JOB, MultVAEConfig(hidden=6, batch_users=10)), 19_200),
    # the same of 60 · (6 + 4), twice 60 · 5, and 20 rows of 60
    "I-AE of 60 users": (lambda: IAE(JOB, IAEConfig(hidden=6, batch_items=20)), 16_800),
    # twice five of each item, an index and a weight, and four blocks of 80 · 512
    "Item-kNN compares 80 items": (
        lambda: ItemKNN(JOB, ItemKNNConfig(neighbours=5)).fit(),
        2 * 80 * 5 * 12 + 4 * 80 * 512 * 4,
    ),
}


@pytest.mark.parametrize(("what", "case"), CASES.items(), ids=CASES)
def test_what_does_not_fit_is_refused_and_what_just_fits_is_begun(what, case, monkeypatch):
    begin, needed = case
    monkeypatch.setattr(memory, "available_bytes", lambda: needed - 1)
    with pytest.raises(DataError, match=rf"{what}.* needs .* is available\. (Set|Drop)"):
        begin()
    monkeypatch.setattr(memory, "available_bytes", lambda: needed)
    SAID.clear()
    begin()
    assert [needed] == SAID
