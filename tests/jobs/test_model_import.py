"""Vectors of another program: placed by id, measured, exported, refused where something does not fit."""

import json

import numpy as np
import pytest
from scipy.sparse.linalg import svds

from recpress_edge import Recommender
from recpress_edge.cli import main
from recpress_edge.core.errors import ConfigError, DataError
from recpress_edge.core.progress import silent
from recpress_edge.data.vectors.sides import read_ids
from recpress_edge.jobs.data import load_data
from recpress_edge.jobs.model import ModelImportRequest, Vectors
from recpress_edge.training.store import load_model


@pytest.fixture(scope="module")
def svd(tmp_path_factory):
    """A factorisation of the synthetic set, its rows shuffled and named, with two strangers."""
    folder = tmp_path_factory.mktemp("foreign")
    data = load_data("synthetic", folder, silent)
    seen = np.zeros((data.n_users, data.n_items), np.float32)
    seen[data.train.users(), data.train.indices] = 1
    left, values, right = svds(seen, 8, v0=np.ones(data.n_users, np.float32))
    tables = {"user": left * values, "item": right.T}
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
        "user_ids": str(folder / "user.txt"),
        "item_ids": str(folder / "item.txt"),
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


def test_a_bias_changes_what_is_recommended(svd):
    folder, data, _ = svd
    bias = np.zeros(data.n_items + 2)
    names = read_ids(str(folder / "item.txt"), "item")
    bias[names.index(data.item_ids[7])] = 100
    np.save(folder / "bias.npy", bias)
    model = request(folder, item_bias=str(folder / "bias.npy"), name="biased").run().model
    assert model.metadata["dim"] == 9
    assert ((model.user_emb @ model.item_emb.T).argmax(axis=1) == 7).all()


@pytest.mark.parametrize(
    ("bias", "missing", "said"), [(-10, "zero", True), (-10, "mean", False), (0, "zero", False)]
)
def test_items_without_a_vector_that_come_first_are_said(svd, bias, missing, said):
    """A score of zero is above negative ones."""
    folder, data, tables = svd
    known = np.argsort(-data.train.item_counts(), kind="stable")[:-5]
    names = [data.item_ids[item] for item in known]
    items = Vectors(tables["item"][known], names, np.full(known.size, bias))
    told = []
    users = Vectors(tables["user"], data.user_ids)
    asked = ModelImportRequest(name="without", users=users, items=items, missing=missing, work=folder)
    asked.plan(lambda event: told.append(str(event)))
    assert any("users get items without a vector in their first 10" in one for one in told) == said


def test_a_large_bias_of_users_takes_no_levels_from_their_int8(svd):
    """It changes no ranking, and the fp32 file keeps it."""
    folder, data, tables = svd
    bias = np.full(data.n_users, 20 * np.abs(tables["user"] @ tables["item"].T).max())
    sides = {
        "users": Vectors(tables["user"], data.user_ids, bias),
        "items": Vectors(tables["item"], data.item_ids),
    }
    model = ModelImportRequest(name="biased_users", work=folder, **sides).run().model
    assert model.user_emb[:, -1] == pytest.approx(bias)
    assert main(["export", "--student", str(model.folder), "--int8", "--work", str(folder)]) == 0
    bundle = Recommender.load(folder / "dist" / "biased_users-int8")
    scores = tables["user"][3] @ tables["item"].T
    best = {data.item_ids[item] for item in np.argsort(-scores)[:20]}
    assert len(best & set(bundle.recommend(data.user_ids[3], [], 20).items)) >= 18


@pytest.mark.parametrize(
    ("user", "item", "bias"),
    [(1e22, 1e22, 0), (1e-25, 1e-25, 0), (1, 1, 1e9)],
    ids=["large", "small", "bias"],
)
def test_products_that_float32_cannot_hold_are_refused(svd, user, item, bias):
    folder, data, tables = svd
    sides = {
        "users": Vectors(tables["user"] * user, data.user_ids, np.full(data.n_users, bias)),
        "items": Vectors(tables["item"] * item, data.item_ids),
    }
    with pytest.raises(DataError, match=r"in float32.*user 'user-0000'.*Bring both to the size of 1"):
        ModelImportRequest(name="out_of_range", work=folder, **sides).plan()


