"""Any shape, any history, any k: every recipe in every format answers as the numpy reference does."""

import tempfile
from pathlib import Path

import numpy as np
import pytest
from exports import levels, make_graph
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from recpress_edge.artifacts.formats import FORMATS, MODEL_FORMATS, writer_of
from recpress_edge.artifacts.recipes import RECIPES
from recpress_edge.core.errors import ConfigError
from recpress_edge.device.runtime import open_runtime
from recpress_edge.testing.tables import reference_of

SUBJECTS = [(file_format, recipe) for file_format in MODEL_FORMATS for recipe in FORMATS[file_format].recipes]
HUGE, TINY = 1e4, 1e-4
"""Factors of whole tables: fp16 ends at 65504."""

# The same examples every time, and no database of failures beside the tests.
once = settings(
    max_examples=15,
    derandomize=True,
    database=None,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)


@st.composite
def students(draw):
    """user_emb (U, D), item_emb (I, D) of whole numbers: ties, rows of zeros, constant columns, any size."""
    n_users, n_items, dim = (draw(st.integers(1, most)) for most in (4, 130, 9))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    values = draw(st.sampled_from([1, 2, 40]))  # few: tables made of ties
    user_emb, item_emb = (
        rng.integers(-values, values + 1, (rows, dim)).astype(np.float32) for rows in (n_users, n_items)
    )
    for table in (user_emb, item_emb):
        if draw(st.booleans()):
            table[draw(st.integers(0, len(table) - 1))] = 0
        if draw(st.booleans()):
            table[:, draw(st.integers(0, dim - 1))] = draw(st.sampled_from([0, 3]))
        table *= np.float32(draw(st.sampled_from([1, HUGE / 40, TINY])))
    return user_emb, item_emb


@st.composite
def requests(draw, n_users, n_items):
    """A user, a history (empty, whole, with repetitions) and a k that may be more than there is."""
    item = st.integers(0, n_items - 1)
    kind = draw(st.sampled_from(["empty", "some", "repeated", "whole", "all but one"]))
    seen = {
        "empty": st.just([]),
        "some": st.lists(item, max_size=12, unique=True),
        "repeated": st.lists(item, min_size=1, max_size=4).map(lambda found: found * 3),
        "whole": st.just(list(range(n_items))),
        "all but one": item.map(lambda left: [i for i in range(n_items) if i != left]),
    }[kind]
    k = st.sampled_from([1, n_items, n_items + 7])
    return draw(st.integers(0, n_users - 1)), draw(seen), draw(k | st.integers(1, n_items))


def opened(folder, file_format, recipe, tables, two_level_items):
    graph = make_graph(recipe, *tables, file_format)
    path = Path(folder) / graph.contract.model_file
    path.write_bytes(writer_of(file_format)(graph, {}, **levels(file_format, two_level_items)))
    return open_runtime(path, graph.contract)


@pytest.mark.parametrize("two_level_items", [1, 10**9], ids=["two levels", "one level"])
@pytest.mark.parametrize(("file_format", "recipe"), SUBJECTS)
@once
@given(data=st.data())
def test_answers_are_the_references(file_format, recipe, two_level_items, data):
    tables = data.draw(students())
    n_users, n_items = map(len, tables)
    plain = reference_of(recipe, *tables)
    with tempfile.TemporaryDirectory() as folder:
        runtime = opened(folder, file_format, recipe, tables, two_level_items)
        for _ in range(4):
            user, seen, k = data.draw(requests(n_users, n_items))
            items, scores = runtime.recommend(user, seen, k)
            wanted, best = plain.recommend(user, seen, k)
            assert items.size == min(k, n_items - len(set(seen)))
            assert len(set(items.tolist()) | set(seen)) == items.size + len(set(seen))
            if RECIPES[recipe].exact:
                assert items.tolist() == wanted.tolist()
                assert scores.tobytes() == best.tobytes()
            else:  # near ties may change places between runtimes; scores only by rounding of their sums
                size = float((np.abs(tables[0][user]) * np.abs(tables[1])).sum(axis=1).max())
                np.testing.assert_allclose(scores, best, rtol=0, atol=1e-5 * size)


@pytest.mark.parametrize(("file_format", "recipe"), SUBJECTS)
@once
@given(data=st.data())
def test_ids_out_of_range_never_reach_the_runtime(file_format, recipe, data):
    tables = data.draw(students())
    n_users, n_items = map(len, tables)
    outside = st.integers(-(2**40), -1)
    user = data.draw(outside | st.integers(n_users, 2**40))
    item = data.draw(outside | st.integers(n_items, 2**40))
    with tempfile.TemporaryDirectory() as folder:
        runtime = opened(folder, file_format, recipe, tables, 10**9)
        runtime.run = None  # whoever gets that far fails in another way
        for wrong in ((user, [], 1), (0, [item], 1), (0, [0, item], 1), (0, [], 0), (0, [], -1)):
            with pytest.raises(ConfigError, match=r"outside|at least 1"):
                runtime.recommend(*wrong)
