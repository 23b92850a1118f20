"""Items files: what is refused, and where the ids end up."""

import numpy as np
import pytest
from exports import DIM, items_file, rows

from recpress_edge.core.errors import ConfigError, DataError
from recpress_export.update import changes as catalogue
from recpress_export.update.changes import place, read_changes

IDS = [f"item-{n}" for n in range(10)]


def changes(folder, **arrays):
    return read_changes(items_file(folder / "items.npz", **arrays))


def test_indices_never_change_their_meaning(tmp_path):
    asked = changes(
        tmp_path, append_ids=["a", "b"], replace_ids=["item-7", "item-2"], retire_ids=["item-9", "item-0"]
    )
    placed = place(asked, IDS, retired=[4], dim=DIM)
    assert placed.item_ids == (*IDS, "a", "b")
    assert placed.rows.tolist() == [7, 2, 10, 11]
    assert placed.emb.tobytes() == asked.replace_emb.tobytes() + asked.append_emb.tobytes()
    assert placed.retired == (0, 4, 9)


def test_each_part_is_optional(tmp_path):
    placed = place(changes(tmp_path, retire_ids=["item-3"]), IDS, [], DIM)
    assert (placed.item_ids, placed.rows.size, placed.emb.shape) == (tuple(IDS), 0, (0, DIM))
    placed = place(changes(tmp_path, append_ids=["é 1"]), IDS, [], DIM)
    assert placed.item_ids[-1] == "é 1"


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({}, "asks for nothing"),
        ({"retire_ids": []}, "asks for nothing"),
        ({"append_ids": ["a"], "append_emb": np.ones((2, DIM), np.float32)}, r"expected float32 \(1, dim\)"),
        ({"append_ids": ["a"], "append_emb": np.ones((1, DIM))}, "append_emb is float64"),
        ({"append_ids": ["a"], "append_emb": np.ones(DIM, np.float32)}, r"append_emb is float32 \(6,\)"),
        ({"append_emb": np.ones((1, DIM), np.float32)}, r"expected float32 \(0, dim\)"),
        (
            {"append_ids": ["a"], "append_emb": np.full((1, DIM), np.nan, np.float32)},
            "NaN or infinity in row 0",
        ),
        ({"append_ids": ["a"], "append_emb": np.full((1, DIM), np.inf, np.float32)}, r"item id 'a'"),
        ({"append_ids": ["a", "a"]}, "'a' is twice in append_ids"),
        ({"replace_ids": ["a"], "retire_ids": ["a"]}, "'a' is in replace_ids and in retire_ids"),
        ({"append_ids": [""]}, "empty or has a line break"),
        ({"append_ids": ["a\nb"]}, "empty or has a line break"),
        ({"retire_ids": np.array([1, 2])}, r"retire_ids is int64 \(2,\), expected text"),
        ({"retire_ids": np.array([["a"]])}, "expected text"),
        ({"retire_ids": np.array(["a", None], object)}, "not as objects"),
    ],
)
def test_files_that_are_refused(tmp_path, arrays, message):
    with pytest.raises(DataError, match=message):
        changes(tmp_path, **arrays)


def test_ids_without_rows_and_unknown_arrays_are_refused(tmp_path):
    np.savez(tmp_path / "a.npz", append_ids=np.array(["a"]))
    with pytest.raises(DataError, match="append_ids needs append_emb"):
        read_changes(tmp_path / "a.npz")
    np.savez(tmp_path / "b.npz", retired_ids=np.array(["a"]))
    with pytest.raises(ConfigError, match="Did you mean 'retire_ids'"):
        read_changes(tmp_path / "b.npz")


def test_what_is_no_npz_is_refused(tmp_path):
    with pytest.raises(DataError, match="no such file"):
        read_changes(tmp_path / "none.npz")
    (tmp_path / "text.npz").write_text("hello")
    with pytest.raises(DataError, match="not an npz file"):
        read_changes(tmp_path / "text.npz")
    whole = items_file(tmp_path / "items.npz", retire_ids=["a"]).read_bytes()
    for cut in (10, len(whole) // 2, len(whole) - 5):
        (tmp_path / "cut.npz").write_bytes(whole[:cut])
        with pytest.raises(DataError, match="not an npz file"):
            read_changes(tmp_path / "cut.npz")


def test_a_file_that_claims_too_much_is_not_unpacked(tmp_path, monkeypatch):
    path = items_file(tmp_path / "items.npz", retire_ids=["a"])
    monkeypatch.setattr(catalogue, "MAX_FILE_BYTES", 10)
    with pytest.raises(DataError, match="claims"):
        read_changes(path)


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"append_ids": ["item-3"]}, r"'item-3' is there already \(index 3\)\. Use replace_ids"),
        ({"append_ids": ["item-4"]}, "'item-4' is retired, and an id never comes back"),
        ({"replace_ids": ["item-4"]}, "retired already"),
        ({"retire_ids": ["item-4"]}, "retired already"),
        ({"retire_ids": ["itm-5"]}, r"unknown item id 'itm-5'. Did you mean 'item-5'\?"),
        ({"retire_ids": ["ITEM-5 "]}, r"Did you mean 'item-5'\?"),
        (
            {"retire_ids": ["quite another"]},
            r"unknown item id 'quite another'\. Ids are those of items\.txt, to the letter: ",
        ),
        ({"retire_ids": [i for i in IDS if i != "item-4"]}, "retires every item"),
        (
            {"append_ids": ["a"], "append_emb": np.ones((1, 5), np.float32)},
            "append_emb has dim 5, the bundle has dim 6",
        ),
        ({"replace_ids": ["item-1"], "replace_emb": np.ones((1, 7), np.float32)}, "replace_emb has dim 7"),
    ],
)
def test_changes_that_do_not_fit_the_bundle(tmp_path, arrays, message):
    with pytest.raises(DataError, match=message):
        place(changes(tmp_path, **arrays), IDS, retired=[4], dim=DIM)


def test_too_many_retired_items_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(catalogue, "MAX_RETIRED", 2)
    with pytest.raises(DataError, match="3 retired items are more than 2"):
        place(changes(tmp_path, retire_ids=["item-1", "item-2"]), IDS, retired=[4], dim=DIM)


def test_rows_belong_to_their_ids(tmp_path):
    given = rows(2)
    placed = place(changes(tmp_path, replace_ids=["item-8", "item-1"], replace_emb=given), IDS, [], DIM)
    assert dict(zip(placed.rows.tolist(), placed.emb.tolist(), strict=True)) == {
        8: given[0].tolist(),
        1: given[1].tolist(),
    }


def test_as_many_retired_items_as_are_allowed(tmp_path, monkeypatch):
    monkeypatch.setattr(catalogue, "MAX_RETIRED", 3)
    placed = place(changes(tmp_path, retire_ids=["item-1", "item-2"]), IDS, retired=[4], dim=DIM)
    assert placed.retired == (1, 2, 4)


def test_all_items_but_one_may_be_retired(tmp_path):
    placed = place(
        changes(tmp_path, retire_ids=[i for i in IDS if i not in ("item-4", "item-7")]), IDS, [4], DIM
    )
    assert placed.retired == (0, 1, 2, 3, 4, 5, 6, 8, 9)
    placed = place(
        changes(tmp_path, retire_ids=[i for i in IDS if i != "item-4"], append_ids=["new"]), IDS, [4], DIM
    )
    assert placed.retired == tuple(range(10))  # the new one is left
