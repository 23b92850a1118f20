"""bundle fold-in --features: new items of which features alone are known."""

import json
import shlex

import numpy as np
import pytest
from exports import N_ITEMS, exported

from recpress_edge.artifacts.bundle import open_bundle
from recpress_edge.cli import main
from recpress_edge.core.errors import ConfigError, DataError, GateError
from recpress_edge.data.features.design import MOST_PLACES, design_of, words_of
from recpress_edge.jobs.fold_in.request import FoldInRequest
from recpress_export.update.stored import read_stored

pytestmark = pytest.mark.usefixtures("workers_here")


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    return exported(tmp_path_factory.mktemp("features") / "bundle")


def telling(bundle, item):
    """Features that say where an item lies: the signs of its first three numbers."""
    return ["up" if value > 0 else "down" for value in read_stored(bundle).item_rows[item, :3]]


def table(folder, rows, header="item_id,a,b,c", name="items.csv"):
    path = folder / name
    path.write_text("".join(f"{line}\n" for line in (header, *(",".join(row) for row in rows))))
    return path


def known(bundle, count=N_ITEMS):
    return [[f"item-{item}", *telling(bundle, item)] for item in range(count)]


def test_a_new_item_lies_where_items_of_its_features_lie(bundle, tmp_path):
    path = table(tmp_path, [*known(bundle), ["fresh", "up", "down", "up"]])
    folded = FoldInRequest(bundle=bundle.folder, features=(path,), out=tmp_path / "new").run().folded
    row = folded.changes.append_emb[0]
    assert (row[0] > 0, row[1] < 0, row[2] > 0) == (True, True, True)
    assert folded.changes.append_ids == ("fresh",)
    assert folded.n_by_features == 1
    assert 0.1 < folded.recovery.explained < 1
    assert open_bundle(tmp_path / "new").item_ids()[-1] == "fresh"


def test_known_and_new_items_may_lie_in_two_files(bundle, tmp_path):
    one = table(tmp_path, [*known(bundle), ["fresh", "up", "down", "up"]])
    first = table(tmp_path, known(bundle), name="known.csv")
    # other columns, in another order, and a row of a known item again
    second = table(
        tmp_path,
        [["x", "up", "up", "down", "fresh"], ["x", *telling(bundle, 3)[::-1], "item-3"]],
        "other,c,b,a,item_id",
        "new.csv",
    )
    second.write_text(second.read_text().replace("x,up,up,down,fresh", "x,up,down,up,fresh"))
    alone = FoldInRequest(bundle=bundle.folder, features=(one,)).plan()
    both = FoldInRequest(bundle=bundle.folder, features=(first, second)).plan()
    assert both.changes.append_emb == pytest.approx(alone.changes.append_emb, rel=1e-5)


def test_features_that_say_nothing_are_refused(bundle, tmp_path):
    rows = [[f"item-{item}", str(item % 2), str(item % 3), str(item % 5)] for item in range(N_ITEMS)]
    path = table(tmp_path, [*rows, ["fresh", "1", "1", "1"]])
    with pytest.raises(
        GateError, match=r"no more of an item than the mean vector does: they explain 0\.\d %"
    ):
        FoldInRequest(bundle=bundle.folder, features=(path,)).plan()


def test_items_without_a_value_that_others_share_are_left_out(bundle, tmp_path):
    rows = [["fresh", "up", "", ""], ["odd", "sideways", "", ""], ["bare", "", "", ""]]
    folded = FoldInRequest(bundle=bundle.folder, features=(table(tmp_path, known(bundle) + rows),)).plan()
    assert folded.changes.append_ids == ("fresh",)
    assert folded.counted.left_out == ("odd", "bare")
    with pytest.raises(DataError, match="nothing to fold in: 2 new items share no value"):
        FoldInRequest(bundle=bundle.folder, features=(table(tmp_path, known(bundle) + rows[1:]),)).plan()


def test_interactions_and_likeness_win_over_features(bundle, tmp_path):
    path = table(tmp_path, [*known(bundle), *([name, "up", "up", "up"] for name in ("a", "b", "c"))])
    log = tmp_path / "log.csv"
    log.write_text("user,item\nuser 1,b\nuser 2,b\n")
    folded = FoldInRequest(
        bundle=bundle.folder, features=(path,), interactions=(log,), like=("a=item-1",)
    ).plan()
    assert folded.changes.append_ids == ("a", "b", "c")
    assert folded.per_item == (0, 2, 0)
    assert folded.n_by_features == 1


@pytest.mark.parametrize(
    ("rows", "error", "words"),
    [
        (lambda b: [*known(b, 19), ["fresh", "up", "up", "up"]], DataError, "rows of 19 items that the bund"),
        (lambda b: [*known(b), ["item-3", "x", "x", "x"]], DataError, "line 5 and .* of 'item-3' and differ"),
        (lambda b: [[r[0], "", "", ""] for r in known(b)], DataError, "no column with values"),
        (lambda b: [[r[0], r[0], r[0], r[0]] for r in known(b)], DataError, "no two known items share"),
    ],
)
def test_bad_tables_are_refused(bundle, tmp_path, rows, error, words):
    path = table(tmp_path, rows(bundle))
    with pytest.raises(error, match=words):
        FoldInRequest(bundle=bundle.folder, features=(path,)).plan()


@pytest.fixture(scope="module")
def numbers(bundle):
    """The first three numbers of each known item as its features."""
    rows = read_stored(bundle).item_rows[:, :3]
    return [[f"item-{item}", *(repr(float(value)) for value in row)] for item, row in enumerate(rows)]


