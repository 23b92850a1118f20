"""What every writer of a format must keep, in every recipe that its row of the table of formats names."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from recpress_edge.artifacts.contract import Contract
from recpress_edge.artifacts.formats import FORMATS, model_file, writer_of
from recpress_edge.artifacts.quantize import quantize, stored_floats
from recpress_edge.artifacts.recipes import RECIPES
from recpress_edge.core.arrays import F32
from recpress_edge.core.topk import topk_unseen
from recpress_edge.device.runtime import open_runtime
from recpress_edge.testing.tables import parity_tables, random_tables
from recpress_export.graph import Graph, describe, describe_int8

Ask = Callable[[int, Sequence[int], int], tuple[NDArray[np.int64], F32]]
"""user, seen, k -> items (k,), scores (k,)."""


def contract_of(recipe: str, user_emb: F32, item_emb: F32, file_format: str = "onnx") -> Contract:
    """The contract of an all-users file of these tables."""
    return Contract(
        model_file=model_file(file_format),
        format=file_format,
        recipe=recipe,
        profile="all-users",
        n_users=len(user_emb),
        n_items=len(item_emb),
        dim=user_emb.shape[1],
        exact=RECIPES[recipe].exact,
        score_tolerance=0.0,
        seen_capacity=FORMATS[file_format].seen_capacity,
    )


def graph_of(recipe: str, user_emb: F32, item_emb: F32, file_format: str = "onnx") -> Graph:
    """The request of an all-users file of these tables."""
    contract = contract_of(recipe, user_emb, item_emb, file_format)
    tables = quantize(RECIPES[recipe], user_emb, item_emb)
    if tables is None:
        return describe(contract, *stored_floats(RECIPES[recipe], user_emb, item_emb))
    return describe_int8(contract, tables)


@dataclass(frozen=True, slots=True)
class WriterCase:
    """A format and a recipe; the format's row names its writer and its runtime."""

    file_format: str
    recipe: str
    options: Mapping[str, Any] = field(default_factory=dict)
    """Further arguments of the writer."""
    core: str = ""
    """The core that the file is arranged for; empty for the usual file."""

    def data(self, user_emb: F32, item_emb: F32) -> bytes:
        """The file of these tables."""
        graph = replace(graph_of(self.recipe, user_emb, item_emb, self.file_format), core=self.core)
        data: bytes = writer_of(self.file_format)(graph, {}, **self.options)
        return data

    def ask(self, folder: Path, user_emb: F32, item_emb: F32) -> Ask:
        """The file of these tables, written into ``folder`` and opened."""
        contract = contract_of(self.recipe, user_emb, item_emb, self.file_format)
        path = folder / contract.model_file
        path.write_bytes(self.data(user_emb, item_emb))
        return open_runtime(path, contract).recommend


