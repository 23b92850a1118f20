"""Runtime c: compiled and in Python, every kind of model.bin answers as numpy does on its tables."""

import ctypes
import dataclasses
import re
from array import array

import numpy as np
import pytest
from exports import make_graph, random_tables

from recpress_edge.artifacts.bundle import SINGLE_USER
from recpress_edge.artifacts.fold_in import FoldIn, history_contract, quantize_history
from recpress_edge.artifacts.formats import FORMATS
from recpress_edge.artifacts.quantize import quantize
from recpress_edge.artifacts.recipes import RECIPES
from recpress_edge.core.cache import CACHE_VARIABLE
from recpress_edge.core.errors import ArtifactError, ConfigError, MissingExtraError
from recpress_edge.core.files import scratch_folder
from recpress_edge.core.rng import stream
from recpress_edge.device.c import building, compiler, engine, library, light, source
from recpress_edge.device.c.runtime import CRuntime
from recpress_edge.device.reference_file import FileReference
from recpress_edge.testing.runtime import RuntimeCase, RuntimeContract
from recpress_export.c.writer import LAYOUT_KEY, ORDER_KEY, to_c
from recpress_export.graph import describe, describe_int8, with_history

RECIPE_NAMES = FORMATS["c"].recipes
SHAPES = [(6, 70, 9), (4, 64, 10), (3, 33, 12), (3, 1, 1)]


@pytest.fixture(params=["compiled", "plain"])
def way(request, monkeypatch):
    if request.param == "plain":
        monkeypatch.setenv(light.CHOICE, light.PLAIN)
    return request.param


def all_users(recipe, shape, **metadata):
    graph = make_graph(recipe, *random_tables(*shape), "c")
    return graph.contract, to_c(graph, metadata)


def single_user():
    graph = make_graph("int8-dim", *random_tables(1, 50, 6), "c")
    contract = dataclasses.replace(graph.contract, profile=SINGLE_USER, n_users=1, user_input="")
    return contract, to_c(dataclasses.replace(graph, contract=contract), {})


def retired(recipe):
    users, items = random_tables(4, 50, 6)
    contract = dataclasses.replace(make_graph(recipe, users, items, "c").contract, retired=(0, 7, 31, 49))
    stored = quantize(RECIPES[recipe], users, items)
    graph = describe(contract, users, items) if stored is None else describe_int8(contract, stored)
    return contract, to_c(graph, {})


def history(recipe):
    item_emb, history_emb = random_tables(90, 90, 7)
    contract = history_contract(make_graph(recipe, item_emb[:1], item_emb, "c").contract)
    fold_in = FoldIn(history_emb, item_emb[3], "", {})
    stored = quantize(RECIPES[recipe], item_emb[:1], item_emb, fold_in.rows)
    if stored is None:
        made = {"history_emb": history_emb, "prior": item_emb[3]}
        graph = describe(contract, item_emb[:1], item_emb)
    else:
        kept = quantize_history(fold_in, stored)
        made = {"history_emb": kept.history_q, "prior": kept.prior_q, "step": np.asarray(kept.step)}
        graph = describe_int8(contract, stored)
    return contract, to_c(with_history(graph, made), {})


def same_answers(folder, contract, data):
    """Random queries to the runtime and to numpy; equal to the bit where the contract is exact."""
    path = folder / "model.bin"
    path.write_bytes(data)
    runtime, numpy = CRuntime(path, contract), FileReference(path, contract)
    rng = stream(0, "queries")
    for _ in range(30):
        seen = rng.integers(0, contract.n_items, rng.integers(0, 12))
        user = int(rng.integers(contract.n_users)) if contract.n_users else None
        k = int(rng.integers(1, contract.n_items + 1))
        items, scores = runtime.recommend(user, seen if k % 2 else seen.tolist(), k)
        want_items, want_scores = numpy.recommend(user, seen, k)
        assert (items.dtype, scores.dtype) == (np.int64, np.float32)
        if contract.exact:
            assert items.tolist() == want_items.tolist()
            assert scores.tobytes() == want_scores.tobytes()
        else:
            np.testing.assert_allclose(scores, want_scores, rtol=1e-4, atol=1e-5)
    return runtime


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("recipe", RECIPE_NAMES)
def test_every_recipe_answers_as_numpy_does(recipe, shape, way, tmp_path):
    runtime = same_answers(tmp_path, *all_users(recipe, shape))
    assert runtime.name == {"compiled": "recpress-c", "plain": "recpress-python"}[way]


@pytest.mark.parametrize("shape", [*SHAPES, (2, 40, 32)], ids=str)
@pytest.mark.usefixtures("way")
def test_a_layout_by_dimensions_answers_as_numpy_does(shape, tmp_path):
    same_answers(tmp_path, *all_users("score16", shape, **{LAYOUT_KEY: "dims"}))


@pytest.mark.parametrize("order", ["length", "neighbours"])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.usefixtures("way")
def test_every_order_answers_as_numpy_does(order, shape, tmp_path):
    same_answers(tmp_path, *all_users("int8-dim", shape, **{ORDER_KEY: order}))


