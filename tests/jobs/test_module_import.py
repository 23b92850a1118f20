"""torch modules of the user's own code: built, filled, traced, and held to the module."""

import textwrap

import numpy as np
import pytest
import torch
from outside_networks import table
from safetensors.numpy import save_file
from test_network_import import log, request  # noqa: F401

from recpress_edge.core.errors import ConfigError, DataError
from recpress_edge.device.recommender import Recommender
from recpress_edge.jobs.export import ExportRequest

pytestmark = pytest.mark.usefixtures("workers_here")
MODULE = """
import torch

class Mean(torch.nn.Module):
    def __init__(self, rows):
        super().__init__()
        self.rows = torch.nn.Embedding(rows, 8)

    def forward(self, history, mask):
        wide = mask.float()[..., None]
        return ((self.rows(history) * wide).sum(1) / wide.sum(1)) @ self.rows.weight.T

class ByUser(torch.nn.Module):
    def __init__(self, rows, users):
        super().__init__()
        self.rows, self.users = torch.nn.Embedding(rows, 8), torch.nn.Embedding(users, 8)

    def forward(self, user):
        return {{"scores": self.users(user) @ self.rows.weight.T, "vector": self.users(user)}}

class Branches(Mean):
    def forward(self, history, mask):
        scores = super().forward(history, mask)
        return scores if int(mask.shape[0]) == 1 else scores * 2

def build():
    torch.manual_seed(0)
    return Mean({rows})

def by_user():
    torch.manual_seed(0)
    return ByUser({rows}, {users})

def with_a_spare_user():
    return ByUser({rows}, {users} + 1)

def branches():
    torch.manual_seed(0)
    return Branches({rows})

def nothing():
    return 5

def broken():
    raise ValueError("no weights\\nhere")

def leaves():
    raise SystemExit(0)

def wants(rows):
    return Mean(rows)

class Pair(Mean):
    def forward(self, history, mask):
        return super().forward(history, mask), history

def pair():
    return Pair({rows})

class ByValue(Mean):
    def forward(self, history, mask):
        return super().forward(history, mask) * (2 if int(mask.sum()) > 3 else 1)

def by_value():
    return ByValue({rows})

class Half(Mean):
    def forward(self, history, mask):
        wide = mask.float()[..., None]
        return ((self.rows(history).float() * wide).sum(1) / wide.sum(1)) @ self.rows.weight.float().T

def half():
    return Half({rows}).bfloat16()

def talks():
    print("built")
    return build()
"""


@pytest.fixture
def module(log, tmp_path):  # noqa: F811
    """A file of modules for the log's own items, place 0 kept for padding."""
    _, data = log
    path = tmp_path / "my.py"
    path.write_text(textwrap.dedent(MODULE).format(rows=data.n_items + 1, users=data.n_users))
    (tmp_path / "items.txt").write_text("".join(f"{name}\n" for name in data.item_ids))
    (tmp_path / "users.txt").write_text("".join(f"{name}\n" for name in reversed(data.user_ids)))
    return path


def wrap(log, path, function="build", **changes):  # noqa: F811
    flags = {"module": f"{path}:{function}", "onnx": None, "input": (), "output": "scores"}
    return request(log, path, **(flags | {"history_length": 6, "name": "brought"} | changes))


def test_a_module_is_traced_and_answers_as_itself(log, module, tmp_path):  # noqa: F811
    _, data = log
    result = wrap(log, module).run()
    known = result.model.metadata["imported"]
    assert known["source"] == "torch module my.py:build"
    assert set(known["files"]) == {"module", "item_ids"}
    assert known["checks"]["traced"]["same_lists"] == known["checks"]["traced"]["users"]
    assert known["checks"]["batches"]
    assert known["checks"]["padding"] == "unread"
    ExportRequest(student=str(result.model.folder), work=log[0], out=tmp_path / "out").run()
    torch.manual_seed(0)
    rows = torch.nn.Embedding(data.n_items + 1, 8).weight.detach().numpy()
    seen = [4, 30, 2]
    scores = rows[1:] @ rows[[item + 1 for item in seen]].mean(axis=0)
    scores[seen] = -np.inf
    best = np.argsort(-scores, kind="stable")[:7]
    found = Recommender.load(tmp_path / "out").recommend(None, seen=[data.item_ids[n] for n in seen], k=7)
    assert list(found.items) == [data.item_ids[n] for n in best]


def test_weights_come_from_safetensors(log, module, tmp_path):  # noqa: F811
    rows = table(log[1].n_items)
    save_file({"rows.weight": rows}, tmp_path / "w.safetensors")
    with_weights = wrap(log, module, weights=tmp_path / "w.safetensors").run().model
    assert with_weights.metadata["metrics"] != wrap(log, module).run().model.metadata["metrics"]
    for arrays, message in (
        ({"other": rows}, "it holds no 'rows.weight' and also 'other'"),
        ({"rows.weight": rows[1:]}, "does not fit the module"),
    ):
        save_file(arrays, tmp_path / "w.safetensors")
        with pytest.raises(DataError, match=message):
            wrap(log, module, weights=tmp_path / "w.safetensors").run()
    (tmp_path / "w.pt").write_bytes(b"")
    with pytest.raises(ConfigError, match="pickled checkpoints are never opened"):
        wrap(log, module, weights=tmp_path / "w.pt").run()