def test_a_large_factor_on_one_side_changes_no_ranking(svd):
    folder, data, tables = svd
    sides = {
        "users": Vectors(tables["user"], data.user_ids),
        "items": Vectors(tables["item"] * 1e30, data.item_ids),
    }
    found = ModelImportRequest(name="scaled", work=folder, **sides).plan().model.metadata["metrics"]
    assert found == request(folder).plan().model.metadata["metrics"]


def test_a_cosine_is_a_product_of_rows_of_length_one(svd):
    folder, _, tables = svd
    model = request(folder, cosine=True, name="cosine").run().model
    assert np.allclose(np.linalg.norm(model.item_emb, axis=1), 1, atol=1e-6)
    lengths = np.linalg.norm(tables["user"], axis=1, keepdims=True)
    assert np.allclose(model.user_emb, tables["user"] / lengths, atol=1e-6)
    with pytest.raises(ConfigError, match="--cosine has no biases"):
        request(folder, cosine=True, item_bias="x.npy").run()
    biased = Vectors(tables["item"], list(range(len(tables["item"]))), np.zeros(len(tables["item"])))
    with pytest.raises(ConfigError, match="--cosine has no biases"):
        request(folder, cosine=True, items=biased, item_ids=None).run()


def test_transposed_tables_and_strange_names_are_refused(svd):
    folder, data, _ = svd
    np.save(folder / "wide.npy", np.zeros((data.n_items + 2, 9)))
    with pytest.raises(ConfigError, match="the users have 8 dimensions and the items 9"):
        request(folder, items=str(folder / "wide.npy")).run()
    with pytest.raises(ConfigError, match=r"whose are the user vectors.*--user-ids FILE, or with --in-order"):
        request(folder, user_ids=None).run()
    with pytest.raises(DataError, match="Give their ids: --user-ids FILE"):
        request(folder, user_ids=None, in_order=True).run()
    with pytest.raises(ConfigError, match=r"--name '\.\./x'"):
        request(folder, name="../x").run()


def test_arrays_in_memory_need_no_files(svd):
    _, data, tables = svd
    sides = {
        "users": Vectors(tables["user"], data.user_ids),
        "items": Vectors(tables["item"], {name: row for row, name in enumerate(data.item_ids)}),
    }
    result = ModelImportRequest(name="svd", work=svd[0], **sides).plan()
    assert np.allclose(result.model.user_emb, tables["user"], atol=1e-6)
    assert result.model.metadata["imported"]["files"] == {}
    assert not result.model.folder.exists()
    with pytest.raises(ConfigError, match="--user-ids belongs to a file"):
        ModelImportRequest(name="svd", user_ids="x.txt", **sides).plan()


def test_what_python_gives_in_place_of_a_file_is_a_path_or_vectors(svd):
    folder, _, tables = svd
    request(folder, users=folder / "user.npy").plan()
    with pytest.raises(ConfigError, match=r"items is of the type ndarray: write Vectors\(items, ids=…\)"):
        request(folder, items=tables["item"], item_ids=None).plan()
    with pytest.raises(ConfigError, match=r"unknown missing 'mena'. Did you mean 'mean'"):
        request(folder, missing="mena").plan()


def test_a_dry_run_reads_and_says_and_writes_nothing(svd, capsys):
    folder, _, _ = svd
    words = ["model", "import", "--name", "dry", "--work", str(folder), "--dry-run"]
    for side in ("user", "item"):
        words += [f"--{side}s", str(folder / f"{side}.npy"), f"--{side}-ids", str(folder / f"{side}.txt")]
    assert main(words) == 0
    said = capsys.readouterr().out
    assert "would be" in said
    assert "recall@" in said
    assert not list((folder / "models").glob("dry*"))