@pytest.mark.parametrize("recipe", [name for name in RECIPE_NAMES if name != "score16"])
@pytest.mark.usefixtures("way")
def test_histories_and_retired_items_answer_as_numpy_does(recipe, tmp_path):
    same_answers(tmp_path, *history(recipe))
    same_answers(tmp_path, *retired(recipe))


@pytest.mark.usefixtures("way")
def test_a_single_user_needs_no_index(tmp_path):
    contract, data = single_user()
    runtime = same_answers(tmp_path, contract, data)
    assert runtime.recommend(None, [], 3)[0].tolist() == runtime.recommend(0, [], 3)[0].tolist()


class TestInPlainPython(RuntimeContract):
    @pytest.fixture(params=RECIPE_NAMES)
    def case(self, request, tmp_path, monkeypatch):
        monkeypatch.setenv(light.CHOICE, light.PLAIN)

        def opened(user_emb, item_emb):
            graph, path = make_graph(request.param, user_emb, item_emb, "c"), tmp_path / "model.bin"
            path.write_bytes(to_c(graph, {}))
            return CRuntime(path, graph.contract)

        return RuntimeCase(open=opened, recipe=request.param)


# ---- What is refused


@pytest.fixture
def own_kind(monkeypatch):
    """Engines are compiled for one kind of model, as they are outside of the tests."""
    monkeypatch.setattr(library, "flags_for", source.flags_for)


@pytest.mark.usefixtures("own_kind")
@pytest.mark.parametrize("recipe", RECIPE_NAMES)
def test_an_engine_for_one_kind_answers_as_numpy_does(recipe, tmp_path):
    same_answers(tmp_path, *all_users(recipe, (5, 131, 7)))


@pytest.fixture
def model(tmp_path):
    contract, data = all_users("int8-dim", (4, 64, 10))
    (tmp_path / "model.bin").write_bytes(data)
    return tmp_path / "model.bin", contract


@pytest.mark.usefixtures("way")
@pytest.mark.parametrize(
    ("seen", "says"),
    [([64], r"outside 0\.\.63: 64"), ([-1], r"outside 0\.\.63: -1"), ([0.5], "list of item indices")],
)
def test_what_is_no_item_is_refused(model, seen, says):
    with pytest.raises(ConfigError, match=says):
        light.LightRuntime(*model).recommend(0, seen, 3)
    with pytest.raises(ConfigError, match="seen item"):
        CRuntime(*model).recommend(0, np.array(seen), 3)


def test_one_thread_answers(model):
    with pytest.raises(ConfigError, match="in one thread, not in 2"):
        CRuntime(*model, threads=2)


def test_a_file_of_another_contract_is_refused(model):
    path, contract = model
    with pytest.raises(ArtifactError, match="does not fit its contract"):
        CRuntime(path, dataclasses.replace(contract, dim=9))
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(ArtifactError, match="is not a readable c file"):
        CRuntime(path, contract)
    path.write_bytes(b"")
    with pytest.raises(ArtifactError, match="cannot be mapped"):
        CRuntime(path, contract)


@pytest.mark.parametrize("stated", [(), (0, 7, 31), (0, 7, 30, 49)])
def test_a_file_that_retires_other_items_is_refused(stated, tmp_path):
    contract, data = retired("int8-dim")
    (tmp_path / "model.bin").write_bytes(data)
    other = dataclasses.replace(contract, retired=stated)
    for runtime in (CRuntime, FileReference):
        with pytest.raises((ArtifactError, ConfigError), match="retires other items than its contract says"):
            runtime(tmp_path / "model.bin", other)


def test_an_engine_for_other_models_refuses_this_one(model, tmp_path, monkeypatch):
    path, contract = model
    other = lambda header: source.flags_for(dataclasses.replace(header, dim=11))  # noqa: E731
    monkeypatch.setattr(library, "flags_for", other)
    with pytest.raises(ArtifactError, match="compiled for another recipe, dim, order or layout"):
        CRuntime(path, contract)


def test_the_errors_are_those_of_recpress_h():
    text = (source.FOLDER / source.INTERFACE).read_text()
    body = text.partition("RP_OK = 0,")[2].partition("}")[0]
    assert [int(code) for code in re.findall(r" = (-\d+)", body)] == list(engine.ERRORS)
    assert f"RP_BAD_ITEM = {engine.BAD_ITEM}" in text


def test_the_environment_names_plain_or_a_library(model, cache, monkeypatch, tmp_path):
    CRuntime(*model)
    monkeypatch.setenv(light.CHOICE, str(next(cache.glob("*.so"))))
    monkeypatch.setenv("CC", "no-such-compiler")
    assert CRuntime(*model).name == "recpress-c"
    monkeypatch.setenv(light.CHOICE, "fast")
    with pytest.raises(ConfigError, match="'fast': it may be 'plain'"):
        CRuntime(*model)
    monkeypatch.setenv(light.CHOICE, str(tmp_path / "model.bin"))
    with pytest.raises(MissingExtraError, match=r"model\.bin is no engine for this machine"):
        CRuntime(*model)


# ---- Compiled once, and kept where nobody else writes


