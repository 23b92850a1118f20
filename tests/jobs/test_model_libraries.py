"""The files that other libraries write, against what these libraries recommend: the same items.

What each library's files look like is tested without it in tests/data; this asks the libraries themselves.
"""

import importlib.util
import sys
from pathlib import Path

import numpy as np
import pytest

from recpress_edge.core.progress import silent
from recpress_edge.core.rng import stream
from recpress_edge.data.holdout import holdout
from recpress_edge.jobs.data import load_data
from recpress_edge.jobs.data_import import ImportRequest
from recpress_edge.jobs.model import ModelImportRequest

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))

import _foreign


def small_log(work):
    """80 users of two tastes, 12 of 120 items each."""
    rng = stream(0, "small log")
    rows = [(f"u{u}", f"i{i + 60 * (u % 2)}") for u in range(80) for i in rng.permutation(60)[:12]]
    (work / "small.csv").write_text("user,item\n" + "".join(f"{user},{item}\n" for user, item in rows))
    ImportRequest(path=work / "small.csv", name="small", work=work).run()
    return load_data("small", work, silent)


@pytest.mark.parametrize("name", _foreign.WAYS)
def test_a_model_recommends_what_its_library_recommends(name, tmp_path):
    package = _foreign.WAYS[name].package
    if importlib.util.find_spec(package) is None:
        pytest.skip(f"needs {package}: pip install {package}")
    data = small_log(tmp_path)
    rows = holdout(data, "test")
    trained = _foreign.WAYS[name].train(data, rows, tmp_path)
    model = ModelImportRequest(name="foreign", data="small", work=tmp_path, **trained.request).plan().model
    scores = model.user_emb[rows.users] @ model.item_emb.T
    mine = _foreign.best(lambda user: scores[np.searchsorted(rows.users, user)], rows)
    same = (np.sort(mine, axis=1) == np.sort(trained.lists, axis=1)).all(axis=1)
    assert same.mean() > 0.95  # float32 sums of another order may exchange the last of a list
