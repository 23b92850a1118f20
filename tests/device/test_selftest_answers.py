"""The self-test judges the answers themselves, not only that they are the stated ones."""

from types import SimpleNamespace

import numpy as np
import pytest

from recpress_edge.artifacts.bundle import SelfTest
from recpress_edge.core.errors import ArtifactError
from recpress_edge.device.verify import check_answers


def answering(items, scores, *, exact):
    """A runtime that gives one answer to everybody."""
    answer = np.array(items, np.int32), np.array(scores, np.float32)
    return SimpleNamespace(
        name="fake", version="1", exact=exact, recommend=lambda user, seen, k: (answer[0], answer[1])
    )


@pytest.mark.parametrize("exact", [True, False])
def test_a_seen_item_is_refused_even_where_the_bundle_states_it(exact):
    contract = SimpleNamespace(exact=exact, score_tolerance=0.1)
    runtime = answering([4, 2], [2.0, 1.0], exact=exact)
    stated = SelfTest(2, (0,), ((3, 4),), ((4, 2),), ((2.0, 1.0),))  # item 4 is seen
    with pytest.raises(ArtifactError, match="recommends a seen item: 4"):
        check_answers(runtime, stated, contract)
    unseen = SelfTest(2, (0,), ((3, 5),), ((4, 2),), ((2.0, 1.0),))
    assert check_answers(runtime, unseen, contract) is None
