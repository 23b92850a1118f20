"""Vectors of other programs: read from each kind of file, checked with the place, placed by id."""

import json

import numpy as np
import pytest
import torch
from safetensors.numpy import save_file
from safetensors.torch import save_file as torch_file
from small_data import two_tastes

from recpress_edge.core.errors import ConfigError, DataError
from recpress_edge.data.vectors.arrays import read_array
from recpress_edge.data.vectors.libraries import LAYOUTS, recognised
from recpress_edge.data.vectors.placing import PlacedVectors, mean_of_items, place, score_tables, unit
from recpress_edge.data.vectors.sides import Side, Vectors, checked, read_ids, read_vectors

TABLE = np.arange(6.0).reshape(3, 2)


def rows_of(text):
    return checked(read_vectors("item", str(text), None, None), "item")


def test_arrays_of_several_kinds_of_files(tmp_path):
    np.save(tmp_path / "a.npy", TABLE)
    np.savez(tmp_path / "a.npz", users=TABLE, items=TABLE + 1)
    save_file({"users": TABLE.astype("f4")}, tmp_path / "a.safetensors")
    for text in ("a.npy", "a.npz:users", "a.safetensors", "a.safetensors:users"):
        assert np.array_equal(rows_of(tmp_path / text).rows, TABLE)
    with pytest.raises(ConfigError, match=r"holds users, items\. Say which: .*a\.npz:users"):
        read_array(str(tmp_path / "a.npz"), "--users")
    with pytest.raises(ConfigError, match="holds users, items"):
        read_array(str(tmp_path / "a.npz:nobody"), "--users")
    with pytest.raises(ConfigError, match=r"vectors are read from \.npy, \.npz, \.safetensors, .*\.parquet"):
        rows_of(tmp_path / "a.pkl")
    np.save(tmp_path / "objects.npy", np.array([{}, []], object), allow_pickle=True)
    with pytest.raises(DataError, match="Pickled arrays are never opened"):
        rows_of(tmp_path / "objects.npy")
    (tmp_path / "cut.npy").write_bytes((tmp_path / "a.npy").read_bytes()[:-8])
    with pytest.raises(DataError, match="cannot be read"):
        rows_of(tmp_path / "cut.npy")


def test_bfloat16_of_safetensors_is_widened_and_smaller_types_are_refused(tmp_path):
    tensors = {"items": torch.from_numpy(TABLE).bfloat16(), "more": torch.ones(2)}
    torch_file(tensors, tmp_path / "a.safetensors")
    assert np.array_equal(rows_of(tmp_path / "a.safetensors:items").rows, TABLE)
    torch_file({"items": torch.ones(3, 2).to(torch.float8_e4m3fn)}, tmp_path / "b.safetensors")
    with pytest.raises(DataError, match=r"items is of the type F8_E4M3.*numbers as float32"):
        rows_of(tmp_path / "b.safetensors")


@pytest.mark.parametrize(
    ("table", "says"),
    [
        (np.array([[1.0, np.nan]]), "row 0 .id 'a'. holds NaN"),
        (
            np.array([[1.0, 2.0], [1e39, 0.0]]),
            "row 1 .id 'b'. holds NaN, infinity or a number beyond float32",
        ),
        (np.array([1.0]), "has the shape"),
        (np.array([["a", "b"]]), "not numbers"),
        (np.zeros((0, 3)), "has the shape"),
        (np.array([[True, False]]), "not numbers"),
        (np.zeros((3, 2)), "2 user ids for 3 vectors of the array.*a row of padding"),
    ],
)
def test_tables_that_are_no_vectors(table, says):
    with pytest.raises(DataError, match=says):
        checked(Vectors(table, ["a", "b"][: len(table)]), "user")


