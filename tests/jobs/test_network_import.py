"""Networks of other programs: asked, refused where they are not sound, exported, answered by."""

import json
from pathlib import Path

import numpy as np
import onnx
import pytest
from outside_networks import LENGTH, mean_scores, table, write_mean

from recpress_edge import Recommender
from recpress_edge.artifacts.wire.operators import ONNX
from recpress_edge.cli import main
from recpress_edge.core.errors import ArtifactError, ConfigError, DataError
from recpress_edge.core.progress import silent
from recpress_edge.core.rng import stream
from recpress_edge.jobs.data import load_data
from recpress_edge.jobs.export import ExportRequest
from recpress_edge.jobs.network import NetworkImportRequest
from recpress_edge.training.store import load_model

pytestmark = pytest.mark.usefixtures("workers_here")
N_ITEMS = 90


@pytest.fixture(scope="module")
def log(tmp_path_factory):
    """60 users, 90 items, in the order of time."""
    folder = tmp_path_factory.mktemp("outside")
    rng = stream(0, "ratings")
    rows = [
        (f"u{user}", f"i{item}", 5, 86_400 * day)
        for user in range(60)
        for day, item in enumerate(rng.permutation(N_ITEMS)[:9].tolist())
    ]
    lines = ["user,item,rating,timestamp", *(",".join(map(str, row)) for row in rows)]
    (folder / "ratings.csv").write_text("\n".join(lines) + "\n")
    words = ["data", "import", str(folder / "ratings.csv"), "--name", "toy", "--split", "loo-time"]
    assert main([*words, "--work", str(folder)]) == 0
    return folder, load_data("toy", folder, silent)


@pytest.fixture
def mean(log, tmp_path):
    """A network of the log's items in another order, with two strangers, and without two of the log's."""
    _, data = log
    names = stream(1, "order").permutation([*data.item_ids[2:], "stranger", "other"]).tolist()
    rows = table(len(names))
    (tmp_path / "items.txt").write_text("".join(f"{name}\n" for name in names))
    return write_mean(tmp_path / "mean.onnx", rows), names, rows


def request(log, path, **changes):
    flags = {
        "name": "mean_dim8",
        "onnx": path,
        "input": ("history=item_seq",),
        "output": "scores=logits",
        "item_ids": path.parent / "items.txt",
        "item_offset": 1,
        "pad": "right",
        "data": "toy",
        "work": log[0],
    }
    return NetworkImportRequest(**(flags | changes))


def expected(data, names, rows, seen):
    """Scores (I,) in the data set's order, after a history of its indices; -inf for unknown items."""
    place = {name: at + 1 for at, name in enumerate(names)}
    known = [place[data.item_ids[item]] for item in seen if data.item_ids[item] in place]
    scores = mean_scores(rows, known)
    return np.array([scores[place[name]] if name in place else -np.inf for name in data.item_ids])


def test_a_network_is_asked_in_its_own_order_and_measured(log, mean):
    path, names, rows = mean
    _, data = log
    result = request(log, path).run()
    known = load_model(result.model.folder).metadata
    assert known["architecture"]["kind"] == "onnx-history"
    assert known["architecture"]["history_length"] == LENGTH
    assert known["dim"] == 8
    imported = known["imported"]
    assert (imported["items_unknown"], imported["items_left_out"]) == (2, 2)
    assert imported["checks"] == {"batches": True, "padding": "unread", "traced": None}
    hits = []
    train, test = (
        data.train,
        {int(u): int(i) for u, i in zip(data.valid.users(), data.valid.indices, strict=True)},
    )
    items = train.in_order()
    for user, wanted in test.items():
        seen = items[train.indptr[user] : train.indptr[user + 1]]
        scores = expected(data, names, rows, seen)
        scores[[*seen, *data.test.of(user)]] = -np.inf  # leave-one-out masks the other held-out item
        best = np.argsort(-scores, kind="stable")[:10]
        hits.append(wanted in best and np.isfinite(scores[wanted]))
    assert known["metrics"]["valid"]["recall@10"] == pytest.approx(np.mean(hits))


