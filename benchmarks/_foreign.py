"""Models of other libraries for bring_your_own.py: each trained, asked and saved as its documentation says.

Nothing here knows our side: a library trains on the train pairs, gives its own lists, and leaves its files.
"""

import contextlib
import importlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from recpress_edge.artifacts.bundle import Evaluation
from recpress_edge.core.arrays import F32, I64
from recpress_edge.data.holdout import masked_items
from recpress_edge.data.interactions import Dataset, Interactions

K: Final = 50
DIM: Final = 64
Request = Mapping[str, Any]
"""Words of ModelImportRequest."""


@dataclass(frozen=True, slots=True)
class Trained:
    """What a library made of a data set."""

    lists: I64
    """Its own best items for each held-out user (B, K), as indices; -1 where there are fewer."""
    request: Request
    settings: str


def matrix(pairs: Interactions) -> Any:
    """(U, I) of ones, scipy's CSR."""
    sparse = importlib.import_module("scipy.sparse")
    ones = np.ones(len(pairs), np.float32)
    return sparse.csr_matrix((ones, pairs.indices, pairs.indptr), (pairs.n_users, pairs.n_items))


def best(scores_of: Callable[[int], NDArray[np.floating[Any]]], rows: Evaluation) -> I64:
    """The K unseen items of the highest scores, ties to the lower index; NaN is no item."""
    lists = np.full((rows.users.size, K), -1, np.int64)
    for row in range(rows.users.size):
        scores = np.array(scores_of(int(rows.users[row])), np.float64)
        scores[rows.seen(row)] = np.nan
        ranked: I64 = np.argsort(-scores, kind="stable")[:K]
        ranked = ranked[~np.isnan(scores[ranked])]
        lists[row, : ranked.size] = ranked
    return lists


def ids_of(data: Dataset, folder: Path) -> dict[str, str]:
    """The caller's maps from id to row, as JSON."""
    for side, names in (("user", data.user_ids), ("item", data.item_ids)):
        rows = {name: row for row, name in enumerate(names)}
        (folder / f"{side}_rows.json").write_text(json.dumps(rows), encoding="utf-8")
    return {f"{side}_ids": str(folder / f"{side}_rows.json") for side in ("user", "item")}


def _implicit(model: Any, settings: str, data: Dataset, rows: Evaluation, folder: Path) -> Trained:
    model.fit(matrix(data.train), show_progress=False)
    model.save(str(folder / "model.npz"))
    seen = matrix(masked_items(data, "test"))
    lists, _ = model.recommend(rows.users, seen[rows.users], N=K, filter_already_liked_items=True)
    request = {"source": folder / "model.npz", **ids_of(data, folder)}
    return Trained(lists.astype(np.int64), request, settings)


def implicit_als(data: Dataset, rows: Evaluation, folder: Path) -> Trained:
    settings = {"factors": DIM, "regularization": 0.05, "alpha": 2.0, "iterations": 15, "random_state": 0}
    library = importlib.import_module("implicit.als")
    model = library.AlternatingLeastSquares(num_threads=1, **settings)
    return _implicit(model, str(settings), data, rows, folder)


def implicit_bpr(data: Dataset, rows: Evaluation, folder: Path) -> Trained:
    settings = {"factors": DIM, "learning_rate": 0.05, "iterations": 60, "random_state": 0}
    model = importlib.import_module("implicit.bpr").BayesianPersonalizedRanking(num_threads=1, **settings)
    return _implicit(model, str(settings), data, rows, folder)


def lightfm(data: Dataset, rows: Evaluation, folder: Path) -> Trained:
    settings = {"no_components": DIM, "loss": "warp", "learning_rate": 0.05, "random_state": 0}
    model = importlib.import_module("lightfm").LightFM(**settings)
    model.fit(matrix(data.train).tocoo(), epochs=10, num_threads=1)
    user_biases, user_embeddings = model.get_user_representations()
    item_biases, item_embeddings = model.get_item_representations()
    np.savez(
        folder / "model.npz",
        user_embeddings=user_embeddings,
        user_biases=user_biases,
        item_embeddings=item_embeddings,
        item_biases=item_biases,
        user_ids=np.array(data.user_ids, str),
        item_ids=np.array(data.item_ids, str),
    )
    items = np.arange(data.n_items)
    lists = best(lambda user: np.asarray(model.predict(user, items)), rows)
    return Trained(lists, {"source": folder / "model.npz"}, f"{settings}, 10 epochs")


def lenskit_als(data: Dataset, rows: Evaluation, folder: Path) -> Trained:
    settings = {"embedding_size": DIM, "epochs": 10, "weight": 40, "user_embeddings": "prefer"}
    pandas, lenskit = importlib.import_module("pandas"), importlib.import_module("lenskit.data")
    als, training = importlib.import_module("lenskit.als"), importlib.import_module("lenskit.training")
    names = np.array(data.user_ids)[data.train.users()], np.array(data.item_ids)[data.train.indices]
    frame = pandas.DataFrame({"user_id": names[0], "item_id": names[1]})
    model = als.ImplicitMFScorer(als.ImplicitMFConfig(**settings))
    model.train(lenskit.from_interactions_df(frame), training.TrainingOptions(rng=0))
    np.savez(
        folder / "model.npz",
        user_embeddings=model.user_embeddings,
        item_embeddings=model.item_embeddings,
        user_ids=np.array(list(model.users), str),
        item_ids=np.array(list(model.items), str),
    )
    items = lenskit.ItemList(item_ids=list(data.item_ids))

    def scores_of(user: int) -> F32:
        found: F32 = model(lenskit.RecQuery(user_id=data.user_ids[user]), items).scores("numpy")
        return found

    request = {"source": folder / "model.npz", "missing": "zero"}
    return Trained(best(scores_of, rows), request, str(settings))


