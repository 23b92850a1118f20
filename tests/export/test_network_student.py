"""Reading a trained network: what does not fit is refused, and named."""

import numpy as np
import pytest
from network_models import (
    DIM,
    N_ITEMS,
    N_USERS,
    neumf_arrays,
    read_neumf,
    read_sasrec,
    sasrec_arrays,
    write_network,
)

from recpress_edge.core.errors import ArtifactError
from recpress_edge.core.files import write_json
from recpress_export.networks.student import network_kind, read_network


def test_sizes_come_from_the_parameters(tmp_path):
    neumf, sasrec = read_neumf(tmp_path / "n"), read_sasrec(tmp_path / "s")
    assert (neumf.n_users, neumf.n_items, neumf.dim, neumf.history_length) == (N_USERS, N_ITEMS, DIM, 0)
    assert (sasrec.n_users, sasrec.n_items, sasrec.dim, sasrec.history_length) == (0, N_ITEMS, DIM, 10)
    assert neumf.table_bytes == sum(array.nbytes for array in neumf_arrays().values())


def test_a_model_that_is_two_tables_is_no_network(tmp_path):
    write_json(tmp_path / "model.json", {"name": "bpr_dim8"})
    assert network_kind(tmp_path) is None
    with pytest.raises(ArtifactError, match="states no architecture"):
        read_network(tmp_path)


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"item_gmf": np.zeros((N_ITEMS, DIM + 1), np.float32)}, r"item_gmf is \(60, 9\).* with d = 8"),
        ({"item_gmf": np.zeros((N_ITEMS - 1, DIM), np.float32)}, r"item_mlp is \(60, 16\).* with I = 59"),
        ({"output_bias": np.zeros((1,), np.float64)}, "output_bias is float64"),
        ({"odd": np.zeros((1,), np.float32)}, "'odd' is missing or unknown"),
        ({"user_gmf": np.full((N_USERS, DIM), np.nan, np.float32)}, "not finite"),
    ],
)
def test_parameters_that_do_not_fit(tmp_path, arrays, message):
    with pytest.raises(ArtifactError, match=message):
        read_neumf(tmp_path, **arrays)


def test_what_the_architecture_must_say(tmp_path):
    write_network(tmp_path, "sasrec", sasrec_arrays(), architecture={"kind": "sasrec", "heads": 3})
    with pytest.raises(ArtifactError, match="3 heads do not divide 8"):
        read_network(tmp_path)
    write_network(tmp_path, "sasrec", sasrec_arrays(), architecture={"kind": "gru"})
    with pytest.raises(ArtifactError, match="'gru'; this version exports neumf, sasrec, bert4rec, lrh"):
        read_network(tmp_path)


def test_a_changed_file_is_refused(tmp_path):
    read_neumf(tmp_path)
    (tmp_path / "model.safetensors").write_bytes((tmp_path / "model.safetensors").read_bytes()[:-1] + b"?")
    with pytest.raises(ArtifactError, match="SHA-256"):
        read_network(tmp_path)
