"""The benchmarks' own parts: peers that answer like the reference, fits, stored tables."""

import ast
import runpy
import sys
from pathlib import Path

import numpy as np
import pytest
from exports import make_graph, random_tables
from records import judged, make_record

from recpress_edge.core.errors import ArtifactError, GateError, InvalidRunError
from recpress_edge.core.files import read_json
from recpress_edge.data.prepare import prepare
from recpress_edge.data.public.table import public_set
from recpress_edge.device.onnx_runtime import OnnxRuntime
from recpress_edge.device.reference import ReferenceRuntime
from recpress_edge.models.outputs import Tables
from recpress_export.onnx.writer import to_onnx

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))

import _bench
import _models
import busy_machine
import device_table
import peers
import scale
import ties

FOLDER = Path(__file__).parents[2] / "benchmarks"
BENCHMARKS = {path.stem: path for path in sorted(FOLDER.glob("[a-z]*.py"))}


@pytest.mark.parametrize("name", BENCHMARKS)
def test_no_benchmark_imports_another(name):
    tree = ast.parse(BENCHMARKS[name].read_text())
    found = {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    found |= {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    assert not found & set(BENCHMARKS)


@pytest.mark.parametrize("name", [name for name in BENCHMARKS if name != "tensorflow_judge"])
def test_every_benchmark_says_how_it_is_asked(name, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", [str(BENCHMARKS[name]), "--help"])
    with pytest.raises(SystemExit, match=r"^0$"):
        runpy.run_path(str(BENCHMARKS[name]), run_name="__main__")
    assert f"python benchmarks/{name}.py" in capsys.readouterr().out


def test_a_run_writes_how_it_was_made(tmp_path, monkeypatch, capsys):
    out = tmp_path / "out.json"
    monkeypatch.setattr(sys, "argv", ["/anywhere/speed.py", "--out", str(out), "--work", "a b"])
    parser = _bench.options("Speed.", work=Path())
    assert _bench.run(parser, lambda args: {"work": str(args.work)}, lambda record: record["work"]) == 0
    assert capsys.readouterr().out == "a b\n"
    record = read_json(out)
    assert record["command"] == f"python benchmarks/speed.py --out {out} --work 'a b'"
    assert len(record["commit"].removesuffix("-dirty")) == 40
    assert set(record["load_average"]) == {"before", "after"}


def test_a_gate_is_asked_after_the_record_is_written(tmp_path, monkeypatch, capsys):
    out = tmp_path / "out.json"
    monkeypatch.setattr(sys, "argv", ["speed.py", "--out", str(out)])

    def gate(record):
        raise GateError("too slow")

    code = _bench.run(_bench.options(""), lambda args: {}, lambda record: "shown", gate)
    assert code == GateError.exit_code
    assert out.exists()
    said = capsys.readouterr()
    assert (said.out, said.err) == ("shown\n", "error: too slow\n")


@pytest.fixture
def served(tmp_path):
    """fp32 tables with ties, and requests that the ONNX runtime has checked."""
    user_emb, item_emb = random_tables(6, 90, 4)
    item_emb[40:60] = item_emb[3]
    graph = make_graph("fp32", user_emb, item_emb)
    (tmp_path / "m.onnx").write_bytes(to_onnx(graph, {}))
    runtime = OnnxRuntime(tmp_path / "m.onnx", graph.contract)
    asked = [(u, seen, k) for u in range(6) for seen in ([], [3, 3, 41], list(range(80))) for k in (1, 9, 50)]
    return user_emb, item_emb, runtime, asked


@pytest.mark.parametrize("name", ["numpy", "faiss"])
def test_peers_answer_like_the_reference(served, name):
    if name == "faiss":
        pytest.importorskip("faiss", reason="faiss-cpu is optional")
    user_emb, item_emb, runtime, asked = served
    peer = {"numpy": peers.numpy_peer, "faiss": peers.faiss_peer}[name](user_emb, item_emb)
    reference = ReferenceRuntime.from_float(user_emb, item_emb)
    feeds = [runtime.prepare(*query) for query in asked]
    for feed, query in zip(feeds, asked, strict=True):
        items, scores = peer(feed)
        wanted, best = reference.recommend(*query)
        np.testing.assert_allclose(scores, best, rtol=1e-4, atol=1e-5)
        assert not set(items.tolist()) & set(query[1])
        assert len(set(items.tolist())) == wanted.size
    assert peers.check_same(name, peer, runtime.run, feeds)["queries"] == len(asked)


def test_a_peer_with_other_scores_is_refused(served):
    user_emb, item_emb, runtime, asked = served
    feeds = [runtime.prepare(*query) for query in asked]
    wrong = peers.numpy_peer(user_emb, np.roll(item_emb, 1, axis=1))
    with pytest.raises(ArtifactError, match="gives user 0 other scores"):
        peers.check_same("numpy", wrong, runtime.run, feeds)


def test_the_fit_of_a_line_and_of_a_bend():
    line = scale.growth([10, 20, 40], [35.0, 65.0, 125.0])
    assert line["per_item"] == pytest.approx(3)
    assert line["fixed"] == pytest.approx(5)
    assert line["r_squared"] == pytest.approx(1)
    assert line["per_added_item"] == pytest.approx([3, 3])
    assert scale.growth([10, 20, 40], [1.0, 2.0, 24.0])["per_added_item"] == pytest.approx([0.1, 1.1])


@pytest.mark.parametrize("recipe", ["int8-dim", "int4-item"])
def test_dequantised_tables_score_like_the_exported_file(tmp_path, recipe):
    tables = Tables(*random_tables(5, 70, 6))
    users, items = (t.numpy().astype(np.float64) for t in _models.dequantised(recipe, tables))
    graph = make_graph(recipe, tables.user_emb, tables.item_emb)
    (tmp_path / "m.onnx").write_bytes(to_onnx(graph, {}))
    runtime = OnnxRuntime(tmp_path / "m.onnx", graph.contract)
    for user in range(5):
        found, scores = runtime.recommend(user, [], 70)
        np.testing.assert_allclose(scores, (items @ users[user])[found], rtol=1e-4, atol=1e-5)


def test_the_calmest_timing_is_kept_whatever_its_ratio():
    def timing(naive_ns, ratio):
        ways = {
            w.name: {"p50_ns": ratio * naive_ns, "over_naive": {"ratio": ratio}} for w in device_table.WAYS
        }
        ways[device_table.NAIVE.name] = {"p50_ns": naive_ns, "over_naive": {"ratio": 1.0}}
        return {"ways": ways}

    kept = None
    for naive_ns, ratio in ((140.0, 0.5), (80.0, 0.9), (90.0, 0.7)):
        kept = device_table.calmest(kept, timing(naive_ns, ratio))
    assert kept["ways"]["onnx int8"]["over_naive"]["ratio"] == 0.9
    assert [line["onnx int8"][1] for line in kept["timings"]] == [0.5, 0.9, 0.7]


def test_a_record_names_each_command_that_made_it_once():
    prepare, time = "python t.py --part prepare a", "python t.py --part time a"
    made = ""
    for command in (prepare, time, time):
        made = device_table.with_command(made, command)
    assert made == f"{prepare} && {time}"


def beside(load, p95_ns, *trusted):
    record = make_record(p95_ns=p95_ns)
    record["validity"] = dict.fromkeys(record["validity"], judged()) | {"query": judged(*trusted)}
    return load, record


def test_what_is_trusted_beside_busy_processes_must_agree():
    """p95 is 100 µs when quiet; beside eight one run is 8 % off and trusted, one 50 % off and says so."""
    runs = [
        beside(0, 100_000, 50, 95),
        beside(0, 100_000, 50, 95),
        beside(8, 108_000, 50, 95),
        beside(8, 150_000),
    ]
    rows = {
        (row["busy"], row["percentile"]): row
        for row in busy_machine.figures(runs)
        if row["series"] == "query" and row["percentile"] == 95
    }
    assert (rows[0, 95]["trusted"], rows[0, 95]["worst"]) == (2, 0)
    assert (rows[8, 95]["trusted"], rows[8, 95]["runs"]) == (1, 2)
    assert rows[8, 95]["worst"] == pytest.approx(0.08)
    assert rows[8, 95]["untrusted_ns"] == [150_000]
    busy_machine.decide(busy_machine.figures(runs))
    wrong = [*runs, beside(2, 112_000, 50, 95)]
    with pytest.raises(GateError, match=r"off by more than 10%: .*query p95 beside 2"):
        busy_machine.decide(busy_machine.figures(wrong))
    with pytest.raises(InvalidRunError, match="no quiet run is valid"):
        busy_machine.decide(busy_machine.figures([beside(0, 100_000), *runs[2:]]))


def test_the_three_rules_for_ties_split_apart_and_the_first_is_ours(tmp_path):
    log = tmp_path / "ml-100k.inter"
    rows = [f"{user}\t{item}\t5\t880000000" for user in range(1, 31) for item in (3, 9, 1, 7, 5)]
    log.write_text("user_id:token\titem_id:token\trating:float\ttimestamp:float\n" + "\n".join(rows) + "\n")
    found = dict(ties.splits(log, seeds=2))
    assert list(found) == ["in file order", "by item id", "drawn, seed 0", "drawn, seed 1"]
    ours = prepare("ml-100k", [log], public_set("ml-100k").how).dataset
    assert found["in file order"].digest() == ours.digest()
    assert {ours.item_ids[item] for item in ours.test.indices} == {"5"}
    assert {found["by item id"].item_ids[item] for item in found["by item id"].test.indices} == {"9"}
    assert len({data.digest() for data in found.values()}) == 4
