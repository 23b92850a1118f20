"""Every rule of fields with its vectors: what a device must give too."""

import json

import numpy as np
import pytest

from recpress_edge.artifacts.clicks.fields import (
    MISSING,
    NO_VALUE,
    UNKNOWN,
    FeatureField,
    fnv1a32,
    fnv1a32_of_pairs,
    read_field,
)
from recpress_edge.core.errors import ArtifactError

CATEGORY = FeatureField("category", "item", "categorical", ("a", "é", "b c"))
HOUR = FeatureField("hour", "context", "integer", least=0, most=23)
BATTERY = FeatureField("battery", "context", "numeric", edges=(-1.0, 0.0, float(np.float32(0.1)), 2.5))
GENRES = FeatureField("genres", "item", "many", ("x", "y", "z"), capacity=2)
CITY = FeatureField("city", "context", "hashed", buckets=512, seed=1)
FIELDS = (CATEGORY, HOUR, BATTERY, GENRES, CITY)


def test_fnv1a32_is_the_published_function():
    known = {b"": 0x811C9DC5, b"a": 0xE40C292C, b"foobar": 0xBF9CF968}
    assert {data: fnv1a32(data) for data in known} == known
    assert fnv1a32(b"a", 1) == ((0x811C9DC4 ^ 97) * 0x01000193) & 0xFFFFFFFF


# What any implementation must give: seed 1, 512 buckets.
HASHED = {"": 0, "a": 193, "é": 198, "日本": 198, "🎧": 120, "Ljubljana": 337, " ": 494, "x" * 1024: 454}


def test_hashed_texts_have_these_rows():
    assert {text: CITY.rows_of(text)[0] for text in HASHED} == HASHED
    assert CITY.rows_of("e\u0301") == CITY.rows_of("\u00e9")
    assert CITY.size == 514


def test_pairs_hash_as_their_eight_bytes():
    left, right = np.array([0, 7, 2**31 - 1]), np.array([1, 70_000, 3])
    for a, b, found in zip(left, right, fnv1a32_of_pairs(left, right, 5).tolist(), strict=True):
        assert found == fnv1a32(int(a).to_bytes(4, "little") + int(b).to_bytes(4, "little"), 5)


@pytest.mark.parametrize(
    ("value", "row"),
    [(None, 0), ("", 0), (float("nan"), 0), ("nobody", 1), ("a", 2), ("é", 3), ("e\u0301", 3), ("b c", 4)],
)
def test_categories_are_rows_from_two(value, row):
    assert CATEGORY.rows_of(value) == [row]
    assert CATEGORY.size == 5


@pytest.mark.parametrize(
    ("value", "row"), [(None, 0), (0, 2), (23, 25), (24, 1), (-1, 1), (3.5, 1), ("7", 9), (1e300, 1)]
)
def test_integers_outside_their_range_are_unknown(value, row):
    assert HOUR.rows_of(value) == [row]
    assert HOUR.size == 26


@pytest.mark.parametrize(
    ("value", "row"),
    [
        (None, MISSING),
        (-np.inf, 2),
        (-1.5, 2),
        (-1.0, 3),  # on an edge is above it
        (-0.0, 4),
        (0.0, 4),
        (0.1, 5),  # in float32, which is above the double 0.1
        (float(np.nextafter(np.float32(0.1), np.float32(0))), 4),
        (2.5, 6),
        (1e300, 6),
        (np.inf, 6),
    ],
)
def test_numbers_are_in_the_bucket_of_their_float32(value, row):
    assert BATTERY.rows_of(value) == [row]
    assert BATTERY.size == 7


@pytest.mark.parametrize(
    ("value", "row"), [("07", 9), ("+7.", 9), ("7e0", 9), (10**400, 1), (-(10**30), 1), ("1e999", 1)]
)
def test_texts_of_numbers_and_large_numbers_are_numbers(value, row):
    assert HOUR.rows_of(value) == [row]
    assert BATTERY.rows_of(value) == [2 if value == -(10**30) else 6]


@pytest.mark.parametrize(
    "value", [" 7", "7 ", "1_0", "\u0667", "0x7", "nan", "inf", "seven", ".", "1e", True, [7]]
)
def test_what_only_some_languages_read_as_a_number_is_refused(value):
    for field in (HOUR, BATTERY):
        with pytest.raises(ValueError, match="number"):
            field.rows_of(value)


@pytest.mark.parametrize("value", [1.5, True, b"a", ["a"]])
def test_what_has_more_than_one_spelling_is_no_text(value):
    for field in (CATEGORY, CITY):
        with pytest.raises(ValueError, match="a text or a whole number"):
            field.rows_of(value)
    assert CATEGORY.rows_of(13) == CATEGORY.rows_of("13")


@pytest.mark.parametrize(
    ("value", "rows"),
    [
        (None, [MISSING, NO_VALUE]),
        ([], [MISSING, NO_VALUE]),
        (["z"], [4, NO_VALUE]),
        (["y", "x", "z"], [3, 2]),
        (["none", "x"], [UNKNOWN, 2]),
        (["", "x"], [2, NO_VALUE]),
    ],
)
def test_many_values_keep_the_first_that_fit(value, rows):
    assert GENRES.rows_of(value) == rows
    assert (GENRES.size, GENRES.width) == (5, 2)


def test_columns_are_encoded_as_single_values():
    numbers = np.array([np.nan, -1, 0.1, 2.5, 23, 24, 3.5])
    for field in (HOUR, BATTERY):
        assert field.rows_of_numbers(numbers).tolist() == [field.rows_of(one)[0] for one in numbers.tolist()]
    texts = ["", "a", "é", "nobody"]
    for field in (CATEGORY, CITY):
        assert field.rows_of_texts(texts).tolist() == [field.rows_of(text)[0] for text in texts]


@pytest.mark.parametrize("field", FIELDS, ids=lambda field: field.kind)
def test_an_entry_is_read_as_the_field_that_wrote_it(field):
    entry = json.loads(json.dumps(field.entry()))
    again = read_field(entry, field.values)
    assert again.entry() == field.entry()
    assert again.rows_of("a" if field.kind in ("categorical", "hashed") else None) == field.rows_of(
        "a" if field.kind in ("categorical", "hashed") else None
    )


@pytest.mark.parametrize(
    ("field", "wrong"),
    [
        (CATEGORY, {"size": 6}),
        (CATEGORY, {"side": "shop"}),
        (BATTERY, {"edges": [1, 0, 2, 3]}),
        (CITY, {"hash": "murmur"}),
        (HOUR, {"least": 30, "size": -5}),
        (GENRES, {"capacity": 0}),
        (HOUR, {"most": "late"}),
        (HOUR, {"kind": "date"}),
    ],
)
def test_an_entry_that_contradicts_itself_is_refused(field, wrong):
    with pytest.raises(ArtifactError, match="field"):
        read_field({**field.entry(), **wrong}, field.values)