@pytest.mark.parametrize("recipe", ["fp32", "int8-dynamic"])
@pytest.mark.parametrize("pad", ["right", "left", "none"])
def test_from_the_command_line_to_a_bundle_that_answers(log, mean, recipe, pad, tmp_path, capsys):
    path, names, rows = mean
    folder, data = log
    if pad == "none":
        write_mean(path, rows, length=-1)
    words = ["model", "wrap", "--name", "mean", "--onnx", str(path), "--input", "history=item_seq"]
    words += ["--output", "scores=logits", "--item-ids", str(path.parent / "items.txt"), "--item-offset", "1"]
    words += ["--pad", pad, "--data", "toy", "--work", str(folder), "--json"]
    words += ["--history-length", str(LENGTH)] if pad == "none" else []
    assert main(words) == 0
    model = json.loads(capsys.readouterr().out)["model"]
    out = tmp_path / "bundle"
    words = ["export", "--student", model, "--recipe", recipe, "--work", str(folder), "--out", str(out)]
    code = main(words)
    assert code == 0
    assert (
        "2 items" in (out / "CARD.md").read_text() or "never recommended: 2" in (out / "CARD.md").read_text()
    )
    answers = Recommender.load(out)
    for seen in ([5], [3, 40, 41], list(range(20, 32)), [0, 1, 7], [0, 1], []):
        found = answers.recommend(None, seen=[data.item_ids[item] for item in seen], k=N_ITEMS)
        if any(data.item_ids[item] in names for item in seen):
            scores = expected(data, names, rows, seen)
        else:
            scores = data.train.item_counts().astype(np.float64)
        scores[[*seen, 0, 1]] = -np.inf
        best = np.argsort(-scores, kind="stable")[: np.isfinite(scores).sum()]
        assert len(found.items) == best.size
        if recipe == "fp32":
            assert list(found.items) == [data.item_ids[item] for item in best]
            assert np.allclose(found.scores, scores[best], atol=1e-4)
        else:
            assert len(set(found.items[:10]) & {data.item_ids[item] for item in best[:10]}) >= 8


def test_it_teaches_by_its_rankings(log, mean):
    path = mean[0]
    folder = request(log, path).run().model.folder
    words = ["distill", "--teacher", str(folder), "--data", "toy", "--work", str(log[0]), "--epochs", "1"]
    assert main([*words, "--student", "soft_dim4"]) == 0
    assert main([*words, "--student", "htd_dim4"]) == 2


def test_a_vector_times_an_item_table(log, mean, tmp_path):
    path, _, rows = mean
    np.save(tmp_path / "rows.npy", rows)
    whole = request(log, path).run().model
    parts = (
        request(log, path, name="vector", output="vector=mean", items=str(tmp_path / "rows.npy")).run().model
    )
    assert parts.metadata["metrics"] == whole.metadata["metrics"]
    made = ExportRequest(student=str(parts.folder), work=log[0], out=tmp_path / "out").run()
    assert made.exported.bundle.contract.dim == 8
    with pytest.raises(ConfigError, match="--output vector=NAME goes with --items"):
        request(log, path, output="vector=mean").run()
    np.save(tmp_path / "rows.npy", rows[:, :5])
    with pytest.raises(ConfigError, match="a vector of 8 and --items has rows of 5"):
        request(log, path, output="vector=mean", items=str(tmp_path / "rows.npy")).run()


@pytest.mark.parametrize(
    ("changes", "flags", "error", "message"),
    [
        ({"leaks": True}, {}, DataError, "padding is read as if it were an item"),
        ({"mixes": True}, {}, DataError, "at place 1 of a batch of 3"),
        ({"mixes": True, "mask": -1e9}, {}, DataError, "at place 1 of a batch of 3"),
        ({"leaks": True, "mask": -1e9}, {}, DataError, "padding is read as if it were an item"),
        ({"chance": True}, {}, ArtifactError, "it needs the operator 'RandomNormalLike'"),
        ({}, {"history_length": -5}, ConfigError, "--history-length -5: a network reads one item at least"),
        ({}, {"pad": "both"}, ConfigError, "unknown pad 'both'"),
        ({"spoilt": np.nan}, {}, DataError, "scores nan for item 'i"),
        ({"spoilt": 0.0}, {}, DataError, "every item the same score"),
        ({"length": -1}, {}, ConfigError, "--history-length N"),
        ({"batch": 4}, {}, ConfigError, "batches of exactly 4"),
        ({}, {"history_length": 7}, ConfigError, r"takes exactly 6 tokens: give --history-length 6"),
        ({}, {"pad": None}, ConfigError, "--pad left, right or none"),
        ({}, {"pad": "none"}, ConfigError, "a side of padding"),
        ({}, {"input": ("history=items",)}, ConfigError, "no such input. It takes item_seq"),
        ({}, {"input": ()}, ConfigError, "--input history=NAME or --input user=NAME"),
        ({}, {"input": ("past=item_seq",)}, ConfigError, "a role of history, length, mask, user"),
        ({}, {"output": "scores=found"}, ConfigError, "gives mean, logits"),
        ({}, {"output": "scores"}, ConfigError, "which output holds the scores"),
        ({}, {"item_offset": 0}, ConfigError, "both the padding and an item's place"),
        ({}, {"item_offset": 2}, ConfigError, "If the scores begin with the first id: --output-offset 1"),
        ({}, {"pad_value": 6}, ConfigError, "6 is both the padding and"),
        ({}, {"output": "vector=mean", "items": "x.txt"}, ConfigError, "x.txt"),
        ({}, {"user_ids": Path(__file__)}, ConfigError, "the network takes no user"),
        ({}, {"module": "my.py:build"}, ConfigError, "one of the two"),
        ({}, {"weights": Path(__file__)}, ConfigError, "--weights goes with --module"),
        ({"typed": onnx.TensorProto.FLOAT16}, {}, ConfigError, "takes tensor"),
        ({"opset": 12}, {}, ArtifactError, "opset 12; 13 to 22"),
    ],
)
def test_what_is_not_sound_is_refused(log, mean, changes, flags, error, message):
    path, _, rows = mean
    write_mean(path, rows, **changes)
    before = set((log[0] / "models").glob("refused*"))
    with pytest.raises(error, match=message):
        request(log, path, name="refused", **flags).run()
    assert set((log[0] / "models").glob("refused*")) == before


