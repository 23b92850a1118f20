"""What every runtime must keep: the numpy reference's answers, its order of ties, its refusals."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import pytest

from recpress_edge.artifacts.recipes import RECIPES
from recpress_edge.core.arrays import F32
from recpress_edge.core.errors import ConfigError
from recpress_edge.core.rng import stream
from recpress_edge.device.runtime import Runtime
from recpress_edge.testing.tables import board_tables, random_tables, reference_of

N = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class RuntimeCase:
    """A runtime to test."""

    open: Callable[[F32, F32], Runtime]
    """user_emb (U, D), item_emb (I, D) -> the runtime with a model of them loaded."""
    recipe: str = "fp32"
    """What its model stores; answers of an exact recipe must equal the reference's to the bit."""
    reference: Callable[[F32, F32], Any] | None = None
    """numpy's answers for the same tables, where the model is not quantised by the exporter."""

    def numpy(self, user_emb: F32, item_emb: F32) -> Any:
        """The reference of these tables."""
        return (self.reference or partial(reference_of, self.recipe))(user_emb, item_emb)


class RuntimeContract:
    """Subclass it and define the fixture ``case``."""

    @pytest.fixture
    def case(self) -> RuntimeCase:
        raise NotImplementedError("define a fixture `case` that returns a RuntimeCase")

    def test_checkerboard_top_one_is_the_diagonal(self, case: RuntimeCase) -> None:
        runtime = case.open(*board_tables(N))
        for user in range(N):
            assert runtime.recommend(user, [], 1)[0].tolist() == [user]

    def test_ties_go_to_the_lower_index_after_masking(self, case: RuntimeCase) -> None:
        runtime = case.open(*board_tables(N))
        assert runtime.recommend(4, [4, 0], 4)[0].tolist() == [2, 6, 8, 10]
        odd = list(range(1, N, 2))
        assert runtime.recommend(5, odd, 3)[0].tolist() == [0, 2, 4]  # only ties at zero are left

    def test_types_and_order(self, case: RuntimeCase) -> None:
        items, scores = case.open(*random_tables(7, 90, 5)).recommend(3, [1, 2], 20)
        assert items.dtype == np.int64
        assert scores.dtype == np.float32
        assert items.shape == scores.shape == (20,)
        assert (np.diff(scores) <= 0).all()
        assert not np.isin([1, 2], items).any()

    def test_k_is_capped_and_everything_seen_gives_nothing(self, case: RuntimeCase) -> None:
        runtime = case.open(*random_tables(3, 10, 4))
        assert sorted(runtime.recommend(0, [3, 3], 99)[0].tolist()) == [0, 1, 2, 4, 5, 6, 7, 8, 9]
        items, scores = runtime.recommend(0, range(10), 5)
        assert items.shape == scores.shape == (0,)

    @pytest.mark.parametrize(("user", "seen"), [(-1, []), (3, []), (0, [-1]), (0, [10])])
    def test_ids_out_of_range_are_refused(self, case: RuntimeCase, user: int, seen: list[int]) -> None:
        runtime = case.open(*random_tables(3, 10, 4))
        with pytest.raises(ConfigError):
            runtime.recommend(user, seen, 2)

    @pytest.mark.parametrize("dim", [10, 7])
    def test_answers_equal_the_reference(self, case: RuntimeCase, dim: int) -> None:
        tables = random_tables(60, 500, dim, seed=3)
        plain, runtime = case.numpy(*tables), case.open(*tables)
        rng = stream(0, "queries")
        for user in range(60):
            seen = rng.permutation(500)[: rng.integers(0, 30)].tolist()
            (wanted, best), (items, scores) = (asked.recommend(user, seen, 50) for asked in (plain, runtime))
            if RECIPES[case.recipe].exact:
                assert items.tolist() == wanted.tolist()
                assert scores.tobytes() == best.tobytes()
            else:  # sums are added in another order
                np.testing.assert_allclose(scores, best, rtol=1e-5, atol=1e-6)
