"""This repository: its reader, and the command data import."""

import contextlib
import io
import json
from pathlib import Path

from _reading.answer import Answer, main
from recpress_edge.cli import main as recpress_edge
from recpress_edge.data.readers.read import Reading, read_log

THREADS = 2


def read(path: Path) -> Answer:
    """As data import reads it, with all its checks."""
    log = read_log([path], reading=Reading(threads=THREADS)).log
    if log.ratings is None or log.times is None:
        raise SystemExit("ratings or times were not found")
    return Answer(log.users, log.items, log.ratings, log.times, list(log.user_ids), list(log.item_ids))


def whole(path: Path, folder: Path) -> int:
    """data import, as a user types it."""
    said = io.StringIO()
    words = ["data", "import", str(path), "--name", "log", "--split", "ratio:80/10/10", "--json"]
    with contextlib.redirect_stdout(said):
        code = recpress_edge([*words, "--work", str(folder)])
    if code:
        raise SystemExit(f"data import ended with exit code {code}")
    return sum(json.loads(said.getvalue())["interactions"].values())


if __name__ == "__main__":
    main(read, whole)