def made(bundle, path, **asked):
    return FoldInRequest(bundle=bundle.folder, features=(path,), **asked).plan()


def test_a_number_beyond_those_of_known_items_counts_as_the_last_of_theirs(bundle, tmp_path, numbers):
    most = max(float(row[1]) for row in numbers)
    new = [["huge", "1e300", "0.2", "-0.3"], ["most", repr(most), "0.2", "-0.3"]]
    rows = made(bundle, table(tmp_path, [*numbers, *new])).changes.append_emb
    assert rows[0].any()
    assert rows[0].tolist() == rows[1].tolist()


def test_a_number_that_all_known_items_share_says_nothing_of_a_new_one(bundle, tmp_path, numbers):
    known_rows = [[*row[:3], "0.1"] for row in numbers]  # whose deviation is 0 but for rounding
    new = [["other", "0.5", "0.2", "0.9"], ["same", "0.5", "0.2", "0.1"]]
    rows = made(bundle, table(tmp_path, [*known_rows, *new])).changes.append_emb
    assert rows[0].tolist() == rows[1].tolist()


def test_numbers_whose_squares_are_no_numbers_are_refused(bundle, tmp_path, numbers):
    path = table(tmp_path, [[numbers[0][0], "-1e200", *numbers[0][2:]], *numbers[1:], ["new", "1", "1", "1"]])
    with pytest.raises(DataError, match=r"feature 'a': its numbers reach 1e\+200"):
        made(bundle, path)


@pytest.mark.parametrize("other", ["item-3\N{NO-BREAK SPACE}", "\u200bitem-3", "\uff49tem-3", "caf\u00e9"])
def test_an_id_that_differs_in_what_does_not_show_is_asked_about(bundle, tmp_path, other):
    twins = ["cafe\u0301", other] if other[0] == "c" else [other]
    path = table(tmp_path, [*known(bundle), *([name, *telling(bundle, 3)] for name in (*twins, "fresh"))])
    with pytest.raises(ConfigError, match=r"differ in invisible characters, .* say --ids cleaned"):
        made(bundle, path)
    assert made(bundle, path, ids="as-written").changes.append_ids == (*twins, "fresh")
    cleaned = made(bundle, path, ids="cleaned").changes.append_ids
    assert cleaned == (("caf\u00e9", "fresh") if other[0] == "c" else ("fresh",))


def test_a_plan_refuses_what_the_bundle_cannot_store(bundle, tmp_path):
    path = tmp_path / "items.jsonl"
    rows = [*known(bundle), ["fre\nsh", "up", "up", "up"]]
    path.write_text(
        "".join(json.dumps(dict(zip(("item_id", *"abc"), row, strict=True))) + "\n" for row in rows)
    )
    with pytest.raises(DataError, match="holds a line break"):
        made(bundle, path)


def test_lines_that_cannot_be_read_may_be_left_out(bundle, tmp_path):
    path = table(tmp_path, [*known(bundle), ["torn", "up"], ["fresh", "up", "down", "up"]])
    with pytest.raises(DataError, match=r"To leave them out: --skip-bad-lines 1$"):
        made(bundle, path)
    assert made(bundle, path, skip_bad_lines="1").changes.append_ids == ("fresh",)


def test_a_separator_that_is_none_is_called_by_its_flag(bundle, tmp_path):
    with pytest.raises(ConfigError, match=r"^--table-separator 'foo': known are tab"):
        made(bundle, table(tmp_path, known(bundle)), table_separator="foo")


@pytest.mark.parametrize("flag", [{"item_id": "a"}, {"item_features": "a"}, {"table_header": "yes"}])
def test_what_is_said_of_a_table_that_is_not_given_is_refused(bundle, flag):
    with pytest.raises(ConfigError, match=f"--{next(iter(flag)).replace('_', '-')} is of --features"):
        FoldInRequest(bundle=bundle.folder, like=("fresh=item-3",), **flag).plan()


def test_the_command_says_what_features_reach(bundle, tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    path = table(tmp_path, [*known(bundle), ["fresh", "up", "down", "up"]])
    words = ["bundle", "fold-in", str(bundle.folder), "--features", str(path), "--dry-run"]
    assert main([*words, "--item-features", "a,b:words,c"]) == 0
    told = capsys.readouterr().out
    assert max(len(line) for line in told.splitlines() if str(tmp_path) not in line) <= 80
    told = " ".join(told.replace("\\\n", " ").split())
    again = shlex.join([word for word in words if word != "--dry-run"])
    assert f"next recpress-edge {again} --item-features a,b:words,c" in told
    assert "would 1 by features" in told
    assert "learned from 120 known items: a: 2 of 2 values; b: 2 of 2 values; c: 2 of 2 values" in told
    assert "by the mean vector" in told
    assert main([*words, "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)["features"]
    assert set(facts["recall@50"]) == {"own_direction", "features", "alike", "mean"}


def test_words_are_counted_without_case_and_the_most_shared_values_are_kept():
    column = words_of("title", ["The Thing", "the THING (1982)", "", "Alien"])
    assert column.values == ("1982", "alien", "the", "thing")
    design = design_of([column], 3)
    assert design.width == 2  # of the words that two known rows share
    assert design.values.tolist() == pytest.approx([0.5**0.5] * 2 + [3**-0.5] * 2)
    assert (design.rows < 3).all()  # the fourth shares none
    many = words_of("many", [" ".join(map(str, range(MOST_PLACES + 50)))] * 2 + ["0 1"])
    assert design_of([many], 3).width == MOST_PLACES
    assert design_of([words_of("few", ["a b"] * 3)], np.int64(3)).width == 2
