import numpy as np
import pytest

from recpress_edge.core.errors import DataError
from recpress_edge.data.interactions import Dataset, Interactions


def pairs(*rows: tuple[int, int], shape: tuple[int, int] = (3, 4)) -> Interactions:
    users, items = np.array(rows, np.int64).reshape(-1, 2).T
    return Interactions.from_pairs(users, items, *shape)


def test_pairs_are_sorted_and_distinct():
    log = pairs((2, 3), (0, 1), (2, 0), (0, 1))
    assert log.indptr.tolist() == [0, 1, 1, 3]
    assert log.indices.tolist() == [1, 0, 3]
    assert log.of(2).tolist() == [0, 3]
    assert log.users().tolist() == [0, 2, 2]
    assert log.counts().tolist() == [1, 0, 2]
    assert log.item_counts().tolist() == [1, 1, 0, 1]


@pytest.mark.parametrize("row", [(3, 0), (0, 4), (-1, 0), (0, -1)])
def test_an_index_outside_is_refused(row):
    with pytest.raises(DataError, match="index outside"):
        pairs(row)


def test_union_and_its_shapes():
    assert pairs((0, 1)).union(pairs((0, 0), (0, 1))).of(0).tolist() == [0, 1]
    with pytest.raises(DataError, match="3x4 with 3x5"):
        pairs((0, 1)).union(pairs((0, 1), shape=(3, 5)))


def test_digests_tell_sets_apart():
    assert pairs((0, 1), (1, 1)).digest() == pairs((1, 1), (0, 1)).digest()
    assert pairs((0, 1)).digest() != pairs((0, 1), shape=(3, 5)).digest()
    parts = pairs((0, 0)), pairs((0, 1)), pairs((0, 2))
    first = Dataset("a", *parts, ("u", "v", "w"), ("1", "2", "3", "4"), "p", "l")
    renamed = Dataset("a", *parts, ("u", "v", "x"), ("1", "2", "3", "4"), "p", "l")
    assert first.digest() != renamed.digest()


def test_the_order_is_known_only_where_it_was_given():
    with pytest.raises(DataError, match="loo-order"):
        pairs((0, 1)).in_order()
    users, items = np.array([0, 0, 0, 2]), np.array([3, 1, 3, 0])
    log = Interactions.from_pairs(users, items, 3, 4, np.array([5, 4, 2, 0]))
    assert log.ranks.tolist() == [4, 2, 0]  # of a repeated pair the earliest stays
    assert log.in_order().tolist() == [3, 1, 0]
    assert log.union(pairs((1, 1))).ranks is None


def test_the_order_has_a_digest_of_its_own():
    def data(*ranks):
        parts = [
            Interactions.from_pairs(np.array([0, 0]), np.array([n, n + 3]), 1, 9, np.array(ranks))
            for n in range(3)
        ]
        return Dataset("a", *parts, ("u",), tuple("123456789"), "p", "l")

    assert data(0, 1).digest() == data(1, 0).digest()
    assert data(0, 1).order_digest() != data(1, 0).order_digest()
    parts = pairs((0, 0)), pairs((0, 1)), pairs((0, 2))
    assert Dataset("a", *parts, ("u", "v", "w"), ("1", "2", "3", "4"), "p", "l").order_digest() is None