@pytest.fixture
def cache(tmp_path, monkeypatch, own_kind):
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path / "cache"))
    return tmp_path / "cache/engine"


@pytest.fixture
def compiled(monkeypatch):
    """How often something was compiled."""
    calls, real = [], building.compile_library
    monkeypatch.setattr(building, "compile_library", lambda *a: calls.append(a) or real(*a))
    return calls


def test_an_engine_is_compiled_once(model, cache, compiled):
    for _ in range(2):
        CRuntime(*model).recommend(0, [], 3)
    assert len(compiled) == 1
    assert sorted(path.suffix for path in cache.iterdir()) == [".so", ".txt"]
    assert CRuntime(*model).built.endswith("-DRP_PROFILE=0")
    assert "-ffp-contract=off" in CRuntime(*model).built
    assert cache.stat().st_mode & 0o777 == 0o700


def test_nothing_is_loaded_from_where_others_write(model, cache, compiled):
    cache.mkdir(parents=True)
    cache.chmod(0o770)
    for _ in range(2):
        CRuntime(*model).recommend(0, [], 3)
    assert len(compiled) == 2
    assert not any(cache.iterdir())


def test_whoever_clears_away_scratch_leaves_a_library_that_is_being_compiled(cache):
    cache.mkdir(parents=True)
    cache.chmod(0o770)
    with library._folder() as folder, scratch_folder("recpress-engine-"):
        assert folder.is_dir()


@pytest.mark.usefixtures("own_kind")
def test_a_user_without_a_home_gets_a_compiled_engine(model, compiled, monkeypatch):
    for name in ("HOME", "XDG_CACHE_HOME", "RECPRESS_CACHE_DIR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("os.path.expanduser", lambda path: path)  # as where the system does not know the user
    assert CRuntime(*model).name == "recpress-c"
    assert len(compiled) == 1


def test_a_library_that_others_may_write_is_compiled_again(model, cache, compiled):
    CRuntime(*model)
    next(cache.glob("*.so")).chmod(0o722)
    CRuntime(*model)
    assert len(compiled) == 2


@pytest.mark.usefixtures("cache")
def test_what_the_compiler_says_is_told(model, monkeypatch):
    monkeypatch.setenv("CC", "cc --no-such-option")
    with pytest.raises(MissingExtraError, match=r"compiled\. cc --no-such-option .*said: .*RECPRESS"):
        CRuntime(*model)


def test_where_nothing_compiles_python_answers(model, monkeypatch):
    monkeypatch.setenv("CC", "no-such-compiler")
    assert compiler.find_compiler() is None
    assert CRuntime(*model).name == "recpress-python"


def test_another_compiler_or_machine_is_another_engine(monkeypatch):
    first = library._key("", [], compiler.Compiler(("cc",), "/bin/sh"))
    assert first != library._key("", [], compiler.Compiler(("gcc",), "/bin/sh"))
    monkeypatch.setattr(library, "machine_identity", lambda: "another")
    assert first != library._key("", [], compiler.Compiler(("cc",), "/bin/sh"))


def test_the_bindings_are_as_large_as_the_structs_of_c(tmp_path):
    """Sizes and offsets, told by the compiler."""
    wanted = [ctypes.sizeof(library.ModelStruct), ctypes.sizeof(library.QueryStruct)]
    wanted += [
        library.ModelStruct.n_blocks.offset,
        library.QueryStruct.seen.offset,
        library.QueryStruct.k.offset,
    ]
    text = source.amalgamated(with_interface=True) + (
        "\nsize_t told[] = {sizeof(rp_model), sizeof(rp_query), offsetof(rp_model, n_blocks),"
        " offsetof(rp_query, seen), offsetof(rp_query, k)};\n"
    )
    building.compile_library(
        compiler.find_compiler(), text, ["-std=c99", *compiler.SHARED, "-DRP_PLAIN"], tmp_path / "a.so"
    )
    told = (ctypes.c_size_t * len(wanted)).in_dll(ctypes.CDLL(str(tmp_path / "a.so")), "told")
    assert list(told) == wanted


@pytest.mark.usefixtures("way")
def test_requests_may_wait_for_others(model):
    """Room is made anew for a longer list; what was prepared before is answered all the same."""
    runtime, numpy = CRuntime(*model), FileReference(*model)
    asked = [(user, [user, 7], k) for user, k in [(0, 3), (1, 64), (2, 5), (3, 64)]]
    feeds = [runtime.prepare(*one) for one in asked]
    for one, feed in reversed(list(zip(asked, feeds, strict=True))):
        items, scores = runtime.run(feed)
        assert items.tolist() == numpy.recommend(*one)[0].tolist()
        assert scores.tobytes() == numpy.recommend(*one)[1].tobytes()


@pytest.mark.usefixtures("way")
def test_an_answer_stays_as_it_was(model):
    runtime = light.LightRuntime(*model)
    first = runtime.recommend(0, [], 5)
    kept = [list(part) for part in first]
    runtime.recommend(1, [], 64)
    assert [list(part) for part in first] == kept
    assert isinstance(first[0], array)
