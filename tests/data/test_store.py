"""Data sets on disk, and finding one by its name."""

import json

import numpy as np
import pytest

from recpress_edge.core.errors import ArtifactError, ConfigError, DataError, StorageError
from recpress_edge.data import store
from recpress_edge.data.interactions import Dataset, Interactions
from recpress_edge.data.prepare import Preparation, Prepared, prepare
from recpress_edge.data.resolve import load_dataset
from recpress_edge.data.store import open_dataset, save_dataset, stored_names

ODD_IDS = ("plain", "line\u2028sep", "next\u0085line", "form\x0cfeed", " blanks ", "carriage\rreturn", "日本")


def prepared_set(name="mine", users=ODD_IDS):
    n = len(users)
    parts = [
        Interactions.from_pairs(np.arange(n), np.full(n, item), n, 3)  # everybody: train 0, valid 1, test 2
        for item in range(3)
    ]
    return Prepared(Dataset(name, *parts, users, ("x", "y", "z"), "given files", "none"), {"sources": []})


def test_a_data_set_comes_back_as_it_was(tmp_path):
    prepared = prepared_set()
    folder = save_dataset(prepared, tmp_path)
    back = open_dataset(folder)
    assert back.user_ids == ODD_IDS
    assert back.digest() == prepared.dataset.digest()
    assert (back.name, back.protocol, back.licence) == ("mine", "given files", "none")
    assert stored_names(tmp_path) == ["mine"]


def test_saving_twice_writes_the_same_bytes(tmp_path):
    a, b = (save_dataset(prepared_set(), tmp_path / sub) for sub in "ab")
    for name in ("manifest.json", "split.npz", "users.txt", "items.txt"):
        assert (a / name).read_bytes() == (b / name).read_bytes()


def test_nothing_is_replaced_without_force(tmp_path):
    folder = save_dataset(prepared_set(), tmp_path)
    with pytest.raises(ConfigError, match="exists already"):
        save_dataset(prepared_set(users=("a", "b")), tmp_path)
    assert open_dataset(folder).user_ids == ODD_IDS
    save_dataset(prepared_set(users=("a", "b")), tmp_path, force=True)
    assert open_dataset(folder).user_ids == ("a", "b")


