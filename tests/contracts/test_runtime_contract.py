"""Every runtime, in every recipe of its format, keeps the contract of recpress_edge.testing."""

import itertools
from functools import partial

import pytest
from bundles import Tables, make_contract, write_model
from exports import make_graph

from recpress_edge.artifacts.formats import FORMATS, MODEL_FORMATS, writer_of
from recpress_edge.artifacts.recipes import RECIPES
from recpress_edge.device.onnx_runtime import OnnxRuntime
from recpress_edge.device.reference import ReferenceRuntime
from recpress_edge.device.runtime import open_runtime
from recpress_edge.testing import RuntimeCase, RuntimeContract
from recpress_edge.testing.tables import random_tables, reference_of

FILES = [(name, recipe) for name in MODEL_FORMATS for recipe in FORMATS[name].recipes]


@pytest.fixture
def paths(tmp_path):
    """New paths: a mapped file must stay as it is."""
    numbers = itertools.count()
    return lambda: tmp_path / f"{next(numbers)}.model"


class TestRuntimesOfWhatTheExporterWrites(RuntimeContract):
    @pytest.fixture(params=["own", "reference"])
    def runtime(self, request):
        return None if request.param == "own" else request.param

    @pytest.fixture(params=FILES, ids="-".join)
    def case(self, request, runtime, paths):
        file_format, recipe = request.param

        def opened(user_emb, item_emb):
            graph, path = make_graph(recipe, user_emb, item_emb, file_format), paths()
            path.write_bytes(writer_of(file_format)(graph, {}))
            return open_runtime(path, graph.contract, runtime=runtime)

        return RuntimeCase(open=opened, recipe=recipe)


class TestOnnxRuntimeOnAModelWrittenByHand(RuntimeContract):
    @pytest.fixture(params=["fp32", "int8-dim"])
    def case(self, request, paths):
        recipe = request.param

        def opened(user_emb, item_emb):
            tables, path = Tables(user_emb, item_emb), paths()
            write_model(path, tables, recipe)
            return OnnxRuntime(path, make_contract(tables, recipe))

        return RuntimeCase(
            open=opened, recipe=recipe, reference=lambda *tables: Tables(*tables).reference(recipe)
        )


class TestNumpy(RuntimeContract):
    @pytest.fixture(params=list(RECIPES))
    def case(self, request):
        return RuntimeCase(open=partial(reference_of, request.param), recipe=request.param)


def test_reference_agrees_with_a_second_definition():
    user_emb, item_emb = random_tables(9, 80, 3, seed=1)
    runtime = ReferenceRuntime.from_float(user_emb, item_emb)
    for user in range(9):
        seen = {user, user + 9}
        scores = item_emb @ user_emb[user]
        slow = sorted((i for i in range(80) if i not in seen), key=lambda i: (-scores[i], i))
        assert runtime.recommend(user, sorted(seen), 80)[0].tolist() == slow
