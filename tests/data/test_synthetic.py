import numpy as np
import pytest

from recpress_edge.core.errors import ConfigError
from recpress_edge.data.synthetic import synthetic


def recall_at_50(scores, data):
    scores = scores.copy()
    scores[data.train.users(), data.train.indices] = -np.inf
    users, items = data.test.users(), data.test.indices
    better = (scores[users] > scores[users, items][:, None]).sum(axis=1)
    return float((better < 50).mean())


def test_the_default_set_is_what_it_says():
    data = synthetic()
    assert (data.n_users, data.n_items) == (2000, 2500)
    assert 40_000 < len(data.train) + len(data.valid) + len(data.test) < 50_000
    assert set(data.valid.counts()) == set(data.test.counts()) == {1}
    assert (data.user_ids[7], data.item_ids[42]) == ("user-0007", "item-00042")
    overlap = set(zip(data.train.users(), data.train.indices, strict=True))
    assert not overlap & set(zip(data.test.users(), data.test.indices, strict=True))


def test_same_seed_same_data():
    assert synthetic(3).digest() == synthetic(3).digest()
    assert synthetic(3).digest() != synthetic(4).digest()
    # Pinned: another machine or numpy must build the same set. A deliberate change may change it.
    assert synthetic().digest() == "a031d30fbbf1fef5736aff2aa6ea8acc14a475cde82897f4e1eaa67fe8735668"


def test_ten_dimensions_are_too_few_and_popularity_is_no_answer():
    data = synthetic()
    matrix = np.zeros((data.n_users, data.n_items), np.float32)
    matrix[data.train.users(), data.train.indices] = 1
    popularity = matrix.sum(axis=0)
    weighted = matrix / np.sqrt(np.maximum(popularity, 1))
    values, vectors = np.linalg.eigh(weighted @ weighted.T)
    by_rank = {}
    for rank in (10, 100):
        basis = vectors[:, np.argsort(-values)[:rank]]
        by_rank[rank] = recall_at_50(basis @ (basis.T @ weighted) * np.sqrt(popularity), data)
    assert by_rank[100] > 0.6
    assert by_rank[10] < 0.6 * by_rank[100]
    assert recall_at_50(np.broadcast_to(popularity, matrix.shape), data) < 0.5 * by_rank[10]


def test_too_small_is_an_error():
    with pytest.raises(ConfigError, match="needs 2 users and 75 items"):
        synthetic(n_items=50)
