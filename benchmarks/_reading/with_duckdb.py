"""DuckDB alone. A join does not keep the order of rows, so that row numbers are joined along."""

from pathlib import Path

import duckdb
import numpy as np
from numpy.typing import NDArray

from _reading.answer import Answer, main

THREADS = 2


def read(path: Path) -> Answer:
    """Typed by its own guess; codes by a join with the sorted distinct ids."""
    db = duckdb.connect(config={"threads": THREADS})
    source = f"read_parquet('{path}')" if path.suffix == ".parquet" else f"read_csv('{path}')"
    db.execute(
        f"CREATE TABLE log AS SELECT user_id, item_id, rating::DOUBLE r, timestamp::DOUBLE t FROM {source}"
    )
    users, user_ids = _coded(db, "user_id")
    items, item_ids = _coded(db, "item_id")
    numbers = [db.execute(f"SELECT {name} FROM log").fetchnumpy()[name] for name in ("r", "t")]
    return Answer(users, items, numbers[0], numbers[1], user_ids, item_ids)


def _coded(db: duckdb.DuckDBPyConnection, column: str) -> tuple[NDArray[np.int32], list[str]]:
    db.execute(
        f"CREATE TABLE ids AS SELECT v, (row_number() OVER (ORDER BY v) - 1)::INTEGER k "
        f"FROM (SELECT DISTINCT {column} v FROM log)"
    )
    pairs = db.execute(f"SELECT log.rowid p, k FROM log JOIN ids ON log.{column} = v").fetchnumpy()
    codes = np.empty(len(pairs["p"]), np.int32)
    codes[pairs["p"]] = pairs["k"]
    names = db.execute("SELECT v::VARCHAR v FROM ids ORDER BY k").fetchnumpy()["v"].tolist()
    db.execute("DROP TABLE ids")
    return codes, names


if __name__ == "__main__":
    main(read)
