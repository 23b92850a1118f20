"""Polars alone, run by a Python that has it."""

from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from _reading.answer import Answer, main


def read(path: Path) -> Answer:
    """Typed by its own guess; codes by an Enum of the sorted distinct ids, for numbers by a join."""
    log = pl.read_parquet(path) if path.suffix == ".parquet" else pl.read_csv(path)
    users, user_ids = _coded(log.get_column("user_id"))
    log = log.drop("user_id")
    items, item_ids = _coded(log.get_column("item_id"))
    log = log.drop("item_id")
    numbers = [log.get_column(name).cast(pl.Float64).to_numpy() for name in ("rating", "timestamp")]
    return Answer(users, items, numbers[0], numbers[1], user_ids, item_ids)


def _coded(column: pl.Series) -> tuple[NDArray[np.int32], list[str]]:
    ids = column.unique().sort()
    if column.dtype == pl.String:
        codes = column.cast(pl.Enum(ids)).to_physical().cast(pl.Int32)
    else:
        table = pl.DataFrame({column.name: ids, "k": pl.int_range(ids.len(), dtype=pl.Int32, eager=True)})
        joined = column.to_frame().join(table, on=column.name, how="left", maintain_order="left")
        codes = joined.get_column("k")
    return codes.to_numpy(), ids.cast(pl.String).to_list()


if __name__ == "__main__":
    main(read)
