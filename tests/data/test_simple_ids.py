"""What is asked of all ids in one pass is what is asked of each; how ids are numbered."""

import numpy as np
import pytest

from recpress_edge.artifacts.ids import are_integers, is_integer
from recpress_edge.core.errors import ConfigError
from recpress_edge.data.filter import drop_duplicates
from recpress_edge.data.ids import MISSING_WORDS, IdChoice, settle_ids
from recpress_edge.data.log import Log
from recpress_edge.data.readers.names import are_simple
from recpress_edge.data.readers.read import Reading, read_log
from recpress_edge.data.readers.rows import wrong_id

PLAIN = ["7", "u_1", "B00-7", "a" * 256]
ODD = ["", " 7", "7 ", "7.0", "a\nb", "a\n", "é", "a" * 257, "{1}", "٣", "a\r", "\u200b"]


@pytest.mark.parametrize("odd", ODD)
def test_one_odd_text_is_found_among_simple_ones(odd):
    assert are_simple(PLAIN)
    assert not are_simple([*PLAIN, odd])
    assert not are_simple([odd, *PLAIN])
    assert not any(wrong_id("user", name) for name in PLAIN)


@pytest.mark.parametrize(
    "texts", [[], ["0", "-7", "12"], ["1", "01"], ["1", ""], ["1\n2"], ["-0"], ["٣"], ["9" * 40]]
)
def test_integers_together_are_integers_each(texts):
    assert are_integers(texts) == all(map(is_integer, texts))


@pytest.mark.parametrize("word", [*sorted(MISSING_WORDS), "NULL", "---", "__"])
def test_words_for_missing_are_found_among_simple_ids(word):
    ids = ("a", "b", word)
    log = Log(
        ids, ("x",), np.arange(3, dtype=np.int32), np.zeros(3, np.int32), None, None, np.zeros(3, np.int8)
    )
    with pytest.raises(ConfigError, match="stands for no value"):
        settle_ids(log, IdChoice())


@pytest.mark.parametrize(
    ("users", "order"),
    [
        (["10", "9", "100"], ("9", "10", "100")),
        (["10", "9", "-3"], ("-3", "9", "10")),
        (["10", "9", "9" * 30], ("9", "10", "9" * 30)),
        (["10", "9", "09"], ("09", "10", "9")),
        (["b", "a", "é", "Z", "😀", "\uffee"], ("Z", "a", "b", "é", "\uffee", "😀")),
    ],
)
def test_ids_are_numbered_in_order_whatever_the_order_of_the_rows(users, order, tmp_path):
    file = tmp_path / "log.csv"
    for rows in (users, users[::-1]):
        file.write_text("user,item\n" + "".join(f"{user},x{at}\n" for at, user in enumerate(rows)))
        log = read_log([file], reading=Reading(ids=IdChoice(form="as-written"))).log
        assert log.user_ids == order
        assert [log.user_ids[at] for at in log.users] == rows


def test_the_earliest_of_repeated_rows_stays_in_the_order_of_users_and_items():
    rng = np.random.default_rng(0)
    n, ids = 5000, tuple(map(str, range(40)))
    users, items = rng.integers(0, 40, (2, n)).astype(np.int32)
    times, parts = rng.integers(0, 50, n).astype(float), rng.integers(0, 3, n).astype(np.int8)
    made = drop_duplicates(Log(ids, ids, users, items, None, times, parts, np.arange(n)))
    first = {}
    for at in range(n):
        key = (parts[at], users[at], items[at])
        if key not in first or times[at] < times[first[key]]:
            first[key] = at
    assert made.places.tolist() == [first[key] for key in sorted(first)]