def gensim(data: Dataset, rows: Evaluation, folder: Path) -> Trained:
    settings = {"vector_size": DIM, "window": 50, "sg": 1, "negative": 10, "epochs": 20, "seed": 0}
    word2vec = importlib.import_module("gensim.models").Word2Vec
    baskets = [[data.item_ids[item] for item in data.train.of(user)] for user in range(data.n_users)]
    keyed = word2vec(baskets, min_count=1, workers=1, **settings).wv
    keyed.save_word2vec_format(str(folder / "items.txt"))
    places = np.array([keyed.key_to_index.get(name, -1) for name in data.item_ids])

    def scores_of(user: int) -> F32:
        similar = np.append(keyed.most_similar(positive=baskets[user], topn=None), np.nan)
        found: F32 = similar[places].astype(np.float32)
        return found

    request = {"source": folder / "items.txt", "missing": "zero"}
    return Trained(best(scores_of, rows), request, str(settings))


def _recbole(name: str, data: Dataset, rows: Evaluation, folder: Path, epochs: int) -> Trained:
    _let_recbole_load()
    written = folder / "log"
    written.mkdir()
    for part in ("train", "valid", "test"):
        pairs: Interactions = getattr(data, part)
        lines = (
            f"{data.user_ids[u]}\t{data.item_ids[i]}\n"
            for u, i in zip(pairs.users(), pairs.indices, strict=True)
        )
        text = "user_id:token\titem_id:token\n" + "".join(lines)
        (written / f"log.{part}.inter").write_text(text, encoding="utf-8")
    settings = {"embedding_size": DIM, "epochs": epochs, "eval_step": 5, "seed": 0}
    parts = {"benchmark_filename": ["train", "valid", "test"], "load_col": {"inter": ["user_id", "item_id"]}}
    places = {
        "data_path": str(folder),
        "checkpoint_dir": str(folder),
        "use_gpu": False,
        "show_progress": False,
    }
    config = importlib.import_module("recbole.config").Config(
        name, "log", config_dict=settings | parts | places
    )
    utils, prepared = importlib.import_module("recbole.utils"), importlib.import_module("recbole.data")
    utils.init_seed(0, reproducibility=True)
    log = prepared.create_dataset(config)
    train, valid, _ = prepared.data_preparation(config, log)
    model = utils.get_model(name)(config, train.dataset)
    with contextlib.chdir(folder):  # its log of training goes to the current folder
        trainer = utils.get_trainer(config["MODEL_TYPE"], name)(config, model)
        trainer.fit(train, valid, saved=True, show_progress=False)
    tokens = {side: log.field2id_token[f"{side}_id"] for side in ("user", "item")}
    for side, names in tokens.items():
        np.save(folder / f"{side}_ids.npy", names.astype(str))
    checkpoint = Path(trainer.saved_model_file)
    _load_weights(model, checkpoint)
    inside = {side: log.token2id(f"{side}_id", list(getattr(data, f"{side}_ids"))) for side in tokens}

    def scores_of(user: int) -> F32:
        one = prepared.Interaction({"user_id": np.array([inside["user"][user]])})
        found: F32 = model.full_sort_predict(one).detach().numpy()[inside["item"]]
        return found

    ids = {f"{side}_ids": str(folder / f"{side}_ids.npy") for side in tokens}
    return Trained(best(scores_of, rows), {"source": checkpoint, **ids}, str(settings))


def _load_weights(model: Any, checkpoint: Path) -> None:
    """The best epoch's, as RecBole's own evaluate does; the file was written by this process."""
    torch = importlib.import_module("torch")
    saved = torch.load(checkpoint, weights_only=False)
    model.load_state_dict(saved["state_dict"])
    model.load_other_parameter(saved["other_parameter"])
    model.eval()


def _let_recbole_load() -> None:
    """RecBole 1.2.1 is of numpy 1 and an older scipy: the three names that it misses."""
    for name, kind in {"float_": np.float64, "complex_": np.complex128, "unicode_": np.str_}.items():
        if not hasattr(np, name):
            setattr(np, name, kind)
    dok = importlib.import_module("scipy.sparse").dok_matrix
    if not hasattr(dok, "_update"):
        dok._update = lambda self, entries: self._dict.update(entries)


def recbole_bpr(data: Dataset, rows: Evaluation, folder: Path) -> Trained:
    return _recbole("BPR", data, rows, folder, epochs=20)


def recbole_lightgcn(data: Dataset, rows: Evaluation, folder: Path) -> Trained:
    return _recbole("LightGCN", data, rows, folder, epochs=20)


@dataclass(frozen=True, slots=True)
class Way:
    """One model of one library."""

    package: str
    train: Callable[[Dataset, Evaluation, Path], Trained]


WAYS: Final[Mapping[str, Way]] = {
    "implicit ALS": Way("implicit", implicit_als),
    "implicit BPR": Way("implicit", implicit_bpr),
    "LightFM WARP": Way("lightfm", lightfm),
    "LensKit ImplicitMF": Way("lenskit", lenskit_als),
    "gensim Word2Vec": Way("gensim", gensim),
    "RecBole BPR": Way("recbole", recbole_bpr),
    "RecBole LightGCN": Way("recbole", recbole_lightgcn),
}