class WriterContract:
    """Subclass it and define the fixture ``case``."""

    @pytest.fixture
    def case(self) -> WriterCase:
        raise NotImplementedError("define a fixture `case` that returns a WriterCase")

    def test_the_same_tables_give_the_same_bytes(self, case: WriterCase) -> None:
        tables = random_tables(4, 30, 3)
        assert case.data(*tables) == case.data(*tables)

    def test_checkerboard_gives_the_diagonal(self, case: WriterCase, tmp_path: Path) -> None:
        """User u likes the items of its own parity and has seen all of them but item u."""
        ask = case.ask(tmp_path, *parity_tables(50))
        for user in range(50):
            seen = [i for i in range(50) if i % 2 == user % 2 and i != user]
            items, scores = ask(user, seen, 1)
            assert items.tolist() == [user]
            np.testing.assert_allclose(scores, [1.0], rtol=1e-6)

    def test_equal_rows_come_in_the_order_of_their_index(self, case: WriterCase, tmp_path: Path) -> None:
        ask = case.ask(tmp_path, np.ones((2, 3), np.float32), np.ones((200, 3), np.float32))
        assert ask(0, [], 200)[0].tolist() == list(range(200))
        assert ask(1, [0, 3, 199], 5)[0].tolist() == [1, 2, 4, 5, 6]

    def test_blocks_of_ties_come_best_first_then_by_index(self, case: WriterCase, tmp_path: Path) -> None:
        """Items 0-39 score 1, 40-79 score 3, 80-119 score 2."""
        item_emb = np.repeat(np.array([[1.0], [3.0], [2.0]], np.float32), 40, axis=0)
        ask = case.ask(tmp_path, np.ones((1, 1), np.float32), item_emb)
        expected = [*range(40, 80), *range(80, 120), *range(40)]
        assert ask(0, [], 120)[0].tolist() == expected
        assert ask(0, [], 100)[0].tolist() == expected[:100]

    def test_all_items_but_one_seen(self, case: WriterCase, tmp_path: Path) -> None:
        ask = case.ask(tmp_path, *random_tables(4, 30, 3))
        for left in (0, 17, 29):
            items, scores = ask(2, [i for i in range(30) if i != left], 10)
            assert items.tolist() == [left]
            assert np.isfinite(scores).all()

    def test_k_is_a_run_time_input_and_may_exceed_the_catalogue(
        self, case: WriterCase, tmp_path: Path
    ) -> None:
        ask = case.ask(tmp_path, *random_tables(4, 30, 3))
        whole = ask(1, [5], 1000)[0].tolist()
        assert sorted(whole) == [i for i in range(30) if i != 5]
        for k in (1, 7, 29):
            assert ask(1, [5], k)[0].tolist() == whole[:k]

    def test_seen_may_be_empty_or_repeat_itself(self, case: WriterCase, tmp_path: Path) -> None:
        ask = case.ask(tmp_path, *random_tables(4, 30, 3))
        first = ask(3, [], 30)[0].tolist()
        assert ask(3, [first[0]] * 3, 29)[0].tolist() == first[1:]

    @pytest.mark.parametrize("shape", [(1, 1, 1), (1, 7, 3), (5, 1, 2), (3, 64, 1), (6, 333, 33)], ids=str)
    def test_shapes(self, case: WriterCase, tmp_path: Path, shape: tuple[int, int, int]) -> None:
        n_users, n_items, _ = shape
        ask = case.ask(tmp_path, *random_tables(*shape))
        for user in range(n_users):
            assert sorted(ask(user, [], n_items)[0].tolist()) == list(range(n_items))

    def test_rows_of_zeros_and_constant_columns(self, case: WriterCase, tmp_path: Path) -> None:
        user_emb, item_emb = random_tables(3, 20, 4)
        user_emb[0], item_emb[:, 1], item_emb[7] = 0, 5, 0
        items, scores = case.ask(tmp_path, user_emb, item_emb)(0, [2], 20)
        assert items.tolist() == [0, 1, *range(3, 20)]
        assert not scores.any()

    def test_rankings_equal_the_second_definition(self, case: WriterCase, tmp_path: Path) -> None:
        """Against core.topk.topk_unseen on integer products, scaled or not, or float64 products."""
        user_emb, item_emb = random_tables(25, 400, 7)
        seen = np.random.default_rng(1).random((25, 400)) < 0.1
        expected = topk_unseen(_scores(case.recipe, user_emb, item_emb), seen, 50)
        ask = case.ask(tmp_path, user_emb, item_emb)
        for user in range(25):
            hidden = np.flatnonzero(seen[user]).tolist()
            assert ask(user, hidden, 50)[0].tolist() == expected[user].tolist()


def _scores(recipe: str, user_emb: F32, item_emb: F32) -> NDArray[Any]:
    tables = quantize(RECIPES[recipe], user_emb, item_emb)
    if tables is None:
        users, items = stored_floats(RECIPES[recipe], user_emb, item_emb)
        return users.astype(np.float64) @ items.T.astype(np.float64)
    scores: NDArray[Any] = tables.user_q.astype(np.int64) @ tables.item_q.T.astype(np.int64)
    if tables.item_row_scale is not None:
        scores = scores.astype(np.float32) * tables.item_row_scale.astype(np.float32)
    return scores