@pytest.mark.parametrize(
    ("ids", "says"),
    [
        (["a", "b", "a"], "name 'a' twice, in rows 0 and 2"),
        ([1, "1", 2], "name '1' twice, in rows 0 and 1"),
        (["a", None, "c"], "id of row 1 is None"),
        ([1.0, 2.0, 3.0], "id of row 0 is 1.0; ids are texts or integers"),
        ({"a": 0, "b": 1, "c": 3}, "does not lead to the rows 0 to 2, each once: 'c' has 3"),
        ({"a": 0, "b": 1, "c": 1}, "'c' has 1"),
        ({"a": 1, "b": 2, "c": 3}, "'a' has 1"),
        ({"a": "0", "b": "1", "c": "2"}, "does not lead to the rows 0 to 2"),
        ({"0": "a", "1": "b", "2": "c"}, "It leads from row to id: turn it round"),
        ({0: 7, 1: 8, 2: 9}, "0 has 7. It leads from row to id: turn it round"),
        ({"a": 10**30, "b": 1, "c": 2}, "'b' has 1"),
        ({"a", "b", "c"}, "the user ids are a set, which has no order"),
        ("abc", "the one text 'abc'; expected a list, one id a row"),
        (3, "the user ids are 3; expected a list"),
        ([["a"], ["b"], ["c"]], "id of row 0 is .'a'.; ids are texts or integers"),
        (["item", "a", "", "c"], "a header among the ids .the first is 'item'.*Row 2 has an empty id"),
    ],
)
def test_ids_that_do_not_name_each_row_once(ids, says):
    with pytest.raises(DataError, match=says):
        checked(Vectors(TABLE, ids), "user")


def test_ids_in_memory_are_a_list_an_array_a_tensor_or_a_dict():
    for ids in ([4, 7, 9], (4, 7, 9), np.array(["4", "7", "9"]), torch.tensor([4, 7, 9]), {9: 2, 4: 0, 7: 1}):
        assert checked(Vectors(TABLE, ids), "user").ids == ["4", "7", "9"]


def test_tables_in_memory_are_arrays_lists_or_tensors_of_any_type():
    parameter = torch.nn.Parameter(torch.from_numpy(TABLE.copy()))
    for rows in (TABLE.tolist(), parameter, parameter.bfloat16(), torch.from_numpy(TABLE.astype("i4"))):
        assert np.array_equal(checked(Vectors(rows), "user").rows, TABLE)
    with pytest.raises(DataError, match=r"row 2 .id 'c'. holds a masked number"):
        checked(Vectors(np.ma.masked_equal(TABLE, 5.0), ["a", "b", "c"]), "user")
    with pytest.raises(DataError, match="the array is no table of numbers"):
        checked(Vectors([[1.0], [2.0, 3.0]]), "user")


def test_biases_are_one_for_each_row():
    bias = np.arange(6.0)
    for given in (bias, bias[:, None], bias[None], torch.nn.Parameter(torch.from_numpy(bias))):
        assert np.array_equal(checked(Vectors(np.ones((6, 2)), None, given), "user").biases, bias)
    with pytest.raises(DataError, match=r"biases of the shape \(2, 3\)"):
        checked(Vectors(np.ones((6, 2)), None, bias.reshape(2, 3)), "user")


def test_ids_of_several_kinds_of_files(tmp_path):
    (tmp_path / "a.txt").write_text("u 1\nu 2\n")
    (tmp_path / "a.json").write_text('["u 1", 2]')
    np.save(tmp_path / "a.npy", np.array([7, 8]))
    np.savez(tmp_path / "a.npz", users=np.array(["x", "y"]), other=TABLE)
    assert [
        read_ids(str(tmp_path / name), "user") for name in ("a.txt", "a.json", "a.npy", "a.npz:users")
    ] == [
        ["u 1", "u 2"],
        ["u 1", "2"],
        ["7", "8"],
        ["x", "y"],
    ]
    (tmp_path / "rows.json").write_text(json.dumps({"b": 1, "a": 0, "c": 2}))
    assert checked(Vectors(TABLE, read_ids(str(tmp_path / "rows.json"), "user")), "user").ids == [
        "a",
        "b",
        "c",
    ]
    for name, text in (
        ("b.json", "3"),
        ("c.json", '[["u"]]'),
        ("d.json", "["),
        ("e.json", '{"a": 0, "a": 1}'),
        ("f.json", "[" * 100_000),
    ):
        (tmp_path / name).write_text(text)
        with pytest.raises(DataError):
            read_ids(str(tmp_path / name), "user")
    with pytest.raises(DataError, match=r"expected texts or integers \(N,\)"):
        read_ids(str(tmp_path / "a.npz:other"), "user")


