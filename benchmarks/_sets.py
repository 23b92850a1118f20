"""The six data sets of our own studies, and what a record says of each."""

from pathlib import Path
from typing import Any, Final

from recpress_edge.data.resolve import load_dataset

IMPORT: Final = "recpress-edge data import"
SETS: Final = {
    # the name in --work, and the command that puts it there
    "citeulike": ("citeulike", "recpress-edge data stats citeulike"),
    "gowalla": ("gowalla", "recpress-edge data stats gowalla"),
    "foursquare": (
        "six-foursquare",
        f"{IMPORT} foursquare/users.dat --name six-foursquare --format counted-adjacency "
        "--split ratio:80/10/10",
    ),
    "ml-1m": (
        "six-ml-1m",
        f"{IMPORT} ml-1m/sequences.txt --name six-ml-1m --format adjacency --split ratio:80/10/10",
    ),
    "ml-100k": (
        "six-ml-100k",
        f"{IMPORT} ml-100k/ml-100k.inter --name six-ml-100k --split ratio:80/10/10",
    ),
    "beauty": (
        "six-beauty",
        f"{IMPORT} beauty/sequences.txt --name six-beauty --format adjacency --split loo-order",
    ),
}


def protocol(key: str, work: Path) -> dict[str, Any]:
    """How a set is made and held out, and how large it is."""
    name, command = SETS[key]
    data = load_dataset(name, work)
    return {
        "command": command,
        "protocol": data.protocol,
        "digest": data.digest(),
        "users": data.n_users,
        "items": data.n_items,
        "interactions": sum(len(part) for part in (data.train, data.valid, data.test)),
    }