@pytest.mark.parametrize("name", ["manifest.json", "split.npz", "users.txt", "items.txt"])
@pytest.mark.parametrize("damage", ["truncated", "one byte", "gone"])
def test_damage_is_found(tmp_path, name, damage):
    path = save_dataset(prepared_set(), tmp_path) / name
    data = path.read_bytes()
    if damage == "gone":
        path.unlink()
    elif damage == "truncated":
        path.write_bytes(data[: len(data) // 2])
    else:
        middle = data.rindex(b"a") if name == "manifest.json" else len(data) // 2
        path.write_bytes(data[:middle] + bytes([data[middle] ^ 1]) + data[middle + 1 :])
    with pytest.raises(ArtifactError):
        open_dataset(path.parent)


def test_pickled_arrays_are_not_loaded(tmp_path):
    folder = save_dataset(prepared_set(), tmp_path)
    np.savez(folder / "split.npz", train_indptr=np.array([{}], object))
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["files"]["split.npz"] = store.sha256_bytes((folder / "split.npz").read_bytes())
    (folder / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(ArtifactError, match="Object arrays cannot be loaded"):
        open_dataset(folder)


def test_a_newer_schema_is_refused(tmp_path):
    folder = save_dataset(prepared_set(), tmp_path)
    text = (folder / "manifest.json").read_text().replace("recpress.data/1", "recpress.data/2")
    (folder / "manifest.json").write_text(text)
    with pytest.raises(ArtifactError, match=r"recpress\.data/2"):
        open_dataset(folder)


def test_ids_that_cannot_be_lines_are_refused(tmp_path):
    for bad in ("two\nlines", ""):
        with pytest.raises(DataError, match="line feed"):
            save_dataset(prepared_set(users=("a", bad)), tmp_path)
    assert stored_names(tmp_path) == []


@pytest.mark.parametrize("name", ["../up", "a/b", "", ".hidden", "x" * 65, "a b"])
def test_names_that_are_no_folder_names(tmp_path, name):
    with pytest.raises(ConfigError, match="cannot name a data set"):
        load_dataset(name, tmp_path)


def test_a_work_folder_that_is_a_file(tmp_path):
    (tmp_path / "data").write_text("in the way")
    with pytest.raises(StorageError, match="cannot write"):
        save_dataset(prepared_set(), tmp_path)


def test_unknown_names_get_a_suggestion_and_public_ones_a_command(tmp_path, monkeypatch):
    monkeypatch.delenv("RECPRESS_DATA_DIR", raising=False)
    save_dataset(prepared_set("shoplog"), tmp_path)
    assert load_dataset("shoplog", tmp_path).user_ids == ODD_IDS
    with pytest.raises(ConfigError, match=r"Did you mean 'shoplog'.*recpress-edge data import LOG"):
        load_dataset("shoplgo", tmp_path)
    with pytest.raises(ConfigError, match="recpress-edge data fetch ml-1m"):
        load_dataset("ml-1m", tmp_path)
    with pytest.raises(ConfigError, match="nor in a folder that RECPRESS_DATA_DIR names"):
        load_dataset("citeulike", tmp_path)


def test_a_data_folder_that_is_none(tmp_path, monkeypatch):
    monkeypatch.setenv("RECPRESS_DATA_DIR", str(tmp_path / "nowhere"))
    with pytest.raises(DataError, match="is not a folder"):
        load_dataset("citeulike", tmp_path / "work")


@pytest.mark.parametrize(
    ("name", "counts"),
    [
        ("citeulike", (5_219, 25_181, 115_142, 5_219, 5_219)),
        ("gowalla", (29_858, 40_981, 719_081, 91_047, 217_242)),
        ("foursquare", (24_941, 28_593, 717_086 - 2 * 24_941, 24_941, 24_941)),
        ("beauty", (22_363, 12_101, 198_502 - 2 * 22_363, 22_363, 22_363)),
    ],
)
def test_real_sets(real_data, tmp_path, monkeypatch, name, counts):
    monkeypatch.setenv("RECPRESS_DATA_DIR", str(real_data))
    data = load_dataset(name, tmp_path)
    assert (data.n_users, data.n_items, len(data.train), len(data.valid), len(data.test)) == counts


def test_ml_100k_holds_out_the_last_two_liked_films(real_data, tmp_path, monkeypatch):
    monkeypatch.setenv("RECPRESS_DATA_DIR", str(real_data))
    data = load_dataset("ml-100k", tmp_path)
    lines = (real_data / "ml-100k/ml-100k.inter").read_text().splitlines()[1:]
    rows = [line.split("\t") for line in lines]
    liked = sorted(
        (int(time), int(item)) for user, item, rating, time in rows if user == "196" and float(rating) >= 4
    )
    user = data.user_ids.index("196")
    assert [data.item_ids[i] for i in data.test.of(user)] == [str(liked[-1][1])]
    assert [data.item_ids[i] for i in data.valid.of(user)] == [str(liked[-2][1])]
    assert len(data.train.of(user)) == len(liked) - 2


def test_the_order_of_a_log_is_stored_and_checked(tmp_path):
    path = tmp_path / "log.txt"
    path.write_text("u 9 4 7 1\nv 4 1 9\n")
    data = prepare("a", [path], Preparation(fmt="adjacency", split="loo-order")).dataset
    folder = save_dataset(prepare("a", [path], Preparation(fmt="adjacency", split="loo-order")), tmp_path)
    again = open_dataset(folder)
    assert [again.item_ids[i] for i in again.train.in_order()] == ["9", "4", "4"]
    assert again.order_digest() == data.order_digest()
    manifest = json.loads((folder / "manifest.json").read_text())
    (folder / "manifest.json").write_text(json.dumps(manifest | {"order_digest": "0" * 64}))
    with pytest.raises(ArtifactError, match="its order has digest"):
        open_dataset(folder)


def test_beauty_is_in_the_order_of_its_lines(real_data, tmp_path, monkeypatch):
    monkeypatch.setenv("RECPRESS_DATA_DIR", str(real_data))
    data = load_dataset("beauty", tmp_path)
    user, *items = (real_data / "beauty/sequences.txt").read_text().split("\n", 1)[0].split()
    index = data.user_ids.index(user)
    history = data.train.in_order()[data.train.indptr[index] : data.train.indptr[index + 1]]
    assert [data.item_ids[i] for i in history] == items[:-2]
    assert [data.item_ids[i] for i in data.valid.of(index)] == [items[-2]]
    assert [data.item_ids[i] for i in data.test.of(index)] == [items[-1]]


def test_the_same_log_gives_the_same_data_set(tmp_path):
    path = tmp_path / "log.csv"
    path.write_text("".join(f"u{u},i{(u * i) % 7}\n" for u in range(9) for i in range(6)))
    assert (
        prepare("a", [path], Preparation()).dataset.digest()
        == prepare("a", [path], Preparation()).dataset.digest()
    )
