"""What the host checks before a runtime sees a query, and the numpy reference by hand."""

import numpy as np
import pytest
from bundles import make_contract, make_tables, write_model

from recpress_edge.core.errors import ArtifactError, ConfigError
from recpress_edge.device.onnx_runtime import OnnxRuntime, why_missing
from recpress_edge.device.query import Catalogue, check_query
from recpress_edge.device.reference import ReferenceRuntime

EYE = np.eye(3, dtype=np.float32)


def test_reference_by_hand():
    # Three items on the axes, a user that likes 2 best, then 0; item 1 ties with nothing.
    runtime = ReferenceRuntime.from_float(np.array([[2, -1, 5]], np.float32), EYE)
    items, scores = runtime.recommend(0, [], 3)
    assert items.tolist() == [2, 0, 1]
    assert scores.tolist() == [5, 2, -1]
    assert runtime.recommend(0, [2], 3)[0].tolist() == [0, 1]


def test_reference_int8_ranks_before_it_scales():
    # 127·127 and 127·126 times a scale so small that float32 products underflow to the same zero.
    user_q, item_q = np.array([[127]], np.int8), np.array([[126], [127]], np.int8)
    items, scores = ReferenceRuntime.from_int8(user_q, item_q, np.array([1e-45], np.float32)).recommend(
        0, [], 2
    )
    assert items.tolist() == [1, 0]
    assert scores.dtype == np.float32


def test_reference_ties_go_to_the_lower_index():
    runtime = ReferenceRuntime.from_float(np.ones((1, 1), np.float32), np.ones((6, 1), np.float32))
    assert runtime.recommend(0, [1], 3)[0].tolist() == [0, 2, 3]


@pytest.mark.parametrize(
    ("seen", "k", "expected"),
    [([], 5, 5), ([0], 5, 4), ([0, 0, 0], 5, 4), ([0, 1, 2, 3, 4], 1, 0), ([0, 0], 2, 2)],
)
def test_k_is_capped_to_the_distinct_unseen_items(seen, k, expected):
    assert check_query(0, seen, k, Catalogue(n_users=1, n_items=5)).k == expected


@pytest.mark.parametrize(
    ("user", "seen", "k", "says"),
    [
        (-1, [], 1, "user index -1 is outside 0..3"),
        (4, [], 1, "user index 4"),
        (2**63, [], 1, "user index"),
        (0, [-1], 1, "seen item index outside 0..4: -1..-1"),
        (0, [5], 1, "seen item index outside"),
        (0, [0.5], 1, "list of integers"),
        (0, [[1]], 1, "2 axes"),
        (0, [], 0, "at least 1"),
        (0, [], -3, "at least 1"),
    ],
)
def test_ids_out_of_range_are_refused(user, seen, k, says):
    with pytest.raises(ConfigError, match=says):
        check_query(user, seen, k, Catalogue(n_users=4, n_items=5))


def test_a_model_that_does_not_fit_its_contract(tmp_path):
    tables = make_tables(4, 5, 2)
    path = tmp_path / "model.onnx"
    write_model(path, tables, "int8-dim")
    contract = make_contract(tables, "int8-dim")
    object.__setattr__(contract, "seen_input", "history")
    with pytest.raises(ArtifactError, match=r"does not fit its contract.*history"):
        OnnxRuntime(path, contract)
    path.write_bytes(b"not a model")
    with pytest.raises(ArtifactError, match="cannot load"):
        OnnxRuntime(path, make_contract(tables, "int8-dim"))


def test_missing_onnxruntime_says_what_to_do():
    assert "64-bit Raspberry Pi OS" in why_missing("armv7l", True, "No module")
    assert "64-bit Raspberry Pi OS" in why_missing("aarch64", True, "No module")  # 32-bit userland
    assert "pip install onnxruntime" in why_missing("aarch64", False, "No module")
    assert "pip install onnxruntime" in why_missing("x86_64", False, "No module")