@pytest.mark.parametrize("wrong", ["user", "item"])
def test_rows_in_another_order_than_the_ids_are_noticed(svd, wrong):
    """Users in a wrong order still find what is popular; it is not theirs."""
    folder, data, tables = svd
    shuffled = {side: table.copy() for side, table in tables.items()}
    np.random.default_rng(3).shuffle(shuffled[wrong])
    said = []
    for name, given in (("right", tables), ("wrong", shuffled)):
        sides = {"users": Vectors(given["user"]), "items": Vectors(given["item"])}
        result = ModelImportRequest(name=name, in_order=True, work=folder, **sides).plan(
            lambda event: said.append(event.text)
        )
        assert bool(result.model.metadata["plausibility"]["doubts"]) == (name == "wrong")
    assert any(
        text.startswith("warning    users fit what they themselves consumed no better")
        and text.endswith("are the rows in the order of the data set's users.txt and items.txt?")
        for text in said
    )
    assert data.n_users == len(tables["user"])


def test_users_that_are_the_mean_of_what_they_consumed(svd):
    folder, data, tables = svd
    known = [row for row in range(data.n_items) if row != 5]
    items = Vectors(tables["item"][known], [data.item_ids[row] for row in known])
    with pytest.raises(ConfigError, match=r"who are the users.*--users mean"):
        ModelImportRequest(name="i2v", items=items).plan()
    model = ModelImportRequest(name="i2v", users="mean", items=items, missing="zero", work=folder).run().model
    user = int(np.argmax((data.train.indices == 5)[data.train.indptr[:-1]]))
    for one in (user, 0, 1):
        taken = [item for item in data.train.of(one) if item != 5]
        assert np.allclose(model.user_emb[one], tables["item"][taken].mean(axis=0), atol=1e-6)
    words = ["export", "--student", str(model.folder), "--recipe", "fp32", "--profile", "history"]
    assert main([*words, "--work", str(folder)]) == 0
    (bundle,) = (folder / "dist").glob("i2v*history*")
    seen = [data.item_ids[item] for item in data.train.of(7)]
    scores = model.user_emb[7] @ model.item_emb.T
    scores[data.train.of(7)] = -np.inf
    wanted = [data.item_ids[item] for item in np.argsort(-scores, kind="stable")[:5]]
    assert Recommender.load(bundle).recommend(seen=seen, k=5).items == wanted


@pytest.mark.parametrize(
    ("flags", "says"),
    [
        ({"users": None, "items": None}, "give --from FILE of a library, or --users FILE and --items FILE"),
        ({"source": "m.npz"}, "--from says what the vectors are"),
        ({"items": "mean", "item_ids": None}, "vectors are read from"),
        ({"users": "mean"}, "--user-ids belongs to a file"),
        ({"in_order": True}, "--in-order is for rows without ids"),
    ],
)
def test_flags_that_do_not_go_together(svd, flags, says):
    with pytest.raises(ConfigError, match=says):
        request(svd[0], **flags).run()


def test_a_library_is_said_and_recorded(svd):
    folder, data, tables = svd
    path = folder / "als.npz"
    settings = {"factors": 8, "dtype": "float32", "random_state": np.array(np.random.default_rng(0))}
    np.savez(path, user_factors=tables["user"], item_factors=tables["item"], **settings)
    said = []
    ids = {f"{side}_ids": str(folder / f"{side}s.json") for side in ("user", "item")}
    for side, names in (("user", data.user_ids), ("item", data.item_ids)):
        rows = {name: row for row, name in enumerate(names)}
        (folder / f"{side}s.json").write_text(json.dumps(rows))
    asked = ModelImportRequest(name="als", source=path, work=folder, **ids)
    model = asked.plan(lambda event: said.append(event.text)).model
    assert said[0] == "read as    implicit: user_factors, item_factors"
    assert model.metadata["imported"]["library"] == "implicit"
    assert np.allclose(model.item_emb, tables["item"], atol=1e-6)
    with pytest.raises(ConfigError, match="whose are the user vectors"):
        ModelImportRequest(name="als", source=path, work=folder).plan()
