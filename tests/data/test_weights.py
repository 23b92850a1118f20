"""--weight: added up over repeated rows, kept with each interaction, and never zero in silence."""

import pytest

from recpress_edge.core.errors import ConfigError
from recpress_edge.jobs.data_import import ImportRequest

ROWS = "user,item,plays\n" + "".join(f"u{u},i{i},{u + i + 1}\n" for u in range(4) for i in range(5))


def prepared(tmp_path, text, **flags):
    path = tmp_path / "plays.csv"
    path.write_text(text)
    return ImportRequest(paths=(path,), name="w", work=tmp_path, **flags).plan().prepared


def weights(dataset):
    """(user, item) -> weight."""
    column = dataset.features.context.named("weight")
    parts = (dataset.train, dataset.valid, dataset.test)
    pairs = [(int(u), int(i)) for part in parts for u, i in zip(part.users(), part.indices, strict=True)]
    return {
        (dataset.user_ids[u], dataset.item_ids[i]): column.numbers[row] for row, (u, i) in enumerate(pairs)
    }


def test_weights_of_repeated_rows_are_added_up(tmp_path):
    found = weights(prepared(tmp_path, ROWS + "u1,i2,2.5\n", weight="plays").dataset)
    assert found[("u1", "i2")] == 4 + 2.5
    assert found[("u3", "i4")] == 8
    assert len(found) == 20


@pytest.mark.parametrize("bad", ["0", "-1", "", "many", "nan"])
def test_a_weight_that_is_no_positive_number_is_a_question(tmp_path, bad):
    with pytest.raises(ConfigError, match=r"--weight plays: 1 of 21 rows have no positive number.*--where"):
        prepared(tmp_path, ROWS + f"u1,i2,{bad}\n", weight="plays")
    where = "TRY_CAST(plays AS DOUBLE) > 0 AND isfinite(TRY_CAST(plays AS DOUBLE))"
    assert (
        len(weights(prepared(tmp_path, ROWS + f"u1,i2,{bad}\n", weight="plays", where=where).dataset)) == 20
    )


def test_a_column_is_a_weight_or_context(tmp_path):
    with pytest.raises(ConfigError, match=r"--context names plays .* and so does --weight"):
        prepared(tmp_path, ROWS, weight="plays", context="plays")
    with pytest.raises(ConfigError, match="no such column"):
        prepared(tmp_path, ROWS, weight="listens")


def test_rows_that_are_rated_too_low_have_no_weight(tmp_path):
    text = "user,item,plays,rating\n" + "".join(f"u{u},i{i},1,5\n" for u in range(4) for i in range(5))
    found = weights(prepared(tmp_path, text + "u1,i2,100,1\n", weight="plays", min_rating=4).dataset)
    assert found[("u1", "i2")] == 1