def test_vectors_that_do_not_fit_the_data_set():
    def placed(given, wanted, missing="error"):
        return place(Side("item", TABLE, given, None), wanted, missing)

    assert placed(["a", "b", "c"], ["c", "a"]).rows.tolist() == [[4, 5], [0, 1]]
    assert placed(["a", "b", "c"], ["c", "a"]).left_out == 1
    with pytest.raises(DataError, match=r"3 item vectors for the 2 items of the data set. Give their ids"):
        placed(None, ["a", "b"])
    with pytest.raises(DataError, match="no item of the data set has a vector: there the ids are like 'A'"):
        placed(["a", "b", "c"], ["A"])
    with pytest.raises(DataError, match=r"1 of 2 items .* no vector, first 'd'.*--missing mean"):
        placed(["a", "b", "c"], ["a", "d"])
    assert placed(["a", "b", "c"], ["a", "d"], "mean").rows.tolist() == [[0, 1], [2, 3]]
    assert placed(["a", "b", "c"], ["a", "d"], "zero").rows.tolist() == [[0, 1], [0, 0]]
    assert placed(["a", "b", "c"], ["a", "d"], "zero").absent.tolist() == [False, True]


def test_biases_take_a_dimension_each_and_go_with_their_rows():
    user, item = np.array([[1.0, 2.0], [3.0, 4.0]]), np.array([[5.0, 6.0], [7.0, 8.0], [0.0, 1.0]])
    user_bias, item_bias = np.array([10.0, 20.0]), np.array([0.5, -0.5, 2.0])
    users = place(checked(Vectors(user, ["u", "v"], user_bias), "user"), ["v", "u"], "error")
    items = place(checked(Vectors(item, None, item_bias), "item"), ["a", "b", "c"], "error")
    left, right = score_tables(users, items)
    assert left.shape == (2, 4)
    assert np.allclose(left @ right.T, (user @ item.T + user_bias[:, None] + item_bias)[::-1])
    with pytest.raises(DataError, match="2 item biases for 3 vectors"):
        checked(Vectors(item, None, user_bias), "item")
    with pytest.raises(ConfigError, match="users have 2 dimensions and the items 3"):
        score_tables(users, PlacedVectors(np.zeros((3, 3)), np.zeros(3, bool), 0))


def test_rows_of_zeros_stay_under_a_cosine():
    rows = unit(PlacedVectors(np.array([[3.0, 4.0], [0.0, 0.0]]), np.zeros(2, bool), 0)).rows
    assert rows.tolist() == [[0.6, 0.8], [0.0, 0.0]]


def test_the_mean_of_what_was_consumed_counts_only_items_with_a_vector():
    data = two_tastes()
    rows = np.random.default_rng(0).standard_normal((data.n_items, 3))
    absent = np.zeros(data.n_items, bool)
    absent[:10] = True
    users = mean_of_items(PlacedVectors(rows, absent, 0), data.train)
    for user in range(data.n_users):
        own = [item for item in data.train.of(user) if item >= 10]
        assert np.allclose(users.rows[user], rows[own].mean(axis=0))
    none = mean_of_items(PlacedVectors(rows, ~absent, 0), data.train)
    assert none.without == sum(all(item >= 10 for item in data.train.of(u)) for u in range(data.n_users)) > 0


