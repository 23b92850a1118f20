"""Checkpoints of torch.save, read without unpickling: the same numbers, and nothing in the file is run."""

import contextlib
import subprocess
import sys
import types
import zipfile

import numpy as np
import pytest
import torch

from recpress_edge.core.errors import ConfigError, DataError, RecPressError
from recpress_edge.data.vectors.arrays import array_names, read_array
from recpress_edge.data.vectors.libraries import recognised


class Run:
    """Unpickled, it writes a file."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return subprocess.check_call, (["touch", str(self.path)],)


@pytest.mark.parametrize("protocol", [2, 4, 5])
def test_tensors_are_those_that_torch_saved(tmp_path, protocol):
    table = torch.arange(12.0).reshape(3, 4)
    saved = {
        "whole": table,
        "transposed": table.t(),
        "part": table[1:, 2:],
        "parameter": torch.nn.Parameter(table),
        "half": table.half(),
        "bfloat": table.bfloat16(),
        "double": table.double(),
        "layer": torch.nn.Linear(2, 3).state_dict(),
        "bytes": torch.arange(4, dtype=torch.uint8),
        "levels": torch.arange(-3, 3, dtype=torch.int8),
        "none": torch.zeros(0, 4),
    }
    path = tmp_path / "m.pt"
    torch.save(saved, path, pickle_protocol=protocol)
    for name, tensor in saved.items():
        if name != "layer":
            found = read_array(f"{path}:{name}", "--users")
            assert np.array_equal(found, tensor.detach().float().numpy())
    assert np.array_equal(read_array(f"{path}:layer.bias", "--users"), saved["layer"]["bias"].numpy())
    assert array_names(path, "--users")[-4:] == ["layer.bias", "bytes", "levels", "none"]


def test_a_view_that_negates_is_not_read_as_what_it_stands_on(tmp_path):
    numbers = torch.view_as_complex(torch.ones(3, 2, 2))
    torch.save({"negated": numbers.conj().imag}, tmp_path / "m.pt")
    with pytest.raises(DataError, match="negated was saved as a view that negates its numbers"):
        read_array(str(tmp_path / "m.pt"), "--users")


@pytest.mark.parametrize(
    "saved",
    [
        [torch.ones(2, 2)],
        torch.nn.Linear(2, 2),
        torch.ones(2).to_sparse(),
        torch.ones(2).to(torch.float8_e5m2),
    ],
    ids=["list", "module", "sparse", "float8"],
)
def test_what_holds_no_tensor_by_a_name_is_told_how_to_write_it(tmp_path, saved):
    torch.save(saved, tmp_path / "m.pt")
    with pytest.raises(DataError, match=r"holds no arrays.*np\.save"):
        read_array(str(tmp_path / "m.pt"), "--users")


def test_what_a_checkpoint_calls_is_never_called(tmp_path):
    path, mark = tmp_path / "evil.pt", tmp_path / "ran"
    torch.save({"model": torch.ones(2, 2), "evil": Run(mark)}, path)
    assert np.array_equal(read_array(f"{path}:model", "--users"), np.ones((2, 2)))
    assert not mark.exists()
    torch.load(path, weights_only=False)
    assert mark.exists()


def test_a_checkpoint_that_nests_itself_ends(tmp_path):
    knot = {"table": torch.ones(2, 2)}
    for _ in range(30):
        knot = {"a": knot, "b": knot}
    knot["self"] = knot
    torch.save(knot, tmp_path / "m.pt")
    assert len(array_names(tmp_path / "m.pt", "--users")) == 1


def rewritten(path, change):
    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in parts.items():
            archive.writestr(name, change(name, data))


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda name, data: data[:-4] if name.endswith("data/0") else data, "does not fit its 3 numbers"),
        (lambda name, data: b"big" if name.endswith("byteorder") else data, "another byte order"),
        (lambda name, data: data[:40] if name.endswith("data.pkl") else data, "without unpickling"),
        (lambda name, data: b"cos\nsystem\n(S'x'\ntR." if name.endswith("data.pkl") else data, "no arrays"),
        (lambda name, data: b"." if name.endswith("data.pkl") else data, "without unpickling"),
        (lambda name, data: b"\x80\x02e." if name.endswith("data.pkl") else data, "without unpickling"),
    ],
)
def test_damaged_checkpoints_are_refused(tmp_path, change, says):
    torch.save({"table": torch.ones(2, 2)}, tmp_path / "m.pt")
    rewritten(tmp_path / "m.pt", change)
    with pytest.raises(DataError, match=says):
        read_array(f"{tmp_path}/m.pt:table", "--users")


def test_files_that_are_no_zip_are_refused(tmp_path):
    torch.save({"table": torch.ones(2, 2)}, tmp_path / "old.pt", _use_new_zipfile_serialization=False)
    with pytest.raises(DataError, match=r"not a checkpoint of torch\.save .*Save its tensors as \.npz"):
        read_array(f"{tmp_path}/old.pt:table", "--users")


@pytest.fixture
def recbole(tmp_path, monkeypatch):
    """Writes a checkpoint as RecBole 1.2 does: its Config beside the weights, in protocol 4."""
    names = ("recbole", "recbole.config", "recbole.config.configurator")
    for name in names:
        monkeypatch.setitem(sys.modules, name, types.ModuleType(name))
    config = type("Config", (), {"__module__": names[-1]})
    sys.modules[names[-1]].Config = config

    def write(model, tensors, others):
        one = config()
        one.final_config_dict = {"model": model, "device": torch.device("cpu"), "seed": 1}
        best = np.float64(0.1)
        whole = {"config": one, "best_valid_score": best, "state_dict": tensors, "other_parameter": others}
        torch.save(whole, tmp_path / "m.pth", pickle_protocol=4)
        return tmp_path / "m.pth"

    return write


def tables(*names):
    return {name: torch.full((3, 2), float(at)) for at, name in enumerate(names)}


WEIGHTS = ("user_embedding.weight", "item_embedding.weight")


def test_a_recbole_model_is_what_it_ranks_by(recbole):
    found = recognised(recbole("BPR", tables(*WEIGHTS), {}))
    assert (found.library, found.users.rows.max(), found.items.rows.max()) == ("RecBole BPR", 0, 1)
    others = tables("x", "y", "restore_user_e", "restore_item_e")
    found = recognised(recbole("LightGCN", tables(*WEIGHTS), others))
    assert (found.library, found.users.rows.max(), found.items.rows.max()) == ("RecBole LightGCN", 2, 3)
    nothing = {"restore_user_e": None, "restore_item_e": None}
    with pytest.raises(DataError, match="LightGCN was saved before it was evaluated"):
        recognised(recbole("LightGCN", tables(*WEIGHTS), nothing))


def test_other_models_of_recbole_are_asked_about(recbole, tmp_path):
    names = ("user_emb.weight", "item_emb.weight", "UI_map.weight")
    with pytest.raises(ConfigError, match=r"SimpleX, whose score is not known.*state_dict\.user_emb\.weight"):
        recognised(recbole("SimpleX", tables(*names), {}))
    torch.save({"a": torch.ones(2, 2)}, tmp_path / "m.pth")
    with pytest.raises(ConfigError, match=r"is no checkpoint of RecBole.*Its names: a\."):
        recognised(tmp_path / "m.pth")


def test_mutated_checkpoints_are_read_right_or_refused(recbole):
    path = recbole("BPR", tables(*WEIGHTS), {})
    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    rng, right = np.random.default_rng(0), recognised(path).items.rows
    for _ in range(300):
        with zipfile.ZipFile(path, "w") as archive:
            for name, data in parts.items():
                changed = bytearray(data)
                if name.endswith("data.pkl"):
                    for at in rng.integers(len(data), size=rng.integers(1, 4)):
                        changed[at] = rng.integers(256)
                archive.writestr(name, bytes(changed))
        with contextlib.suppress(RecPressError):
            assert np.array_equal(recognised(path).items.rows, right)


def test_two_tensors_of_a_name_are_a_question(tmp_path):
    one, other, path = torch.ones(2, 2), torch.zeros(2, 2), tmp_path / "m.pt"
    torch.save({"a.b": one, "a": {"b": other}, "c": one}, path)
    assert array_names(path, "--users") == ["a.b", "c"]
    with pytest.raises(DataError, match=r"m\.pt holds 2 tensors that are called a\.b, at different depths"):
        read_array(f"{path}:a.b", "--users")
    assert read_array(f"{path}:c", "--users").max() == 1
    torch.save({"a.b": one, "a": {"b": one}}, path)
    assert read_array(f"{path}:a.b", "--users").max() == 1
