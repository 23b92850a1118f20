"""A kind of network is one row: by that alone a toy kind is read, traced, compared and published."""

import numpy as np
import pytest
import torch
from network_models import DIM, N_ITEMS, N_USERS, write_network
from test_network_export import GATE, source_of

from recpress_edge.artifacts.contract import ALL_USERS
from recpress_edge.core.errors import ArtifactError
from recpress_edge.core.rng import stream
from recpress_edge.device.verify import verify_bundle
from recpress_export.build import build
from recpress_export.networks.kinds import KINDS, NetworkKind
from recpress_export.networks.modules import Traceable
from recpress_export.networks.recipes import NETWORK_RECIPES, check_network
from recpress_export.networks.student import NetworkStudent, read_network
from recpress_export.reference import Reference, table_reference
from recpress_export.subjects.network import traced_network


class Dot(torch.nn.Module):
    """user (1,) -> scores (I,)"""

    def __init__(self, student: NetworkStudent) -> None:
        super().__init__()
        self.users, self.items = (
            torch.nn.Parameter(torch.from_numpy(student.arrays[name]), requires_grad=False)
            for name in ("user_emb", "item_emb")
        )

    def forward(self, user: torch.Tensor) -> torch.Tensor:
        return (self.items @ self.users[user].T)[:, 0]


def dot_module(student: NetworkStudent, rows: int | None) -> Traceable:
    assert rows is None
    return Traceable(Dot(student), torch.zeros(1, dtype=torch.int64))


def dot_reference(student: NetworkStudent) -> Reference:
    return table_reference(student.arrays)


TOY = NetworkKind(
    profile=ALL_USERS,
    shapes={"user_emb": ("U", "d"), "item_emb": ("I", "d")},
    reference=f"{__name__}:dot_reference",
    module=f"{__name__}:dot_module",
)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setitem(KINDS, "dot", TOY)
    rng = stream(0, "toy kind")
    tables = {
        "user_emb": rng.standard_normal((N_USERS, DIM), np.float32),
        "item_emb": rng.standard_normal((N_ITEMS, DIM), np.float32),
    }
    return write_network(tmp_path / "dot", "dot", tables)


@pytest.mark.parametrize("recipe", NETWORK_RECIPES)
def test_a_toy_kind_becomes_a_bundle(folder, recipe, tmp_path):
    student = read_network(folder)
    assert (student.n_users, student.n_items, student.history_length) == (N_USERS, N_ITEMS, 0)
    assert check_network("dot", "onnx", None, None) == ALL_USERS
    subject = traced_network(source_of(student))
    assert build(subject, NETWORK_RECIPES[recipe], tmp_path / "out", gate=GATE).fp32_bytes
    verified = verify_bundle(tmp_path / "out")
    assert verified.bundle.provenance["network"]["kind"] == "dot"
    if recipe == "fp32":
        items, _ = verified.runtime.recommend(3, [1], 10)
        assert items.tolist() == dot_reference(student).recommend(3, [1], 10)[0].tolist()


def test_a_kind_that_has_no_row_is_refused(folder, monkeypatch):
    monkeypatch.delitem(KINDS, "dot")
    with pytest.raises(ArtifactError, match="'dot'; this version exports neumf, sasrec, bert4rec, lrh"):
        read_network(folder)
