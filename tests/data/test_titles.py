"""Tables of titles: what is taken, and what is refused with the line or the count."""

import pytest

from recpress_edge.core.errors import ConfigError, DataError
from recpress_edge.data.titles import read_titles

IDS = ("a", "b", "7")


@pytest.mark.parametrize(
    ("text", "titles"),
    [
        ("b,Bees\na,Ants\n", ("Ants", "Bees", "")),
        ("item_id,Title\na,Ants\n7,Seven\n", ("Ants", "", "Seven")),
        ('a,"Ants, and more"\n', ("Ants, and more", "", "")),
        ('a,"two\nlines"\n', ("two lines", "", "")),
        ("b\tBees, wasps\na\tAnts\n", ("Ants", "Bees, wasps", "")),
        ("a,name\n", ("name", "", "")),  # an item of that id: no heading
    ],
)
def test_titles_come_in_the_order_of_the_items(tmp_path, text, titles):
    (tmp_path / "t.csv").write_text(text)
    assert read_titles(tmp_path / "t.csv", IDS) == titles


def test_another_encoding_is_converted(tmp_path):
    (tmp_path / "t.csv").write_bytes("a,Amélie\n".encode("latin1"))
    with pytest.raises(
        ConfigError, match=r"is not UTF-8: .* It may be .*cp1252.* Convert it: iconv -f"
    ) as found:
        read_titles(tmp_path / "t.csv", IDS)
    assert "--encoding" not in str(found.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a,Ants\nc,Cats\nd,Dogs\n", "2 of 3 ids are no items of the data set, the first is 'c'"),
        ("a,Ants, and more\n", "line 1: 3 columns.*Write a title that holds a comma in quotes"),
        ("a,Ants\nb\n", "line 2: 1 columns"),
        ("a,Ants\nb,Bees\na,Apes\n", "line 3: item 'a' has a title already"),
    ],
)
def test_a_table_that_does_not_fit_is_refused(tmp_path, text, message):
    (tmp_path / "t.csv").write_text(text)
    with pytest.raises(DataError, match=message):
        read_titles(tmp_path / "t.csv", IDS)
