"""The cost of a training run in words."""

import pytest

from recpress_edge.core.units import describe_cost


@pytest.mark.parametrize(
    ("seconds", "epochs", "memory", "said"),
    [
        (30.0, 20, 2**21, "1.50 s an epoch, memory +2.0 MiB"),
        (30.0, 1, 2**21, "memory +2.0 MiB"),
        (30.0, 20, None, "1.50 s an epoch"),
    ],
)
def test_only_what_is_known_is_said(seconds, epochs, memory, said):
    assert describe_cost(seconds, epochs, memory) == said