@pytest.mark.parametrize("vector", [False, True])
def test_a_network_that_knows_its_users(log, module, vector, tmp_path):  # noqa: F811
    _, data = log
    torch.manual_seed(0)
    rows = torch.nn.Embedding(data.n_items + 1, 8).weight.detach().numpy()
    users = torch.nn.Embedding(data.n_users, 8).weight.detach().numpy()[::-1]
    np.save(tmp_path / "rows.npy", rows)
    flags = {"pad": None, "history_length": None, "user_ids": tmp_path / "users.txt"}
    if vector:
        flags |= {"output": "vector=vector", "items": str(tmp_path / "rows.npy")}
    else:
        flags |= {"output": "scores=scores"}
    model = wrap(log, module, "by_user", **flags).run().model
    assert model.metadata["architecture"]["kind"] == "onnx-user"
    for number, recipe in enumerate(("fp32", "int8-dynamic")):
        out = tmp_path / f"out{number}"
        made = ExportRequest(student=str(model.folder), recipe=recipe, work=log[0], out=out).run()
        assert made.exported.bundle.contract.profile == "all-users"
        scores = rows[1:] @ users[7]
        scores[[3, 4]] = -np.inf
        best = [data.item_ids[n] for n in np.argsort(-scores, kind="stable")[:10]]
        seen = [data.item_ids[3], data.item_ids[4]]
        found = list(Recommender.load(out).recommend(data.user_ids[7], seen=seen, k=10).items)
        assert found == best if recipe == "fp32" else len(set(found) & set(best)) >= 8
    (tmp_path / "users.txt").write_text("u7\n")
    with pytest.raises(DataError, match="59 of 60 users of the data set are unknown to the network"):
        wrap(log, module, "by_user", **flags).run()


def test_users_that_stand_one_place_off_are_seen(log, module, tmp_path):  # noqa: F811
    _, data = log
    rows = np.random.default_rng(0).normal(size=(data.n_items + 1, 8)).astype(np.float32)
    own = np.zeros((data.n_users + 1, 8), np.float32)
    for part in (data.valid, data.test):
        np.add.at(own, part.users() + 1, rows[part.indices + 1])
    save_file({"rows.weight": rows, "users.weight": own}, tmp_path / "w.safetensors")
    (tmp_path / "in-order.txt").write_text("".join(f"{user}\n" for user in data.user_ids))
    flags = {"pad": None, "history_length": None, "user_ids": tmp_path / "in-order.txt"}
    flags |= {"output": "scores=scores", "weights": tmp_path / "w.safetensors"}
    wrap(log, module, "with_a_spare_user", **flags, user_offset=1).run()
    with pytest.raises(DataError, match=r"if each user stands one place later.*--user-ids or --user-offset"):
        wrap(log, module, "with_a_spare_user", **flags).run()


@pytest.mark.parametrize(
    ("function", "flags", "error", "message"),
    [
        ("branches", {}, DataError, "at place 1 of a batch of 3"),
        ("nothing", {}, ConfigError, "nothing returned a int, not a torch module"),
        ("missing", {}, ConfigError, "has no function 'missing'"),
        ("broken", {}, ConfigError, r"my\.py:broken fails with ValueError: no weights here, line \d+"),
        ("leaves", {}, ConfigError, "leaves fails with SystemExit: 0, line"),
        ("wants", {}, ConfigError, "fails with TypeError.*missing 1 required positional argument"),
        ("pair", {}, ConfigError, "the module returned tuple, not a tensor"),
        (
            "by_value",
            {},
            ConfigError,
            r"cannot trace the module: \w+: .*Write forward with tensor operations",
        ),
        ("build", {"input": ("history=history",)}, ConfigError, "forward needs 'mask' too"),
        ("build", {"input": ("history=past", "mask=mask")}, ConfigError, "forward has no such argument"),
        ("build", {"history_length": None}, ConfigError, "--history-length N"),
        ("by_user", {"pad": None, "history_length": None}, ConfigError, "needs --user-ids FILE"),
        ("by_user", {"pad": "left"}, ConfigError, "--history-length, --pad is of a history"),
    ],
)
def test_modules_that_cannot_be_taken(log, module, function, flags, error, message):  # noqa: F811
    with pytest.raises(error, match=message):
        wrap(log, module, function, **flags).run()


@pytest.mark.parametrize(
    ("text", "says"),
    [("def build(:\n", "SyntaxError.*line 1"), ("\nimport nobody_here\n", "nobody_here', line 2")],
)
def test_code_that_python_does_not_read_is_named_with_its_line(log, module, text, says):  # noqa: F811
    module.write_text(text)
    with pytest.raises(ConfigError, match=says):
        wrap(log, module).run()


def test_what_a_module_prints_is_not_on_stdout(log, module, capsys):  # noqa: F811
    wrap(log, module, "talks").run()
    told = capsys.readouterr()
    assert "built" in told.err
    assert "built" not in told.out


def test_a_table_in_bfloat16_is_examined_like_another(log, module):  # noqa: F811
    known = wrap(log, module, "half").run().model.metadata["imported"]
    assert known["checks"]["padding"] == "unread"


def test_a_module_is_named_by_file_and_function(log, module):  # noqa: F811
    with pytest.raises(ConfigError, match=r"FILE\.py:FUNCTION"):
        wrap(log, module, module="my_module").run()
    with pytest.raises(ConfigError, match="no such file"):
        wrap(log, module, module="absent.py:build").run()
