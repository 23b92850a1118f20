"""Vectors of another program: placed by id, measured, exported, refused where something does not fit."""

import json

import numpy as np
import pytest
from safetensors.numpy import save_file

from recpress_edge import Recommender
from recpress_edge.cli import main
from recpress_edge.core.errors import ConfigError, DataError
from recpress_edge.core.progress import silent
from recpress_edge.data.vectors import Ids, place, read_array, read_ids, read_vectors, unit_rows, with_biases
from recpress_edge.jobs.data import load_data
from recpress_edge.jobs.model import ModelImportRequest
from recpress_edge.training.store import load_model


@pytest.fixture(scope="module")
def svd(tmp_path_factory):
    """A factorisation of the synthetic set, its rows shuffled and named, with two strangers."""
    folder = tmp_path_factory.mktemp("foreign")
    data = load_data("synthetic", folder, silent)
    seen = np.zeros((data.n_users, data.n_items), np.float32)
    seen[data.train.users(), data.train.indices] = 1
    left, values, right = np.linalg.svd(seen, full_matrices=False)
    tables = {"user": left[:, :8] * values[:8], "item": right[:8].T}
    rng = np.random.default_rng(0)
    for side, ids in (("user", data.user_ids), ("item", data.item_ids)):
        order = rng.permutation(len(ids))
        strange = rng.standard_normal((2, 8))
        np.save(folder / f"{side}.npy", np.concatenate([tables[side][order], strange]))
        names = [*(ids[row] for row in order), "nobody", "no one"]
        (folder / f"{side}.txt").write_text("".join(f"{name}\n" for name in names))
    return folder, data, tables


def request(folder, **changes):
    flags = {
        "name": "svd_dim8",
        "users": str(folder / "user.npy"),
        "items": str(folder / "item.npy"),
        "user_ids": folder / "user.txt",
        "item_ids": folder / "item.txt",
        "work": folder,
    }
    return ModelImportRequest(**(flags | changes))


def test_vectors_are_placed_by_their_ids_and_measured(svd):
    folder, data, tables = svd
    result = request(folder).run()
    model = load_model(result.model.folder)
    assert np.allclose(model.user_emb, tables["user"], atol=1e-6)
    assert np.allclose(model.item_emb, tables["item"], atol=1e-6)
    assert set(model.metadata["imported"]["files"]) == {"users", "items", "user_ids", "item_ids"}
    assert (result.users.left_out, result.items.left_out, result.items.without) == (2, 2, 0)
    scores = tables["user"] @ tables["item"].T
    scores[data.train.users(), data.train.indices] = -np.inf
    scores[data.test.users(), data.test.indices] = -np.inf  # leave-one-out masks the other held-out item
    best = np.argsort(-scores, axis=1, kind="stable")[data.valid.users(), :10]
    hits = (best == data.valid.indices[:, None]).any(axis=1)
    assert model.metadata["metrics"]["valid"]["recall@10"] == pytest.approx(hits.mean())


def test_from_the_command_line_to_a_bundle_that_answers(svd, capsys):
    folder, data, tables = svd
    words = ["model", "import", "--name", "svd_dim8", "--work", str(folder), "--json"]
    for side in ("user", "item"):
        words += [f"--{side}s", str(folder / f"{side}.npy"), f"--{side}-ids", str(folder / f"{side}.txt")]
    assert main(words) == 0
    model = json.loads(capsys.readouterr().out)["model"]
    for recipe in ("fp32", "int8-dim"):
        assert main(["export", "--student", model, "--recipe", recipe, "--work", str(folder)]) == 0
    capsys.readouterr()
    (bundle,) = [path for path in (folder / "dist").iterdir() if path.name.endswith("fp32")]
    user = int(data.valid.users()[0])
    seen = data.train.of(user)
    scores = tables["user"][user] @ tables["item"].T
    scores[seen] = -np.inf
    wanted = [data.item_ids[item] for item in np.argsort(-scores, kind="stable")[:5]]
    asked = [data.item_ids[item] for item in seen]
    assert Recommender.load(bundle).recommend(data.user_ids[user], asked, 5).items == wanted


def test_biases_take_a_dimension_each():
    user, item = np.array([[1.0, 2.0], [3.0, 4.0]]), np.array([[5.0, 6.0], [7.0, 8.0], [0.0, 1.0]])
    user_bias, item_bias = np.array([10.0, 20.0]), np.array([0.5, -0.5, 2.0])
    wide = with_biases(user, item, user_bias, item_bias)
    assert np.allclose(wide[0] @ wide[1].T, user @ item.T + user_bias[:, None] + item_bias)
    assert wide[0].shape == (2, 4)
    assert with_biases(user, item, None, None)[0] is user


def test_a_bias_changes_what_is_recommended(svd):
    folder, data, _ = svd
    bias = np.zeros(data.n_items + 2)
    names = read_ids(folder / "item.txt", "--item-ids")
    bias[names.index(data.item_ids[7])] = 100
    np.save(folder / "bias.npy", bias)
    model = request(folder, item_bias=str(folder / "bias.npy"), name="biased").run().model
    assert model.metadata["dim"] == 9
    assert ((model.user_emb @ model.item_emb.T).argmax(axis=1) == 7).all()


