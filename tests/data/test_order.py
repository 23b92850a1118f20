"""Orders by packed numbers: those of numpy's stable sorts, whatever the values."""

import numpy as np
import pytest

from recpress_edge.data.order import ordered_by, stable_order

RNG = np.random.default_rng(3)
COLUMNS = {
    "few": RNG.integers(0, 5, 1000),
    "far apart": RNG.integers(-(2**63), 2**63 - 1, 1000),
    "ends": np.array([2**63 - 1, -(2**63), 0, 2**63 - 1, -1]),
    "close and far": np.append(RNG.integers(0, 50, 1000), 2**62),
    "small type": RNG.integers(-128, 127, 1000).astype(np.int8),
    "floats": RNG.random(1000),
    "floats that repeat": RNG.integers(0, 9, 1000) / 7,
    "close and far floats": np.append(RNG.random(1000), 1e300),
    "wide floats": np.array([1.7e308, -1.7e308, 3.0, -1.7e308, 0.0]),
    "subnormal": np.array([5e-324, 0.0, 1e-323, 0.0]),
    "not numbers": np.array([2.0, np.nan, 1.0, np.nan, np.inf]),
    "one": np.array([7]),
    "none": np.array([], np.int64),
    "ascending": np.arange(100),
    "descending": np.arange(100)[::-1].copy(),
    "one value": np.zeros(50),
}


@pytest.mark.parametrize("name", COLUMNS)
def test_a_stable_order_is_that_of_argsort(name: str) -> None:
    values = COLUMNS[name]
    np.testing.assert_array_equal(stable_order(values), np.argsort(values, kind="stable"))


def test_several_keys_are_ordered_as_lexsort_does() -> None:
    first, second, third = RNG.integers(0, 9, 3000), RNG.integers(0, 3, 3000) / 3, RNG.permutation(3000)
    np.testing.assert_array_equal(ordered_by(first, second, third), np.lexsort((third, second, first)))
    np.testing.assert_array_equal(ordered_by(first, second), np.lexsort((second, first)))