@pytest.mark.parametrize("ending", ["\n", " \n", "\r\n"])
def test_word2vec_texts(tmp_path, ending):
    path = tmp_path / "items.txt"
    lines = ["3 2", "toy story 1.5 -2", "b 3 4e-1", "1 2 5 6"]  # an id may hold blanks
    path.write_text("".join(line + ending for line in lines), newline="")
    found = rows_of(path)
    assert found.ids == ["toy story", "b", "1 2"]
    assert found.rows.tolist() == [[1.5, -2], [3, 0.4], [5, 6]]
    assert recognised(path).users is None
    assert recognised(path).cosine
    with pytest.raises(ConfigError, match="holds the id of each item: leave --item-ids out"):
        read_vectors("item", str(path), "ids.txt", None)


@pytest.mark.parametrize("between", [b"", b"\n"])
def test_word2vec_binaries(tmp_path, between):
    path = tmp_path / "items.bin"
    rows = TABLE.astype("<f4")
    rows[0, 0] = np.frombuffer(b" \n a", "<f4")[0]
    parts = [b"3 2\n", *(f"i{at} ".encode() + row.tobytes() + between for at, row in enumerate(rows))]
    path.write_bytes(b"".join(parts))
    found = rows_of(path)
    assert found.ids == ["i0", "i1", "i2"]
    assert np.array_equal(found.rows, rows)
    path.write_bytes(b"".join(parts)[:-3])
    with pytest.raises(DataError, match="ends in vector 2"):
        rows_of(path)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("a 1 2\nb 3 4\n", "does not begin with a line 'VECTORS DIMENSIONS'.*save_word2vec_format"),
        ("2 2\na 1 2\nb 3\n", "line 3 is no id with 2 numbers: 'b 3"),
        ("2 2\na 1 2\nb 3 x\n", "line 3 is no id with 2 numbers"),
        ("2 2\na 1 2\n", "line 3 is no id with 2 numbers: ''"),
        ("1 2\na 1 2\nb 3 4\n", "goes on after the 1 vectors"),
        ("9999999 99999\na 1\n", "promises 9,999,999 vectors"),
        ("0 2\n", "holds 0 vectors"),
        ("2 2\na 1 2\na 3 4\n", "name 'a' twice, in rows 0 and 1"),
        ("2 1\na 1\nb nan\n", "row 1 .id 'b'. holds NaN"),
    ],
)
def test_word2vec_texts_that_are_refused(tmp_path, text, says):
    (tmp_path / "items.txt").write_text(text)
    with pytest.raises(DataError, match=says):
        rows_of(tmp_path / "items.txt")


@pytest.mark.parametrize("layout", LAYOUTS, ids=lambda one: one.library)
def test_each_librarys_names_are_recognised(tmp_path, layout):
    arrays = {layout.users: TABLE, layout.items: TABLE[:2], "factors": 2, "dtype": "float32"}
    if layout.biases:
        arrays |= {layout.biases[0]: TABLE[:, 0], layout.biases[1]: TABLE[:2, 1]}
    path = tmp_path / "m.npz"
    np.savez(path, **arrays, item_ids=np.array(["x", "y"]))
    found = recognised(path)
    assert found.library == layout.library
    assert (len(found.users.rows), len(found.items.rows)) == (3, 2)
    assert (found.users.ids, found.items.ids.tolist()) == (None, ["x", "y"])
    assert (found.items.biases is None) == (layout.biases is None)
    np.savez(path, **arrays, item_bias_of_mine=TABLE[:2, 1])
    with pytest.raises(ConfigError, match="but holds item_bias_of_mine too"):
        recognised(path)


def test_names_of_no_library_are_asked_about(tmp_path):
    np.savez(tmp_path / "m.npz", p=TABLE, q=TABLE)
    with pytest.raises(ConfigError, match=r"holds p, q, which are no library's names.*--users .*m\.npz:NAME"):
        recognised(tmp_path / "m.npz")
    (tmp_path / "m.kv").write_bytes(b"\x80\x04")
    with pytest.raises(ConfigError, match="files of other libraries are"):
        recognised(tmp_path / "m.kv")