def test_a_cosine_is_a_product_of_rows_of_length_one(svd):
    folder, _, tables = svd
    model = request(folder, cosine=True, name="cosine").run().model
    assert np.allclose(np.linalg.norm(model.item_emb, axis=1), 1, atol=1e-6)
    assert np.allclose(model.user_emb, unit_rows(tables["user"]), atol=1e-6)
    with pytest.raises(ConfigError, match="--cosine has no biases"):
        request(folder, cosine=True, item_bias="x.npy").run()


def test_arrays_of_several_kinds_of_files(tmp_path):
    table = np.arange(6.0).reshape(3, 2)
    np.save(tmp_path / "a.npy", table)
    np.savez(tmp_path / "a.npz", users=table, items=table + 1)
    save_file({"users": table.astype("f4")}, tmp_path / "a.safetensors")
    for text in ("a.npy", "a.npz:users", "a.safetensors", "a.safetensors:users"):
        assert np.array_equal(read_vectors(str(tmp_path / text), "--users"), table)
    with pytest.raises(ConfigError, match=r"holds users, items\. Say which: .*a\.npz:users"):
        read_array(str(tmp_path / "a.npz"), "--users")
    with pytest.raises(ConfigError, match="holds users, items"):
        read_array(str(tmp_path / "a.npz:nobody"), "--users")
    with pytest.raises(ConfigError, match=r"\.npy, \.npz, \.safetensors"):
        read_array(str(tmp_path / "a.pkl"), "--users")
    np.save(tmp_path / "objects.npy", np.array([{}, []], object), allow_pickle=True)
    with pytest.raises(DataError, match="Pickled arrays are never opened"):
        read_array(str(tmp_path / "objects.npy"), "--users")
    (tmp_path / "cut.npy").write_bytes((tmp_path / "a.npy").read_bytes()[:-8])
    with pytest.raises(DataError, match="cannot be read"):
        read_array(str(tmp_path / "cut.npy"), "--users")


@pytest.mark.parametrize(
    ("table", "says"),
    [
        (np.array([[1.0, np.nan]]), "row 0 holds NaN"),
        (np.array([[1.0, 2.0], [1e39, 0.0]]), "row 1 holds NaN, infinity or a number beyond float32"),
        (np.array([1.0, 2.0]), "has the shape"),
        (np.array([["a", "b"]]), "not numbers"),
        (np.zeros((0, 3)), "has the shape"),
        (np.array([[True, False]]), "not numbers"),
    ],
)
def test_tables_that_are_no_vectors(tmp_path, table, says):
    np.save(tmp_path / "t.npy", table)
    with pytest.raises(DataError, match=says):
        read_vectors(str(tmp_path / "t.npy"), "--users")


def test_ids_of_several_kinds_of_files(tmp_path):
    (tmp_path / "a.txt").write_text("u 1\nu 2\n")
    (tmp_path / "a.json").write_text('["u 1", 2]')
    np.save(tmp_path / "a.npy", np.array([7, 8]))
    assert [read_ids(tmp_path / name, "--user-ids") for name in ("a.txt", "a.json", "a.npy")] == [
        ["u 1", "u 2"],
        ["u 1", "2"],
        ["7", "8"],
    ]
    for name, text in (("b.json", "{}"), ("c.json", '[["u"]]'), ("d.json", "[")):
        (tmp_path / name).write_text(text)
        with pytest.raises(DataError):
            read_ids(tmp_path / name, "--user-ids")


def test_vectors_that_do_not_fit_the_data_set():
    vectors = np.arange(6.0).reshape(3, 2)

    def placed(given, wanted, missing="error"):
        return place(vectors, Ids("item", given, wanted), missing)

    assert placed(["a", "b", "c"], ["c", "a"]).rows.tolist() == [[4, 5], [0, 1]]
    assert placed(["a", "b", "c"], ["c", "a"]).left_out == 1
    with pytest.raises(DataError, match=r"3 item vectors for the 2 items of the data set. Give their ids"):
        placed(None, ["a", "b"])
    with pytest.raises(DataError, match="has 2 ids for 3 vectors"):
        placed(["a", "b"], ["a"])
    with pytest.raises(DataError, match="names 'a' twice"):
        placed(["a", "b", "a"], ["a"])
    with pytest.raises(DataError, match="no item of the data set has a vector: there the ids are like 'A'"):
        placed(["a", "b", "c"], ["A"])
    with pytest.raises(DataError, match=r"1 of 2 items .* no vector, first 'd'.*--missing mean"):
        placed(["a", "b", "c"], ["a", "d"])
    assert placed(["a", "b", "c"], ["a", "d"], "mean").rows.tolist() == [[0, 1], [2, 3]]
    assert placed(["a", "b", "c"], ["a", "d"], "zero").rows.tolist() == [[0, 1], [0, 0]]


def test_transposed_tables_and_strange_names_are_refused(svd):
    folder, data, _ = svd
    np.save(folder / "wide.npy", np.zeros((data.n_items + 2, 9)))
    with pytest.raises(ConfigError, match="--users has 8 dimensions and --items 9"):
        request(folder, items=str(folder / "wide.npy")).run()
    with pytest.raises(ConfigError, match=r"whose vectors .*--user-ids FILE, or with --in-order"):
        request(folder, user_ids=None).run()
    with pytest.raises(DataError, match="Give their ids: --user-ids FILE"):
        request(folder, user_ids=None, in_order=True).run()
    with pytest.raises(ConfigError, match=r"--name '\.\./x'"):
        request(folder, name="../x").run()