def test_a_network_that_answers_the_same_question_otherwise_is_refused(log, mean, monkeypatch):
    """No operator that may be used does so by itself: here one more may be."""
    path, _, rows = mean
    monkeypatch.setattr("recpress_edge.artifacts.model_file.ONNX", ONNX | {"RandomNormalLike"})
    for batch in ("batch", 1):
        write_mean(path, rows, chance=True, batch=batch)
        with pytest.raises(DataError, match="asked the same twice, the network scores differently"):
            request(log, path, name="refused").run()


def test_a_network_that_masks_what_was_consumed_answers_all_the_same(log, mean):
    path, _, rows = mean
    whole = request(log, path).run().model.metadata["metrics"]
    for wall in (-1e9, -np.inf):
        write_mean(path, rows, mask=wall)
        assert request(log, path, name="masks").run().model.metadata["metrics"] == whole


def test_a_network_that_reads_its_padding_can_be_taken_with_a_flag(log, mean):
    path, _, rows = mean
    write_mean(path, rows, leaks=True)
    known = request(log, path, name="leaks", padding_counts=True).run().model.metadata
    assert known["imported"]["checks"]["padding"] == "counts"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("i5\ni6\ni5\n", "'i5' twice, in lines 1 and 3"),
        ("a\nb\n", "the network knows no item of the data set"),
    ],
)
def test_lists_of_ids_that_cannot_be_right(log, mean, text, message):
    path = mean[0]
    (path.parent / "items.txt").write_text(text)
    with pytest.raises(DataError, match=message):
        request(log, path).run()


def test_places_by_name(log, mean):
    path, names, _ = mean
    listed = request(log, path).run().model.metadata
    places = path.parent / "items.json"
    places.write_text(json.dumps({name: at + 1 for at, name in enumerate(names)}))
    named = request(log, path, item_ids=places, item_offset=0).run().model.metadata
    assert named["metrics"] == listed["metrics"]
    for wrong, message in (
        ({"i5": 1, "i6": 1}, "'i5' and 'i6' are both at place 1"),
        ({"i5": "1"}, "is '1'"),
    ):
        places.write_text(json.dumps(wrong))
        with pytest.raises(DataError, match=message):
            request(log, path, item_ids=places, item_offset=0).run()


def test_ids_that_stand_one_place_beside_are_noticed(log, tmp_path):
    """A network that has learnt the held-out items by heart, brought with its ids moved."""
    _, data = log
    names = list(data.item_ids)
    rows = np.zeros((N_ITEMS + 2, N_ITEMS + 2), np.float32)
    items = data.train.in_order()
    place = {name: at + 1 for at, name in enumerate(names)}
    for user in range(data.n_users):
        last = items[data.train.indptr[user + 1] - 1]
        wanted = data.valid.of(user)
        if wanted.size:
            rows[place[data.item_ids[last]], place[data.item_ids[wanted[0]]]] = 1
    path = write_lookup(tmp_path / "heart.onnx", rows)
    (tmp_path / "items.txt").write_text("".join(f"{name}\n" for name in names))
    flags = {"name": "heart", "history_length": 1}
    assert request(log, path, **flags).run().model.metadata["metrics"]["valid"]["recall@10"] > 0.5
    with pytest.raises(DataError, match="one place earlier in the history and one place earlier"):
        request(log, path, item_offset=2, output_offset=2, **flags).run()


def write_lookup(path, rows):
    """The row of the last item as scores."""
    from onnx import TensorProto, helper, numpy_helper

    nodes = [
        helper.make_node("Gather", ["rows", "item_seq"], ["all"]),
        helper.make_node("ReduceSum", ["all", "one"], ["logits"], keepdims=0),
    ]
    tensors = [numpy_helper.from_array(rows, "rows"), numpy_helper.from_array(np.array([1], np.int64), "one")]
    graph = helper.make_graph(
        nodes,
        "lookup",
        [helper.make_tensor_value_info("item_seq", TensorProto.INT64, ["b", 1])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["b", len(rows)])],
        tensors,
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8), path)
    return path
